// What intake costs. Build first (bash scripts/build.sh), then: node scripts/bench/intake.mjs [scan] [append] [admit] [files] [--json]
// Prints medians of five runs. Ratios count; absolute times are those of one machine.
import {
  appendFileSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArrayWalk } from '../../dist/intake/array-walk.js';
import { DirectoryReader } from '../../dist/intake/directory-source.js';
import { systemFiles } from '../../dist/intake/file-access.js';
import { createIntake } from '../../dist/intake/intake.js';
import { createJudge } from '../../dist/intake/judge.js';
import { LogReader } from '../../dist/intake/log-source.js';
import { compactJson } from '../../dist/job/snapshot.js';
import { systemClock } from '../../dist/platform/clock.js';
import { createLog } from '../../dist/platform/log.js';
import { openStore } from '../../dist/store/open.js';

const RUNS = 5;
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const folder = mkdtempSync(join(tmpdir(), 'dogged-bench-'));
const results = [];

const record = (id) => ({
  id: `idea-${id}`,
  title: `Idea number ${id}`,
  description: 'A sentence or two about what it is, with "quotes" and a path C:\\temp. '.repeat(2),
  language: ['rust', 'javascript', 'python'][id % 3],
  tags: ['a', 'b'],
  size: { files: id % 7, weight: id * 1.5, parent: null },
});
const source = (changes) => ({
  name: 'bench',
  workspace: 'default',
  pollMs: 1_000,
  task: 'work',
  priority: 0,
  key: 'id',
  version: null,
  onChange: 'ignore',
  require: null,
  route: [],
  quarantineAfterMs: 60_000,
  maxRecordBytes: 1024 * 1024,
  maxDepth: 64,
  followSymlinks: false,
  network: false,
  kind: 'log',
  match: '*.json',
  exclude: [],
  after: 'keep',
  ...changes,
});
const tasks = [{ name: 'work', group: null, retry: { attempts: 3 } }];

