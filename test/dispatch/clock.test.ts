import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { createLog } from '../../src/platform/log.js';
import { createClockWatch } from '../../src/upkeep/clock-watch.js';
import { admit } from '../conformance/given.js';
import { FakeClock } from '../support/fake-clock.js';
import { until } from '../support/until.js';
import { commandTask, createRig, type Rig, storePart } from './rig.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const TASKS = [
  commandTask('plain', ['true']),
  // Fails once, and is tried again after exactly a minute.
  commandTask('flaky', ['sh', '-c', '[ "$DOGGED_ATTEMPT" != 1 ]'], {
    retry: { attempts: 3, backoff: { minMs: MINUTE, maxMs: MINUTE } },
  }),
];

interface Stand {
  readonly clock: FakeClock;
  readonly rig: Rig;
  /** What the dispatcher told of jumps of the clock. */
  readonly jumps: readonly number[];
  /** While it is set, the database takes no turn. */
  readonly store: { isLocked: boolean };
  /** By the stand's own clock. */
  add(task: string, dueInMs?: number, more?: object): Promise<string>;
  runAt(id: string): Promise<{
    readonly attempts: number;
    readonly runAtMs: number;
    readonly startedAtMs: number | null;
    readonly place: string;
  }>;
  /** Lets so much time go by, in steps that let what has begun come to its end. */
  pass(ms: number): Promise<void>;
}

/** The real store, dispatcher and judge of the clock; a machine without a time service. `lastTrustedMs`: as it was stored. */
async function stand(wallMs: number, lastTrustedMs: number | null = null): Promise<Stand> {
  const clock = new FakeClock(wallMs);
  const trust = createClockWatch({
    rules: { trust: 'auto', timeoutMs: 2 * MINUTE },
    lastTrustedMs,
    clock,
    log: createLog('silent'),
    readFacts: () => ({ hasChip: false, synchronised: 'unsaid', upMs: 9e9 }),
  });
  // Processes end in real time: what waits for them must see time go by, too.
  let flowing = Promise.resolve();
  const advance = (ms: number) => {
    flowing = flowing.then(() => clock.advance(ms));
    return flowing;
  };
  const flow = setInterval(() => void advance(5), 5);
  onTestFinished(() => clearInterval(flow));
  const lock = { isLocked: false };
  const jumps: number[] = [];
  const rig = await createRig({
    tasks: TASKS,
    slots: 4,
    clock,
    clockTrust: trust,
    onClockJump: (byMs) => jumps.push(byMs),
    wrapStore: (store) => ({
      ...storePart(store),
      turn: async (turn) => {
        if (lock.isLocked) throw new Error('the database is locked');
        return store.turn(turn);
      },
    }),
  });
  const settle = () => until(() => rig.dispatcher.drained());
  rig.dispatcher.start();
  return {
    clock,
    rig,
    jumps,
    store: lock,
    async add(task, dueInMs = 0, more = {}) {
      const nowMs = clock.wallMs();
      const key = `${task} ${Math.random()}`;
      const record = { key, task, runAtMs: nowMs + dueInMs, ...more };
      const [answer] = await admit(rig.store, [record], { nowMs });
      rig.dispatcher.nudge();
      await settle();
      return answer?.id ?? '';
    },
    runAt: (id) => rig.job(id),
    async pass(ms) {
      for (let left = ms; left > 0; left -= 5 * SECOND) {
        await advance(Math.min(left, 5 * SECOND));
        await settle();
      }
    },
  };
}

describe.each([HOUR, -HOUR, DAY, -DAY])('when the clock jumps by %i ms', (jumpMs) => {
  test('retries wait as long as before, and all of them run once', async () => {
    const { clock, rig, jumps, add, runAt, pass } = await stand(systemClock.wallMs());
    const ids = [];
    for (let n = 0; n < 6; n += 1) ids.push(await add('flaky'));
    for (const id of ids) expect(await runAt(id)).toMatchObject({ attempts: 1, place: 'scheduled' });
    await pass(10 * SECOND);
    clock.jumpWall(jumpMs);
    await pass(49 * SECOND);
    for (const id of ids) expect(await runAt(id)).toMatchObject({ attempts: 1 });
    await pass(2 * SECOND);
    for (const id of ids) expect(await runAt(id)).toMatchObject({ attempts: 2, place: 'completed' });
    expect(jumps).toEqual([jumpMs]);
    const told =
      /The wall clock jumped (forward|back) by (1h|1d), to \d{4}-.*Z: it was set, or the machine slept/g;
    expect(rig.logged().match(told)).toHaveLength(1);
  });

  test('a job for a time of day runs once, at that time by the clock as it then is, or at once when that is over', async () => {
    const { clock, add, runAt, pass } = await stand(systemClock.wallMs());
    const soon = await add('plain', 30 * MINUTE);
    const later = await add('plain', DAY + HOUR);
    await pass(5 * SECOND);
    clock.jumpWall(jumpMs);
    await pass(3 * MINUTE);
    expect(await runAt(later)).toMatchObject({ attempts: 0 });
    if (jumpMs > 0) {
      expect(await runAt(soon)).toMatchObject({ attempts: 1, place: 'completed' });
      return;
    }
    expect(await runAt(soon)).toMatchObject({ attempts: 0 });
    // Somebody puts it right.
    clock.jumpWall(-jumpMs);
    await pass(27 * MINUTE - 10 * SECOND);
    expect(await runAt(soon)).toMatchObject({ attempts: 0 });
    await pass(10 * SECOND);
    const ran = await runAt(soon);
    expect(ran).toMatchObject({ attempts: 1, place: 'completed' });
    expect(ran.startedAtMs).toBeGreaterThanOrEqual(ran.runAtMs);
  });
});

