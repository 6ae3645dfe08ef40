import { expect, test } from 'vitest';
import { isTerminal, JOB_STATES, type JobState } from '../../src/job/job.js';
import { canMove, TRANSITIONS } from '../../src/job/transition.js';

/** Every cell of the table: rows are from, columns to, in the order of JOB_STATES. */
const ALLOWED: Record<JobState, string> = {
  //          p r c f x e
  pending: '  1 1 0 0 1 1',
  running: '  1 0 1 1 1 0',
  completed: '0 0 0 0 0 0',
  failed: '   1 0 0 0 0 0',
  cancelled: '1 0 0 0 0 0',
  expired: '  0 0 0 0 0 0',
};

const cells = JOB_STATES.flatMap((from) =>
  ALLOWED[from]
    .trim()
    .split(' ')
    .map((allowed, index) => [from, JOB_STATES[index] as JobState, allowed === '1'] as const),
);

test.each(cells)('from %s to %s: %s', (from, to, allowed) => {
  expect(canMove(from, to)).toBe(allowed);
});

test('every way that is open says what opens it', () => {
  const causes = JOB_STATES.flatMap((from) => Object.values(TRANSITIONS[from]));
  expect(causes).toHaveLength(cells.filter(([, , allowed]) => allowed).length);
  expect(causes.every((cause) => cause.length > 3)).toBe(true);
});

test('a terminal state is left only by a redrive', () => {
  for (const from of JOB_STATES.filter(isTerminal)) {
    expect(JOB_STATES.filter((to) => canMove(from, to) && to !== 'pending')).toEqual([]);
  }
});
