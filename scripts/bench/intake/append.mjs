import { appendFileSync, closeSync, lstatSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemFiles } from '../../../dist/intake/file-access.js';
import { createJudge } from '../../../dist/intake/judge.js';
import { LogReader } from '../../../dist/intake/log-source.js';
import { systemClock } from '../../../dist/platform/clock.js';
import { median, medianCpuMs, timed } from './measure.mjs';
import { makeLog, record, source, tasks } from './sample.mjs';

const APPENDS = 200;
const MB = 1e6;
/** Past this a text is longer than V8 allows. */
const LARGEST_PARSED_MB = 400;

/**
 * One record appended to a log of any size. The consumed part is audited in the background, at most 8 MiB a second: what
 * is counted here is the share that falls due between two appends without a pause.
 */
export async function benchAppend({ folder, isLarge, report }) {
  const cases = [1, 100, 1_000].flatMap((megabytes) => [
    { megabytes, format: 'ndjson' },
    { megabytes, format: 'array' },
  ]);
  // Records of 64 KB: 10 GB of small ones take a quarter of an hour to make and to read.
  if (isLarge) cases.push({ megabytes: 10_000, format: 'ndjson', makeRecord: largeRecord });
  for (const { megabytes, format, makeRecord } of cases) {
    const path = join(folder, 'append.log');
    makeLog(path, format, megabytes * MB, makeRecord);
    const { cpuUs, readBytes, calls } = await appendMany(path, format);
    report.heading(`one append to ${format} of ${megabytes} MB`);
    report.row('CPU', cpuUs, 'µs', { atMost: 60 });
    report.row('read beside the appended bytes', readBytes / 1024, 'KiB', { atMost: 20 });
    report.row('reads', calls, 'calls');
    if (megabytes <= LARGEST_PARSED_MB) {
      const runs = megabytes > 10 ? 5 : 20;
      report.row(
        '(read all of it and JSON.parse instead)',
        medianCpuMs(() => parseAll(path, format), runs),
        'ms',
      );
    }
    rmSync(path);
  }
}

/** Reads the log to its end, really, then appends. */
async function appendMany(path, format) {
  const judge = await createJudge(source({}), tasks);
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
  const reader = new LogReader(source({ path }), judge, files, systemClock);
  reader.restore([]);
  drain(reader);
  const costs = [];
  const bytes = [];
  const calls = [];
  for (let n = 0; n < APPENDS; n += 1) {
    const delta = appendOne(path, format, n);
    counted.bytes = 0;
    counted.calls = 0;
    const { cpuMs, value } = timed(() => drain(reader));
    if (value !== 1) throw new Error(`${value} records were read instead of one`);
    costs.push(cpuMs * 1_000);
    bytes.push(counted.bytes - delta);
    calls.push(counted.calls);
  }
  return { cpuUs: median(costs), readBytes: median(bytes), calls: median(calls) };
}

function drain(reader) {
  let records = 0;
  const at = { wallMs: Date.now(), monotonicMs: performance.now() };
  for (const step of reader.poll(at, false)) records += step.records.length;
  return records;
}

function largeRecord(id) {
  return { ...record(id), text: 'x'.repeat(64_000) };
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