describe('a machine that boots in 1970', () => {
  const TODAY = systemClock.wallMs();
  const BOOT = 40 * SECOND;

  test('runs what is for no time, holds what is, and runs each of it once when the clock is right', async () => {
    const { clock, rig, add, runAt, pass } = await stand(BOOT, TODAY);
    const at = (timeMs: number) => timeMs - clock.wallMs();
    const plain = await add('plain');
    const flaky = await add('flaky');
    // What is due by this clock, and what is for today: nobody can know whether its time has come.
    const dueHere = await add('plain', 20 * SECOND);
    const over = await add('plain', at(TODAY + 10 * MINUTE));
    const ahead = await add('plain', at(TODAY + HOUR + 10 * MINUTE));
    const window = await add('plain', at(TODAY + 5 * MINUTE), { expiresAtMs: TODAY + 2 * HOUR });
    expect(await runAt(plain)).toMatchObject({ place: 'completed' });
    await pass(40 * SECOND);
    for (const id of [dueHere, over, ahead, window]) expect(await runAt(id)).toMatchObject({ attempts: 0 });

    clock.jumpWall(TODAY + HOUR - clock.wallMs());
    await pass(5 * SECOND);
    for (const id of [dueHere, over, window]) {
      expect(await runAt(id)).toMatchObject({ attempts: 1, place: 'completed' });
    }
    expect(await runAt(flaky)).toMatchObject({ attempts: 1, place: 'scheduled' });
    expect(await runAt(ahead)).toMatchObject({ attempts: 0, place: 'scheduled' });
    await pass(20 * SECOND);
    expect(await runAt(flaky)).toMatchObject({ attempts: 2, place: 'completed' });
    await pass(9 * MINUTE);
    expect(await runAt(ahead)).toMatchObject({ attempts: 0 });
    await pass(MINUTE);
    expect(await runAt(ahead)).toMatchObject({ attempts: 1, place: 'completed' });
    expect(rig.dispatcher.counters).toMatchObject({ claims: 7, completed: 6 });
  });

  test('and stays there goes by that clock once the time-out is over', async () => {
    const { add, runAt, pass } = await stand(BOOT, TODAY);
    const dueHere = await add('plain', 20 * SECOND);
    const flaky = await add('flaky');
    await pass(MINUTE + SECOND);
    expect(await runAt(dueHere)).toMatchObject({ attempts: 0 });
    expect(await runAt(flaky)).toMatchObject({ attempts: 2, place: 'completed' });
    await pass(MINUTE - 2 * SECOND);
    expect(await runAt(dueHere)).toMatchObject({ attempts: 0 });
    await pass(2 * SECOND);
    expect(await runAt(dueHere)).toMatchObject({ attempts: 1, place: 'completed' });
  });
});

test('what ended before the clock was set, and is stored after it, waits for its retry by the new clock', async () => {
  const { clock, rig, store, runAt, pass } = await stand(systemClock.wallMs());
  const nowMs = clock.wallMs();
  const [answer] = await admit(rig.store, [{ key: 'a', task: 'flaky', runAtMs: nowMs }], { nowMs });
  const id = answer?.id ?? '';
  rig.dispatcher.nudge();
  await rig.until(id, 'running');
  store.isLocked = true;
  await until(() => rig.dispatcher.status().freeSlots === 4);
  clock.jumpWall(-DAY);
  await until(() => rig.logged().includes('The wall clock jumped back by 1d'));
  store.isLocked = false;
  await until(async () => (await runAt(id)).place === 'scheduled');
  expect((await runAt(id)).runAtMs).toBeLessThanOrEqual(clock.wallMs() + MINUTE);
  await pass(MINUTE + SECOND);
  expect(await runAt(id)).toMatchObject({ attempts: 2, place: 'completed' });
});
