import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { signalProved } from '../../src/platform/process-identity.js';
import { stand } from '../health/support.js';
import { until } from '../support/until.js';

/*
 * Watcher threads and the event loop waited for each other. The process looked alive, its status stopped changing, and
 * nobody noticed for an hour or two, ten times a day. What watched it asked only whether the process was there, or
 * whether its status file was young; the program kept that young by a timer of its own.
 */

/** The old monitor, first kind: it is there, so all is well. */
function looksAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The old monitor, second kind: something wrote the status a moment ago, so all is well. */
function looksFresh(stateFolder: string): boolean {
  const { wallTime } = JSON.parse(readFileSync(join(stateFolder, 'heartbeat.json'), 'utf8'));
  return Date.now() - Date.parse(wallTime) < 2_000;
}

test('a worker that is there and does nothing passes the old check, and is replaced by ours', async () => {
  const place = stand();
  place.behave({ hangAfterMs: 400 });
  void place.supervisor().run();
  const stuck = await place.worker();
  await until(() => place.said.some((line) => line.startsWith('✅ SYSTEM HEALTHY')));
  place.behave({});

  const oldVerdicts: boolean[] = [];
  await until(() => {
    if (place.recoveries().length > 0) return true;
    oldVerdicts.push(looksAlive(stuck.pid));
    return false;
  });
  expect(oldVerdicts.length).toBeGreaterThan(5);
  expect(oldVerdicts).not.toContain(false);

  await place.worker(stuck);
  expect(place.recoveries()[0]).toMatchObject({ cause: 'hung', evidence: { pid: stuck.pid } });
  expect(looksAlive(stuck.pid)).toBe(false);
});

test('a status file that a timer keeps young passes the old check, and does not pass ours', async () => {
  const place = stand();
  // It beats and turns; polls, commits and file reads stand, as behind a lock that is never released.
  place.behave({ counters: { polls: 9, commits: 9, asyncFs: 9 } });
  void place.supervisor().run();
  const stuck = await place.worker();
  await until(() => place.said.some((line) => line.startsWith('✅ SYSTEM HEALTHY')));
  place.behave({});

  const oldVerdicts: boolean[] = [];
  await until(() => {
    if (place.recoveries().length > 0) return true;
    oldVerdicts.push(looksFresh(place.stateFolder));
    return false;
  });
  expect(oldVerdicts).not.toContain(false);
  await place.worker(stuck);
  expect(place.recoveries()[0]).toMatchObject({ cause: 'stalled' });
});

test('a worker that was only slow for a while is left alone', async () => {
  const place = stand();
  place.behave({ health: { freshMs: 300, stuckMs: 3_000 } });
  void place.supervisor().run();
  const worker = await place.worker();
  await until(() => place.tally()?.phase === 'watching');
  for (let pauses = 0; pauses < 3; pauses += 1) {
    signalProved(worker, 'SIGSTOP');
    await until(
      () => place.said.filter((line) => line.startsWith('⚠️ SYSTEM DEGRADED')).length === pauses + 1,
    );
    signalProved(worker, 'SIGCONT');
    await until(() => place.said.at(-1)?.startsWith('✅ SYSTEM HEALTHY'));
  }
  expect(place.recoveries()).toEqual([]);
  expect((await place.worker()).pid).toBe(worker.pid);
});
