import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.mjs';
import { median, RUNS } from './measure.mjs';
import { makeLog } from './sample.mjs';

const BYTES = 29.8e6;

/** A log that nobody has seen: parse, key, hash, gate, ledger, job, each transaction synced to disk. */
export async function benchAdmission({ folder, report }) {
  for (const format of ['ndjson', 'array']) {
    const path = join(folder, 'first.log');
    const written = makeLog(path, format, BYTES);
    const [fresh, ...runs] = await runChild('read-log.mjs', [path, folder, String(1 + RUNS)]);
    for (const { records } of [fresh, ...runs]) {
      if (records !== written) throw new Error(`${records} of ${written} records were admitted`);
    }
    const rates = runs.map(({ cpuMs }) => written / (cpuMs / 1_000));
    const holds = runs.map(({ holdMs }) => holdMs);
    report.heading(`first admission of ${written} records of ${format}`);
    report.row('median of the runs', median(rates), 'records/s', { atLeast: 60_000 });
    report.row('best run', Math.max(...rates), 'records/s');
    report.row('as the first thing that a process does', written / (fresh.cpuMs / 1_000), 'records/s');
    report.row('longest time that the loop was held, median of the runs', median(holds), 'ms', {
      atMost: 50,
    });
    report.row('  by the clock on the wall', median(runs.map(({ holdWallMs }) => holdWallMs)), 'ms');
    rmSync(path);
  }
}
