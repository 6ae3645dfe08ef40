import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemFiles } from '../../../dist/intake/file-access.js';
import { RejectCopies } from '../../../dist/intake/reject-copies.js';
import { SourcePoller } from '../../../dist/intake/source-poller.js';
import { systemClock } from '../../../dist/platform/clock.js';
import { createLog } from '../../../dist/platform/log.js';
import { openStore } from '../../../dist/store/open.js';
import { cpuMs, median, timed } from './measure.mjs';
import { source, tasks } from './sample.mjs';

const RECORDS = 10_000;
const REWRITES = 40;

/** A plan of 10,000 records that is written anew with one record changed, as by a program that does so every second. */
export async function benchPlan({ folder, report }) {
  const state = join(folder, 'plan-state');
  const path = join(folder, 'schedule.json');
  const store = await openStore(state, 'worker', systemClock);
  const log = createLog('silent');
  const plan = source({
    kind: 'schedule',
    name: 'plan',
    path,
    key: 'id',
    timezone: null,
    missedRuns: 0,
    stopAtEnd: false,
  });
  const poller = new SourcePoller(plan, {
    tasks,
    store,
    clock: systemClock,
    clockTrust: { isSuspect: () => null },
    log,
    copies: new RejectCopies(state, log),
    files: systemFiles,
    onQueued: () => undefined,
  });
  const write = (changed) => {
    writeFileSync(`${path}.tmp`, planText(changed));
    renameSync(`${path}.tmp`, path);
  };
  write(-1);
  const first = process.cpuUsage();
  while (!(await poller.pollOnce())) await new Promise((resolve) => setTimeout(resolve, 50));
  const firstMs = cpuMs(first);
  const polls = [];
  for (let n = 0; n < REWRITES; n += 1) {
    write(n);
    const before = process.cpuUsage();
    await poller.pollOnce();
    polls.push(cpuMs(before));
  }
  const text = planText(-1);
  const parse = [];
  for (let n = 0; n < 10; n += 1) parse.push(timed(() => JSON.parse(text)).cpuMs);
  const { scheduled } = (await store.counts()).total;
  if (scheduled !== RECORDS) throw new Error(`${scheduled} of ${RECORDS} records stand in the store`);
  await store.close();
  report.heading(
    `a plan of ${RECORDS} records (${Math.round(text.length / 1000)} KB), written anew with one of them changed`,
  );
  report.row('first look, all of it admitted', firstMs, 'ms');
  report.row('each rewrite', median(polls), 'ms');
  report.row('share of a core at one a second', median(polls) / 10, '%');
  report.row('(JSON.parse alone)', median(parse), 'ms');
}

function planText(changed) {
  const start = Date.UTC(2030, 0, 1);
  const rows = Array.from({ length: RECORDS }, (_, n) => ({
    id: `show-${n}`,
    start: new Date(start + n * 60_000 + (n === changed ? 1_000 : 0)).toISOString(),
    end: new Date(start + (n + 1) * 60_000).toISOString(),
    title: `Show number ${n}`,
    file: `/srv/audio/${n}.ogg`,
  }));
  return JSON.stringify(rows);
}
