import type { OutcomeKind } from '../job/outcome.js';

/**
 * Where the breaker of a task or a shared dependency stands. `failures` are those in a row. Half-open is open with its
 * cool-down over: one trial, a job or the probe, decides.
 */
export type Breaker =
  | { readonly state: 'closed'; readonly failures: number }
  | { readonly state: 'open' }
  | { readonly state: 'half-open' };

/**
 * What the end of an attempt or a probe says about the dependency.
 *
 * - `works`: the work was done.
 * - `fails`: it was tried and not done, for whatever reason.
 * - `away`: the dependency or the program is not there.
 * - `answers`: the handler answered about its job alone (bad data, try again later): it runs, no more is known.
 * - `silent`: nothing was learnt; it was cut off from outside, or never began.
 * - `cooled-down`: no attempt; the cool-down is over.
 */
export type Sign = 'works' | 'fails' | 'away' | 'answers' | 'silent' | 'cooled-down';

const SIGNS: Readonly<Record<OutcomeKind, Sign>> = {
  done: 'works',
  failed: 'fails',
  'timed-out': 'fails',
  unavailable: 'away',
  deferred: 'answers',
  refused: 'answers',
  cancelled: 'silent',
  released: 'silent',
  verified: 'silent',
  ended: 'silent',
  crashed: 'silent',
  damaged: 'silent',
};

export function signOf(outcome: OutcomeKind): Sign {
  return SIGNS[outcome];
}

export const CLOSED: Breaker = { state: 'closed', failures: 0 };
const OPEN: Breaker = { state: 'open' };
const HALF_OPEN: Breaker = { state: 'half-open' };

/**
 * The whole table. `after` failures in a row open it. Of an open one only the trial may speak: the caller passes over the
 * ends of attempts that began before it opened, since they tell of the past.
 *
 * |           | works  | fails  | away               | answers   | silent | cooled-down |
 * | closed    | 0      | 0      | one more, or open  | 0         | same   | same        |
 * | open      | same   | same   | same               | same      | same   | half-open   |
 * | half-open | closed | open   | open               | same      | same   | same        |
 */
export function nextBreaker(breaker: Breaker, sign: Sign, after: number): Breaker {
  switch (breaker.state) {
    case 'closed':
      return closedAfter(breaker, sign, after);
    case 'open':
      return sign === 'cooled-down' ? HALF_OPEN : breaker;
    case 'half-open':
      if (sign === 'works') return CLOSED;
      return sign === 'fails' || sign === 'away' ? OPEN : breaker;
    default:
      return breaker satisfies never;
  }
}

function closedAfter(breaker: Extract<Breaker, { state: 'closed' }>, sign: Sign, after: number): Breaker {
  if (sign === 'silent' || sign === 'cooled-down') return breaker;
  if (sign !== 'away') return breaker.failures === 0 ? breaker : CLOSED;
  const failures = breaker.failures + 1;
  return failures >= after ? OPEN : { state: 'closed', failures };
}

/**
 * What is left of a cool-down when a worker takes up a stored breaker: by the wall clock, which may have been set in the
 * meantime. Never less than nothing, and never more than one cool-down from now.
 */
export function cooldownLeftMs(retryAtMs: number, nowMs: number, cooldownMs: number): number {
  return Math.min(Math.max(0, retryAtMs - nowMs), cooldownMs);
}
