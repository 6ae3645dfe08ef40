import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.mjs';
import { makeLog, record } from './sample.mjs';

/**
 * Memory while a large log is read through the real intake. The records of the array are all new. Those of the NDJSON
 * repeat after a thousand, so that what is measured is the reading, hashing and looking up, and not a database of 10 GB.
 */
export async function benchLarge({ folder, isLarge, report }) {
  const cases = [{ gigabytes: isLarge ? 1 : 0.2, format: 'array', makeRecord: (id) => sized(id, 3_000) }];
  cases.push({
    gigabytes: isLarge ? 10 : 0.5,
    format: 'ndjson',
    makeRecord: (id) => sized(id % 1_000, 64_000),
  });
  for (const { gigabytes, format, makeRecord } of cases) {
    const path = join(folder, 'large.log');
    const written = makeLog(path, format, gigabytes * 1e9, makeRecord);
    const [{ isSettled, cpuMs, wallMs, holdMs, holdWallMs, idleMb, mostMb }] = await runChild(
      'read-log.mjs',
      [path, folder, '1'],
    );
    if (!isSettled) throw new Error('the log was not read to its end');
    report.heading(`${gigabytes} GB of ${format}, ${written} records`);
    report.row('read', (gigabytes * 1e6) / cpuMs, 'MB/s of CPU');
    report.row('wall time', wallMs / 1_000, 's');
    report.row('RSS before', idleMb, 'MB');
    report.row('most RSS in the second third', mostMb[1], 'MB');
    report.row('most RSS in the last third', mostMb[2], 'MB', { atMost: Math.round(mostMb[1] * 1.1) });
    report.row('longest time that the loop was held', holdMs, 'ms', { atMost: 50 });
    report.row('  by the clock on the wall', holdWallMs, 'ms');
    rmSync(path);
  }
}

function sized(id, bytes) {
  return { ...record(id), text: 'x'.repeat(bytes - 300) };
}
