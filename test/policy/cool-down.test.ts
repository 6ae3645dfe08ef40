import { expect, test } from 'vitest';
import {
  type CoolDown,
  claimsAllowed,
  coolDownAfter,
  UNAVAILABLE_LIMIT,
} from '../../src/policy/cool-down.js';

const BACKOFF = { minMs: 1_000, maxMs: 8_000 };

function afterUnavailable(times: number): CoolDown | null {
  let coolDown: CoolDown | null = null;
  for (let n = 0; n < times; n += 1) {
    coolDown = coolDownAfter(coolDown, true, BACKOFF, { nowMonotonicMs: 0, random: 1 });
  }
  return coolDown;
}

test('a few jobs that find something away do not slow their task', () => {
  expect(claimsAllowed(afterUnavailable(UNAVAILABLE_LIMIT - 1), 3, 0)).toBe(Number.POSITIVE_INFINITY);
});

test('so many in a row hold it back, then let one job at a time try', () => {
  const coolDown = afterUnavailable(UNAVAILABLE_LIMIT);
  expect(claimsAllowed(coolDown, 0, 1_999)).toBe(0);
  expect(claimsAllowed(coolDown, 0, 2_000)).toBe(1);
  expect(claimsAllowed(coolDown, 1, 2_000)).toBe(0);
});

test('the wait doubles up to the maximum of the back-off', () => {
  const waits = [0, 1, 2, 3].map((more) => afterUnavailable(UNAVAILABLE_LIMIT + more)?.untilMonotonicMs);
  expect(waits).toEqual([2_000, 4_000, 8_000, 8_000]);
});

test('one job that does not find it away opens the task again', () => {
  expect(coolDownAfter(afterUnavailable(20), false, BACKOFF, { nowMonotonicMs: 0, random: 0 })).toBeNull();
});
