import { expect, test } from 'vitest';
import type { Clock } from '../../src/platform/clock.js';
import { ClockJump } from '../../src/platform/clock-jump.js';
import { FakeClock } from '../support/fake-clock.js';

test('a clock that runs has not jumped, however long nobody looked', async () => {
  const clock = new FakeClock();
  const jump = new ClockJump(clock);
  await clock.advance(86_400_000);
  expect(jump.look()).toBeNull();
});

test.each([3_600_000, -3_600_000, 1_001, -1_001])('a jump of %i ms is seen once, with its size', (byMs) => {
  const clock = new FakeClock();
  const jump = new ClockJump(clock);
  clock.jumpWall(byMs);
  expect(jump.look()).toBe(byMs);
  expect(jump.look()).toBeNull();
});

test('a clock that is steered has not jumped, and does not sum up to a jump', async () => {
  const clock = new FakeClock();
  const jump = new ClockJump(clock);
  for (let step = 0; step < 100; step += 1) {
    clock.jumpWall(900);
    await clock.advance(500);
    expect(jump.look()).toBeNull();
  }
});

/** Each time that its wall clock is read, so much real time goes by: the process is held up just there. */
function heldUpBetweenReads(clock: FakeClock, heldUpMs: () => number): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => {
      const ms = heldUpMs();
      clock.jumpMonotonic(ms);
      clock.jumpWall(ms);
      return clock.wallMs();
    },
    after: () => () => undefined,
  };
}

test('a process that is held up between the two clocks sees no jump', () => {
  const clock = new FakeClock();
  let heldUpMs = 0;
  const jump = new ClockJump(heldUpBetweenReads(clock, () => heldUpMs));
  heldUpMs = 4_000;
  expect(jump.look()).toBeNull();
  heldUpMs = 0;
  expect(jump.look()).toBeNull();
});

test('a process that is held up once between the two clocks sees at the same look by how much they really jumped', () => {
  const clock = new FakeClock();
  const holdUps: number[] = [];
  const jump = new ClockJump(heldUpBetweenReads(clock, () => holdUps.pop() ?? 0));
  clock.jumpWall(7_000);
  holdUps.push(4_000);
  expect(jump.look()).toBe(7_000);
});
