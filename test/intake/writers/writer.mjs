// Appends lines to an NDJSON log in pieces, and begins the file anew now and then. usage: writer.mjs FILE ADMITTED COUNT
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [path, admittedPath, count] = process.argv.slice(2);
const admitted = () =>
  new Set(existsSync(admittedPath) ? readFileSync(admittedPath, 'utf8').split('\n') : []);
let records = [];

for (let n = 0; n < Number(count); n += 1) {
  const id = `r${String(n).padStart(5, '0')}`;
  const record = { id, proof: createHash('sha256').update(id).digest('hex'), text: '😀 "x" '.repeat(n % 50) };
  records.push(record);
  const line = Buffer.from(`${JSON.stringify(record)}\n`);
  const cut = (n * 37) % line.length;
  appendFileSync(path, line.subarray(0, cut));
  if (n % 3 === 0) await sleep(n % 20);
  appendFileSync(path, line.subarray(cut));
  if (n % 25 === 24) {
    const done = admitted();
    records = records.filter((one) => !done.has(one.id));
    const text = Buffer.from(records.map((one) => `${JSON.stringify(one)}\n`).join(''));
    if (n % 2 === 0) {
      writeFileSync(`${path}.tmp`, text);
      renameSync(`${path}.tmp`, path);
    } else {
      truncateSync(path);
      const fd = openSync(path, 'r+');
      // Between bytes: half of a surrogate pair would be written as another character, so as another record.
      const half = Math.floor(text.length / 2);
      writeSync(fd, text.subarray(0, half));
      await sleep(10);
      writeSync(fd, text.subarray(half));
      closeSync(fd);
    }
  }
}
