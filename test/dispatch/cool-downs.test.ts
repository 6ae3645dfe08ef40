import { expect, test } from 'vitest';
import { CoolDowns } from '../../src/dispatch/cool-downs.js';
import { UNAVAILABLE_LIMIT } from '../../src/policy/cool-down.js';
import { commandTask } from './rig.js';

function cooled(
  task = commandTask('away', ['./away'], { retry: { attempts: 1, backoff: { minMs: 100, maxMs: 100 } } }),
) {
  const coolDowns = new CoolDowns();
  for (let n = 0; n < UNAVAILABLE_LIMIT; n += 1) coolDowns.learn(task, 'unavailable', 0, 0);
  return coolDowns;
}

test('a cool-down that ends while a turn is being taken still brings another turn', () => {
  const coolDowns = cooled();
  expect(coolDowns.claimsAllowed('away', 0, 99)).toBe(0);
  // Judged at 99, asked at whatever time the turn took: the end at 100 must not be forgotten.
  expect(coolDowns.nextEndMs(99)).toBe(100);
});

test('a cool-down that was over when the turn was judged wakes nobody', () => {
  const coolDowns = cooled();
  expect(coolDowns.claimsAllowed('away', 0, 100)).toBe(1);
  expect(coolDowns.nextEndMs(100)).toBeNull();
});
