#!/usr/bin/env node
/*
 * What the trace of every hand-off costs: of a first admission, of a poll that finds one record, and of a job.
 *
 *   node scripts/bench/trace.mjs [--runs N]
 *
 * Runs with and without the trace take turns in one process, and each with is set against the without beside it. Times are CPU time;
 * ratios may be compared, absolute figures belong to one machine. Needs dist/ (bash scripts/build.sh).
 */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createIntake } from '../../dist/intake/intake.js';
import { isIntact } from '../../dist/job/snapshot.js';
import { systemClock } from '../../dist/platform/clock.js';
import { createLog } from '../../dist/platform/log.js';
import { openStore } from '../../dist/store/open.js';
import { ReadBook } from '../../dist/trace/read-book.js';
import { sealedPart, sealOf } from '../../dist/trace/seal.js';
import { cpuMs, median } from './intake/measure.mjs';
import { makeLog, record, source, tasks } from './intake/sample.mjs';
import { openDogged } from './queue/dogged-dispatch.mjs';
import { admitMany, record as queueRecord } from './queue/dogged-store.mjs';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '9' } } });
const RUNS = Number(values.runs);
const BYTES = 29.8e6;
const APPENDS = 200;
const JOBS = 20_000;

const folder = mkdtempSync(join(tmpdir(), 'dogged-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

async function withIntake(path, isTraced, work) {
  const state = mkdtempSync(join(folder, 'state-'));
  const store = await openStore(state, 'worker', systemClock);
  const log = createLog('info', { path: join(state, 'worker.log'), sizeBytes: 1e7, keep: 1 });
  const intake = createIntake({
    config: { stateFolder: state, sources: [source({ path })], tasks },
    store,
    clock: systemClock,
    log,
    onQueued() {},
    isTraced,
    ...(isTraced && { reads: new ReadBook() }),
  });
  const result = await work(intake, store);
  await store.close();
  rmSync(state, { recursive: true });
  return result;
}

/** µs a record. */
function admission(path, records) {
  return (isTraced) =>
    withIntake(path, isTraced, async (intake, store) => {
      const before = process.cpuUsage();
      await intake.pollOnce();
      const us = (cpuMs(before) * 1_000) / records;
      const admitted = (await store.counts()).sources[0]?.records;
      if (admitted !== records) throw new Error(`${admitted} of ${records} records were admitted`);
      return us;
    });
}

/** µs a poll that finds one record. */
function onePoll(isTraced) {
  const path = join(folder, `append-${isTraced}.log`);
  makeLog(path, 'ndjson', 1e5);
  return withIntake(path, isTraced, async (intake) => {
    await intake.pollOnce();
    const costs = [];
    for (let n = 0; n < APPENDS; n += 1) {
      appendFileSync(path, `${JSON.stringify(record(`new-${n}`))}\n`);
      const before = process.cpuUsage();
      await intake.pollOnce();
      costs.push(cpuMs(before) * 1_000);
    }
    return median(costs);
  });
}

async function compare(name, unit, measure) {
  await measure(true);
  const pairs = [];
  for (let run = 0; run < RUNS; run += 1) {
    const order = run % 2 === 0 ? [false, true] : [true, false];
    const found = {};
    for (const isTraced of order) found[isTraced] = await measure(isTraced);
    pairs.push(found);
  }
  const [off, on] = [false, true].map((key) => median(pairs.map((pair) => pair[key])));
  const ratio = median(pairs.map((pair) => pair.true / pair.false));
  const quickest = Math.min(...pairs.map((pair) => pair.true)) / Math.min(...pairs.map((pair) => pair.false));
  const figures = `${off.toFixed(2)} → ${on.toFixed(2)} ${unit}`;
  console.log(`${name}: ${figures}, ratio ${ratio.toFixed(3)} (of the quickest ${quickest.toFixed(3)})`);
}

/** What each job pays for, beside what it costs in all. */
async function job() {
  const dogged = await openDogged(mkdtempSync(join(folder, 'queue-')), 'service', 64);
  await admitMany(dogged.store, JOBS);
  const before = process.cpuUsage();
  dogged.start();
  await dogged.upTo(JOBS);
  const jobUs = (cpuMs(before) * 1_000) / JOBS;
  await dogged.stop();
  await dogged.store.close();

  const records = Array.from({ length: JOBS }, (_, n) => queueRecord(n));
  const perJobUs = (work) => {
    work();
    const start = process.cpuUsage();
    work();
    return (cpuMs(start) * 1_000) / JOBS;
  };
  const checkUs = perJobUs(() => records.every(({ payload }) => isIntact(payload)));
  const bookUs = perJobUs(() => bookAll(records));
  const share = (((checkUs + bookUs) / jobUs) * 100).toFixed(1);
  const parts = `check of its bytes ${checkUs.toFixed(2)}, book of what was read ${bookUs.toFixed(2)}`;
  console.log(`a job in a service, 64 slots: ${jobUs.toFixed(1)} µs, of them ${parts} (${share} %)`);
}

function bookAll(records) {
  const book = new ReadBook();
  for (let from = 0; from < records.length; from += 500) {
    const cycle = String(from);
    const part = records.slice(from, from + 500);
    const seal = sealOf(part);
    book.expect(cycle, 'bench', () => part.map((_, n) => [String(from + n), sealedPart(seal, n)]));
    book.close(cycle);
    for (const [n, { payload }] of part.entries()) book.read(String(from + n), payload.hash);
  }
}

const log = join(folder, 'first.log');
const records = makeLog(log, 'ndjson', BYTES);
await compare(`first admission of ${records} records`, 'µs a record', admission(log, records));
await compare('a poll that finds one record', 'µs', onePoll);
await job();
