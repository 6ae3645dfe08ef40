import { expect, test } from 'vitest';
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

test('a clock that is steered has not jumped, and does not sum up to a jump', () => {
  const clock = new FakeClock();
  const jump = new ClockJump(clock);
  for (let step = 0; step < 5; step += 1) {
    clock.jumpWall(900);
    expect(jump.look()).toBeNull();
  }
});
