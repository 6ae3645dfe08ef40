import { expect, test } from 'vitest';
import { createObserver } from '../../src/health/observe.js';
import type { Beat } from '../../src/heartbeat/beat.js';
import { aBeat } from '../heartbeat/a-beat.js';
import { FakeClock } from '../support/fake-clock.js';

const SETTINGS = { pollMs: 2_000 };
const EVERY_MS = 1_000;

/** Looks once a second for so many seconds, at whatever `beatAt` gives; returns the last sight. */
async function lookFor(
  seconds: number,
  observer: ReturnType<typeof createObserver>,
  clock: FakeClock,
  beatAt: (second: number) => Beat | null,
) {
  let sight = observer.look(beatAt(0), SETTINGS, EVERY_MS);
  for (let second = 1; second <= seconds; second += 1) {
    await clock.advance(EVERY_MS);
    sight = observer.look(beatAt(second), SETTINGS, EVERY_MS);
  }
  return sight;
}

/** All counters move with each beat; one beat each 30 s. */
function moving(second: number, different: Partial<Beat['counters']> = {}): Beat {
  const n = Math.floor(second / 30) + 1;
  return aBeat({
    seq: n,
    counters: { loop: n, polls: n, commits: n, asyncFs: n, claims: 0, completed: 0, failed: 0, ...different },
  });
}

test('a beat that stands still is timed on our own clock, and starts from nothing when it moves', async () => {
  const clock = new FakeClock();
  const observer = createObserver(clock);
  const still = await lookFor(100, observer, clock, () => moving(0));
  expect(still.standing).toEqual({ what: 'beat', forMs: 100_000 });
  await clock.advance(EVERY_MS);
  const moved = observer.look(moving(60), SETTINGS, EVERY_MS);
  expect(moved).toMatchObject({ moved: true, standing: { forMs: 0 } });
});

test('a process that beats while one of its counters stands is not taken for a healthy one', async () => {
  for (const counter of ['loop', 'commits', 'asyncFs'] as const) {
    const clock = new FakeClock();
    const sight = await lookFor(200, createObserver(clock), clock, (second) =>
      moving(second, { [counter]: 7 }),
    );
    expect(sight.standing).toEqual({ what: counter, forMs: 200_000 });
  }
  const clock = new FakeClock();
  const sight = await lookFor(200, createObserver(clock), clock, (second) => moving(second, { polls: 7 }));
  expect(sight.standing).toEqual({ what: 'polls', forMs: 198_000 });
});

test('where nothing is polled, no poll is expected', async () => {
  const clock = new FakeClock();
  const observer = createObserver(clock);
  for (let second = 0; second < 200; second += 1) {
    observer.look(moving(second, { polls: 0 }), { pollMs: null }, EVERY_MS);
    await clock.advance(EVERY_MS);
  }
  const sight = observer.look(moving(200, { polls: 0 }), { pollMs: null }, EVERY_MS);
  expect(sight.standing.forMs).toBeLessThanOrEqual(30_000);
});

test('a worker that starts or stops has only to beat and to turn', async () => {
  const clock = new FakeClock();
  const sight = await lookFor(200, createObserver(clock), clock, (second) => ({
    ...moving(second, { polls: 0, commits: 0, asyncFs: 0 }),
    state: 'draining',
  }));
  expect(sight.standing.forMs).toBeLessThanOrEqual(30_000);
});

test('a jump of the wall clock, forward or back, changes nothing', async () => {
  const clock = new FakeClock();
  const observer = createObserver(clock);
  await lookFor(10, observer, clock, () => moving(0));
  clock.jumpWall(3_600_000 * 24);
  await clock.advance(EVERY_MS);
  expect(observer.look(moving(0), SETTINGS, EVERY_MS)).toMatchObject({
    overslept: false,
    standing: { forMs: 11_000 },
  });
  clock.jumpWall(-3_600_000 * 48);
  await clock.advance(EVERY_MS);
  expect(observer.look(moving(0), SETTINGS, EVERY_MS).standing.forMs).toBe(12_000);
});

test('time that we did not see, in a suspend or a frozen machine, is not held against the worker', async () => {
  const clock = new FakeClock();
  const observer = createObserver(clock);
  await lookFor(10, observer, clock, () => moving(0));
  await clock.advance(8 * 3_600_000);
  const late = observer.look(moving(0), SETTINGS, EVERY_MS);
  expect(late).toMatchObject({ overslept: true, standing: { forMs: 12_000 } });
  await clock.advance(EVERY_MS);
  expect(observer.look(moving(0), SETTINGS, EVERY_MS)).toMatchObject({
    overslept: false,
    standing: { forMs: 13_000 },
  });
});

test('work, a free slot and no claim add up to idleness; one claim ends it', async () => {
  const clock = new FakeClock();
  const observer = createObserver(clock);
  const stuck = (second: number, claims = 3) => ({
    ...moving(second, { claims }),
    runnable: 5,
    freeSlots: 2,
  });
  const sight = await lookFor(90, observer, clock, stuck);
  expect(sight.idleMs).toBe(90_000);
  await clock.advance(EVERY_MS);
  expect(observer.look(stuck(91, 4), SETTINGS, EVERY_MS).idleMs).toBe(0);
  const busy = await lookFor(90, observer, clock, (second) => ({ ...stuck(second), freeSlots: 0 }));
  expect(busy.idleMs).toBe(0);
});

test('a worker that is kept from its database owes no commit, poll or claim; its loop and its file reads still count', async () => {
  const clock = new FakeClock();
  const observer = createObserver(clock);
  const held = { forMs: 40_000, pids: [7] };
  const still = { commits: 1, polls: 1 };
  const beatAt = (second: number) => ({ ...moving(second, still), held, runnable: 2, freeSlots: 2 });
  const sight = await lookFor(300, observer, clock, beatAt);
  expect(sight.held).toBe('the database is held by PID 7 for 40s: waiting for it');
  expect(sight.idleMs).toBe(0);
  expect(sight.standing.forMs).toBeLessThan(30_000);
  // Once it is free, they are owed from then on.
  const free = await lookFor(50, observer, clock, (second) => moving(330 + second, still));
  expect(free.held).toBeNull();
  expect(free.standing).toEqual({ what: 'commits', forMs: 50_000 });
  const noReads = await lookFor(100, observer, clock, (second) => ({
    ...moving(400 + second, { asyncFs: 9 }),
    held,
  }));
  expect(noReads.standing.what).toBe('asyncFs');
});

test('a worker whose disk is full is waited for: restarting it would make no room', async () => {
  const clock = new FakeClock();
  const observer = createObserver(clock);
  const still = { commits: 1, polls: 1 };
  const storage = 'the database could not be written';
  const full = (second: number) => ({ ...moving(second, still), storage, runnable: 2, freeSlots: 2 });
  const sight = await lookFor(300, observer, clock, full);
  expect(sight).toMatchObject({ held: 'the database could not be written: waiting for room', idleMs: 0 });
  expect(sight.standing.forMs).toBeLessThan(30_000);
  const room = await lookFor(50, observer, clock, (second) => moving(330 + second, still));
  expect(room.standing).toEqual({ what: 'commits', forMs: 50_000 });
});
