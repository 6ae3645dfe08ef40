import { expect, test } from 'vitest';
import { createLog } from '../../src/platform/log.js';
import { createBackupTimer } from '../../src/upkeep/backup-timer.js';
import { FakeClock } from '../support/fake-clock.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function rig(newestAgeMs: number | null, keep = 3) {
  const clock = new FakeClock();
  const made: number[] = [];
  let refuses = false;
  const timer = createBackupTimer({
    everyMs: DAY_MS,
    keep,
    clock,
    log: createLog('silent'),
    care: {
      backups: () => (newestAgeMs === null ? [] : [{ madeAtMs: clock.wallMs() - newestAgeMs }]),
      async backUp() {
        made.push(clock.monotonicMs());
        if (refuses) throw new Error('no room');
        return { file: '/b', sizeBytes: 1, removed: 0 };
      },
    },
  });
  return { clock, made, timer, refuse: (value: boolean) => (refuses = value) };
}

test('the first backup is made a minute after the start, and then one a day', async () => {
  const { clock, made, timer } = rig(null);
  timer.start();
  await clock.advance(59_999);
  expect(made).toEqual([]);
  await clock.advance(1);
  await clock.advance(DAY_MS);
  expect(made).toEqual([60_000, 60_000 + DAY_MS]);
});

test('a restart makes none before its time: the age of the newest counts', async () => {
  const { clock, made, timer } = rig(20 * HOUR_MS);
  timer.start();
  await clock.advance(4 * HOUR_MS);
  expect(made).toEqual([4 * HOUR_MS]);
});

test('one that is overdue is made soon, and one from the future holds the next back for one period at most', async () => {
  const late = rig(90 * DAY_MS);
  late.timer.start();
  await late.clock.advance(60_000);
  expect(late.made).toEqual([60_000]);
  const future = rig(-400 * DAY_MS);
  future.timer.start();
  await future.clock.advance(DAY_MS);
  expect(future.made).toEqual([DAY_MS]);
});

test('one that failed is tried again within the hour', async () => {
  const { clock, made, timer, refuse } = rig(null);
  refuse(true);
  timer.start();
  await clock.advance(60_000 + HOUR_MS);
  refuse(false);
  await clock.advance(HOUR_MS + DAY_MS);
  expect(made).toEqual([60_000, 60_000 + HOUR_MS, 60_000 + 2 * HOUR_MS, 60_000 + 2 * HOUR_MS + DAY_MS]);
});

test('none is made when none is kept, none after a stop', async () => {
  const off = rig(null, 0);
  off.timer.start();
  await off.timer.makeIfDue();
  await off.clock.advance(DAY_MS);
  expect(off.made).toEqual([]);
  const stopped = rig(null);
  stopped.timer.start();
  await stopped.timer.stop();
  await stopped.clock.advance(DAY_MS);
  expect(stopped.made).toEqual([]);
});

test('a worker that runs until it is idle makes one that is due, and no other', async () => {
  const due = rig(25 * HOUR_MS);
  await due.timer.makeIfDue();
  expect(due.made).toHaveLength(1);
  const fresh = rig(HOUR_MS);
  await fresh.timer.makeIfDue();
  expect(fresh.made).toHaveLength(0);
});
