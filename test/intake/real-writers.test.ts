import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep, setImmediate as turnOfLoop } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createIntake } from '../../src/intake/intake.js';
import { systemClock } from '../../src/platform/clock.js';
import { createLog } from '../../src/platform/log.js';
import { openStore } from '../../src/store/open.js';
import type { JobSummary } from '../../src/store/read-contract.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { configOf, logSource } from './rig.js';

const WRITERS = join(import.meta.dirname, 'writers');
const COUNT = 120;

const writers: readonly (readonly [string, string, string, ...string[]])[] = [
  ['json.dump in place', 'python3', 'writer.py', 'dump'],
  ['f.write(json.dumps()) in place', 'python3', 'writer.py', 'dumps'],
  ['writing over the old bytes, then truncating', 'python3', 'writer.py', 'seek'],
  ['a temporary file and a rename', 'python3', 'writer.py', 'rename'],
  [
    'seeking to before the closing bracket, in pieces, with a prune now and then',
    'python3',
    'writer.py',
    'bracket',
  ],
  ['lines in pieces, copied away and truncated', 'python3', 'writer.py', 'copytruncate'],
  ['lines in pieces, rotated by rename to numbers', 'python3', 'writer.py', 'rotate'],
  ['lines in pieces, with a file begun anew', process.execPath, 'writer.mjs'],
];

describe('real programs that append, prune and rotate while their file is polled every 100 ms', () => {
  it.each([
    ['with a key', 'id'],
    ['without a key', null],
  ])(
    'get one job for every record, whichever way they write (%s)',
    async (_, key) => {
      // All at once: each takes a few seconds of mostly waiting.
      await Promise.all(writers.map(([name, ...command]) => everyRecordOnce(name, key, command)));
    },
    60_000,
  );
});

async function everyRecordOnce(
  name: string,
  key: string | null,
  [program, script, ...how]: readonly [string, string, ...string[]],
): Promise<void> {
  const folder = tempFolder();
  const path = join(folder, 'log.json');
  const admittedPath = join(folder, 'admitted');
  const store = await openStore(folder, 'worker', systemClock);
  const source = logSource(path, { pollMs: 100, key });
  const log = createLog('silent');
  const intake = createIntake({
    config: configOf([source], folder),
    store,
    clock: systemClock,
    log,
    onQueued: () => undefined,
  });
  intake.start();
  try {
    const child = spawn(program, [join(WRITERS, script), path, admittedPath, ...how, String(COUNT)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const ended = once(child, 'exit');
    const found = async () => (await store.list({ limit: 10_000 })).map((job) => recordOf(job));
    const ids = async () => (await found()).map(({ id }) => id);
    // The writer prunes only what it is told was admitted: everything else must come through.
    while (child.exitCode === null) {
      writeFileSync(`${admittedPath}.tmp`, (await ids()).join('\n'));
      renameSync(`${admittedPath}.tmp`, admittedPath);
      await Promise.race([ended, sleep(30)]);
      // Eight of these under load: their timers alone would keep the loop from the polls.
      await turnOfLoop();
    }
    expect((await ended)[0]).toBe(0);
    await until(async () => (await ids()).length >= COUNT, {
      describe: () => `${name}: ${JSON.stringify(intake.status())} ${path}`,
    });
    const records = await found();
    expect(new Set(records.map(({ id }) => id)).size, name).toBe(COUNT);
    expect(records, name).toHaveLength(COUNT);
    for (const { id, proof } of records) expect(proof).toBe(createHash('sha256').update(id).digest('hex'));
  } finally {
    await intake.stop();
    await store.close();
  }
}

function recordOf({ payload }: JobSummary): { readonly id: string; readonly proof: string } {
  return JSON.parse(payload.bytes.toString());
}
