import { describe, expect, test } from 'vitest';
import {
  isTerminal,
  isWorkspaceId,
  JOB_STATES,
  PLACES,
  type Place,
  PRIORITY_STEP_MS,
  placeFromCode,
  rankOf,
  stateOfPlace,
} from '../../src/job/job.js';
import { OUTCOME_CODES } from '../../src/job/outcome.js';

describe('numbers that stand in databases', () => {
  test('places keep theirs', () => {
    expect(PLACES).toEqual({
      scheduled: 0,
      ready: 1,
      parked: 2,
      running: 3,
      completed: 4,
      failed: 5,
      cancelled: 6,
      expired: 7,
    });
  });

  test('outcomes keep theirs', () => {
    expect(OUTCOME_CODES).toEqual({
      done: 0,
      failed: 1,
      deferred: 2,
      refused: 3,
      unavailable: 4,
      'timed-out': 5,
      cancelled: 6,
      released: 7,
      crashed: 8,
      damaged: 9,
      verified: 10,
      ended: 11,
    });
  });

  test('a place is found by its number, and an unknown number is refused', () => {
    for (const [place, code] of Object.entries(PLACES)) expect(placeFromCode(code)).toBe(place);
    expect(() => placeFromCode(8)).toThrow(RangeError);
    expect(() => placeFromCode(-1)).toThrow(RangeError);
  });
});

test('the three places of waiting are all pending; every other place is a state of its own', () => {
  const states = (Object.keys(PLACES) as Place[]).map(stateOfPlace);
  expect(states.filter((state) => state === 'pending')).toHaveLength(3);
  expect(new Set(states)).toEqual(new Set(JOB_STATES));
});

test('all states but pending and running are terminal', () => {
  expect(JOB_STATES.filter((state) => !isTerminal(state))).toEqual(['pending', 'running']);
});

describe('the line', () => {
  test('one step of priority is worth one minute of waiting', () => {
    expect(PRIORITY_STEP_MS).toBe(60_000);
    expect(rankOf(120_000, 1)).toBe(rankOf(60_000, 0));
  });

  test('the highest priority does not overtake what has waited longer than a thousand minutes', () => {
    expect(rankOf(1_000 * 60_000 + 1, 1_000)).toBeGreaterThan(rankOf(0, 0));
  });
});

test.each([
  ['default', true],
  ['a', true],
  ['9-lives_x', true],
  ['a'.repeat(32), true],
  ['a'.repeat(33), false],
  ['', false],
  ['-a', false],
  ['_a', false],
  ['A', false],
  ['a.b', false],
  ['a/b', false],
  ['a\n', false],
  ['ä', false],
])('workspace id %j: %s', (text, valid) => {
  expect(isWorkspaceId(text)).toBe(valid);
});
