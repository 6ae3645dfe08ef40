import { expect, test } from 'vitest';
import { createJumpBook } from '../../src/upkeep/jump-book.js';
import { FakeClock } from '../support/fake-clock.js';

test('a jump is remembered for an hour by the clock that does not jump, and no more than the last eight', async () => {
  const clock = new FakeClock(Date.UTC(2026, 0, 1));
  const jumps = createJumpBook(clock);
  const jump = (byMs: number) => {
    clock.jumpWall(byMs);
    jumps.note(byMs);
  };
  jump(5_000);
  await clock.advance(3_599_000);
  // Does not make the first one older.
  jump(86_400_000);
  expect(jumps.recent()).toEqual([
    { agoMs: 3_599_000, byMs: 5_000 },
    { agoMs: 0, byMs: 86_400_000 },
  ]);
  await clock.advance(1_000);
  expect(jumps.recent()).toEqual([{ agoMs: 1_000, byMs: 86_400_000 }]);
  for (let n = 1; n <= 20; n += 1) jump(-n * 2_000);
  expect(jumps.recent().map(({ byMs }) => byMs / -2_000)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
});
