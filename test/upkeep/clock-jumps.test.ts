import { expect, test } from 'vitest';
import type { Clock } from '../../src/platform/clock.js';
import { createLog } from '../../src/platform/log.js';
import { watchClockJumps } from '../../src/upkeep/clock-jumps.js';
import { FakeClock } from '../support/fake-clock.js';

function stand() {
  const clock = new FakeClock(Date.UTC(2026, 0, 1));
  const log = createLog('silent');
  const said: unknown[][] = [];
  log.warn = (...args: unknown[]) => void said.push(args);
  return { clock, said, jumps: watchClockJumps(clock, log) };
}

test('a clock that is set is told with size, direction and the time that it then says; one that goes on is not', async () => {
  const { clock, said, jumps } = stand();
  await clock.advance(60_000);
  jumps.look();
  expect(said).toEqual([]);
  clock.jumpWall(7_200_000);
  jumps.look();
  jumps.look();
  expect(said).toEqual([
    [
      { byMs: 7_200_000, now: '2026-01-01T02:01:00.000Z' },
      'the clock jumped forward by 2h, to 2026-01-01T02:01:00.000Z: it was set, or the machine slept',
    ],
  ]);
  clock.jumpWall(-90_000);
  jumps.look();
  expect(said[1]?.[1]).toMatch(/^the clock jumped back by 1m 30s, to 2026-01-01T01:59:30/);
  expect(jumps.recent()).toEqual([
    { agoMs: 0, byMs: 7_200_000 },
    { agoMs: 0, byMs: -90_000 },
  ]);
});

test('a jump is remembered for an hour by the clock that does not jump, and no more than the last eight', async () => {
  const { clock, jumps } = stand();
  clock.jumpWall(5_000);
  jumps.look();
  await clock.advance(3_599_000);
  // Neither makes the first one older.
  clock.jumpWall(86_400_000);
  jumps.look();
  expect(jumps.recent()).toMatchObject([{ agoMs: 3_599_000 }, { agoMs: 0 }]);
  await clock.advance(1_000);
  expect(jumps.recent()).toHaveLength(1);
  for (let n = 1; n <= 20; n += 1) {
    clock.jumpWall(n * 1_000);
    jumps.look();
  }
  expect(jumps.recent().map(({ byMs }) => byMs / 1_000)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
});

test('a clock that is put right little by little never adds up to a jump', async () => {
  const { clock, said, jumps } = stand();
  for (let n = 0; n < 100; n += 1) {
    clock.jumpWall(900);
    await clock.advance(500);
    jumps.look();
  }
  expect(said).toEqual([]);
});

test('a process that is held up between the two clocks sees no jump', () => {
  const { clock, said } = stand();
  let heldUpMs = 0;
  const held: Clock = {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => {
      clock.jumpMonotonic(heldUpMs);
      clock.jumpWall(heldUpMs);
      return clock.wallMs();
    },
    after: () => () => undefined,
  };
  const log = createLog('silent');
  log.warn = (...args: unknown[]) => void said.push(args);
  const jumps = watchClockJumps(held, log);
  heldUpMs = 4_000;
  jumps.look();
  heldUpMs = 0;
  jumps.look();
  expect(said).toEqual([]);
});