function report(name, value, unit) {
  results.push({ name, value, unit });
  console.error(`${name.padEnd(58)} ${String(value).padStart(10)} ${unit}`);
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const round = (number) => (number < 10 ? Math.round(number * 100) / 100 : Math.round(number));

function timed(action) {
  const before = process.cpuUsage();
  const start = performance.now();
  const value = action();
  const { user, system } = process.cpuUsage(before);
  return { wallMs: performance.now() - start, cpuUs: user + system, value };
}

/** CPU time, since wall time measures the neighbours on a busy machine. */
const medianMs = (action) => median(Array.from({ length: RUNS }, () => timed(action).cpuUs)) / 1000;

/** Counts what is read, so that a cost that depends on the file's size cannot hide. */
function counting() {
  const counted = { bytes: 0, calls: 0 };
  const files = {
    ...systemFiles,
    read(...args) {
      const count = systemFiles.read(...args);
      counted.bytes += count;
      counted.calls += 1;
      return count;
    },
  };
  return { counted, files };
}

function drain(reader, thorough = false) {
  let records = 0;
  for (const step of reader.poll({ wallMs: Date.now(), monotonicMs: performance.now() }, thorough))
    records += step.records.length;
  return records;
}

function benchScan() {
  const records = Array.from({ length: 30_000 }, (_, id) => record(id));
  for (const [name, indent] of [
    ['compact', undefined],
    ['indented by 2', 2],
  ]) {
    const bytes = Buffer.from(JSON.stringify(records, null, indent));
    const megabytes = bytes.length / 1e6;
    const walk = (each) => () => {
      const elements = new ArrayWalk(false);
      let at = 0;
      while (elements.step(bytes, at) === 'element') {
        each(elements.start, elements.end);
        at = elements.end;
      }
    };
    const perSecond = (action) => round(megabytes / (medianMs(action) / 1000));
    report(`boundaries alone, ${name}`, perSecond(walk(() => undefined)), 'MB/s');
    report(
      `boundaries + JSON.parse of each slice, ${name}`,
      perSecond(walk((from, to) => JSON.parse(bytes.toString('latin1', from, to)))),
      'MB/s',
    );
    report(
      `JSON.parse of the whole, ${name}`,
      perSecond(() => JSON.parse(bytes.toString('latin1'))),
      'MB/s',
    );
    report(
      `compactJson, ${name}`,
      perSecond(() => compactJson(bytes)),
      'MB/s',
    );
  }
}

async function benchAppend() {
  const judge = await createJudge(source(), tasks);
  for (const megabytes of [1, 100, 1_000]) {
    for (const format of ['ndjson', 'array']) {
      const path = join(folder, 'append.log');
      makeLog(path, format, megabytes * 1e6);
      const { counted, files } = counting();
      const reader = new LogReader(source({ path }), judge, files, systemClock);
      reader.restore([]);
      drain(reader);
      const costs = [];
      const bytes = [];
      for (let n = 0; n < 200; n += 1) {
        const delta = appendOne(path, format, n);
        counted.bytes = 0;
        const { cpuUs, value } = timed(() => drain(reader));
        if (value !== 1) throw new Error(`${value} records were read instead of one`);
        costs.push(cpuUs);
        bytes.push(counted.bytes - delta);
      }
      report(
        `one append to ${megabytes} MB of ${format}, with its share of the audit`,
        round(median(costs)),
        'µs',
      );
      report(`  read beside the appended bytes`, round(median(bytes) / 1024), 'KiB');
      if (megabytes <= 100)
        report(
          '  (read all and JSON.parse instead)',
          round(medianMs(() => parseAll(path, format)) * 1000),
          'µs',
        );
      rmSync(path);
    }
  }
}

function makeLog(path, format, sizeBytes) {
  const fd = openSync(path, 'w');
  const separator = format === 'array' ? ',\n' : '\n';
  let size = format === 'array' ? writeSync(fd, '[') : 0;
  for (let id = 0; size < sizeBytes; ) {
    const block = Array.from({ length: 2_000 }, () => JSON.stringify(record(id++))).join(separator);
    size += writeSync(
      fd,
      (size > 1 && format === 'array' ? separator : '') + block + (format === 'array' ? '' : '\n'),
    );
  }
  if (format === 'array') writeSync(fd, '\n]');
  closeSync(fd);
}

function appendOne(path, format, n) {
  const text = JSON.stringify(record(`new-${n}`));
  if (format === 'ndjson') {
    appendFileSync(path, `${text}\n`);
    return text.length + 1;
  }
  const fd = openSync(path, 'r+');
  const { size } = lstatSync(path);
  writeSync(fd, `,${text}\n]`, size - 2);
  closeSync(fd);
  return text.length + 3;
}

function parseAll(path, format) {
  const text = readFileSync(path, 'utf8');
  return format === 'array'
    ? JSON.parse(text)
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
}

async function benchAdmit() {
  for (const format of ['ndjson', 'array']) {
    const rates = [];
    let lagMs = 0;
    for (let run = 0; run < 3; run += 1) {
      const state = mkdtempSync(join(folder, 'state-'));
      const path = join(state, 'first.log');
      const fd = openSync(path, 'w');
      const all = Array.from({ length: 100_000 }, (_, id) => JSON.stringify(record(id)));
      writeSync(fd, format === 'array' ? `[${all.join(',')}]` : `${all.join('\n')}\n`);
      closeSync(fd);
      const store = await openStore(state, 'worker', systemClock);
      const config = { stateFolder: state, sources: [source({ path })], tasks };
      const intake = createIntake({
        config,
        store,
        clock: systemClock,
        log: createLog('silent'),
        onQueued() {},
      });
      const lag = measureLag();
      const before = process.cpuUsage();
      await intake.pollOnce();
      const { user, system } = process.cpuUsage(before);
      rates.push(100_000 / ((user + system) / 1e6));
      lagMs = Math.max(lagMs, lag.stop());
      await store.close();
    }
    report(`first admission of 100,000 records of ${format}`, round(median(rates)), 'records/s of CPU');
    report('  longest time the loop was held', round(lagMs), 'ms');
  }
}

function measureLag() {
  let last = performance.now();
  let longest = 0;
  let running = true;
  (function turn() {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(turn);
  })();
  return {
    stop() {
      running = false;
      return longest;
    },
  };
}

async function benchFiles() {
  const path = join(folder, 'many');
  mkdirSync(path);
  const count = 100_000;
  for (let n = 0; n < count; n += 1) writeFileSync(join(path, `f${n}.json`), `{"id":${n}}`);
  const quiet = source({ kind: 'directory', path });
  const reader = new DirectoryReader(quiet, await createJudge(quiet, tasks), systemFiles, systemClock);
  reader.restore([]);
  const before = process.memoryUsage().rss;
  const first = timed(() => drain(reader));
  report(`first reading of ${count} files`, round(count / (first.wallMs / 1000)), 'files/s');
  drain(reader, true);
  globalThis.gc?.();
  report('  memory above idle', round((process.memoryUsage().rss - before) / 1e6), 'MB');
  const sweep = median(Array.from({ length: RUNS }, () => timed(() => drain(reader, true)).cpuUs));
  report('  one look at every file', round(sweep / 1000), 'ms CPU');
  report(
    '  (lstat of every file, nothing else)',
    round(
      medianMs(() => {
        for (let n = 0; n < count; n += 1) lstatSync(`${path}/f${n}.json`, { bigint: true });
      }),
    ),
    'ms',
  );
}

try {
  const benches = { scan: benchScan, append: benchAppend, admit: benchAdmit, files: benchFiles };
  for (const [name, bench] of Object.entries(benches))
    if (wanted.length === 0 || wanted.includes(name)) await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (process.argv.includes('--json')) console.log(JSON.stringify({ node: process.version, results }));
