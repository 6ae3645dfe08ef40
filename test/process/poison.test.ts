import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { openStore } from '../../src/store/open.js';
import { admitJob } from '../dispatch/rig.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';

const CONFIG = `
slots: 4
tasks:
  # Its parent is the worker.
  killer: { run: [sh, -c, "kill -KILL $PPID; sleep 60"], retry: { backoff: 10ms..50ms } }
  innocent: { run: [sh, -c, "sleep 0.3; echo $DOGGED_JOB_ID >> done"], retry: { backoff: 10ms..50ms } }
`;

/** Resolves with how it ended: a killed worker has no exit code. */
function runWorker(folder: string): Promise<NodeJS.Signals | number | null> {
  const worker = spawn(process.execPath, [builtCli(), 'worker', '--until-idle'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  return new Promise((resolve) => worker.once('exit', (code, signal) => resolve(signal ?? code)));
}

test('jobs that kill their worker ten times end as poison, and everyone who ran beside them comes through', async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  onTestFinished(() => store.close());
  const killers: string[] = [];
  const innocents: string[] = [];
  // One killer and three others in each handful that is claimed together.
  for (let handful = 0; handful < 4; handful += 1) {
    killers.push(await admitJob(store, 'killer', {}, { maxAttempts: 5 }));
    for (let n = 0; n < 3; n += 1) innocents.push(await admitJob(store, 'innocent', {}, { maxAttempts: 5 }));
  }

  let kills = 0;
  const isOver = async () => {
    const { total } = await store.counts();
    return total.completed + total.failed === killers.length + innocents.length;
  };
  while (!(await isOver())) {
    const end = await runWorker(folder);
    if (end === 'SIGKILL') kills += 1;
    else expect(end).toBe(0);
    expect(kills).toBeLessThanOrEqual(3 * killers.length);
  }

  expect(kills).toBeGreaterThanOrEqual(10);
  for (const id of killers) {
    expect(await store.get(null, id)).toMatchObject({
      place: 'failed',
      reason: 'poison',
      charged: 0,
      crashes: 3,
    });
  }
  for (const id of innocents) {
    const job = await store.get(null, id);
    expect(job).toMatchObject({ place: 'completed', charged: 0 });
    expect(job?.crashes).toBeLessThanOrEqual(2);
  }
}, 120_000);
