import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Next, OutcomeKind, RunOutcome } from '../../src/job/outcome.js';
import { OUTCOME_CODES } from '../../src/job/outcome.js';
import {
  type AttemptCounts,
  backoffMs,
  CRASH_LIMIT,
  DEFERRALS_PER_CHARGE,
  decideNext,
} from '../../src/policy/retry.js';

const RULES = { backoff: { minMs: 2_000, maxMs: 300_000 } };
const MOMENT = { nowMs: 1_000_000, random: 0.5 };
const JOB: AttemptCounts = { attempt: 1, charged: 0, crashes: 0, maxAttempts: 5, runAtMs: 500_000 };

function outcomeOf(kind: OutcomeKind): RunOutcome {
  return kind === 'done' ? { kind, result: null } : { kind, reason: 'why' };
}

function next(kind: OutcomeKind, job: Partial<AttemptCounts> = {}, random = 0.5): Next {
  return decideNext(outcomeOf(kind), { ...JOB, ...job }, RULES, { ...MOMENT, random });
}

describe('what becomes of a job', () => {
  const retry = { to: 'pending', reason: 'why' };
  test.each<[OutcomeKind, object]>([
    ['done', { to: 'completed' }],
    ['failed', { ...retry, charged: true, crashed: false }],
    ['timed-out', { ...retry, charged: true, crashed: false }],
    ['deferred', { ...retry, charged: false, crashed: false }],
    ['unavailable', { ...retry, charged: false, crashed: false }],
    ['refused', { to: 'failed', reason: 'why' }],
    ['damaged', { to: 'failed', reason: 'integrity' }],
    ['cancelled', { to: 'cancelled', reason: 'why' }],
    ['released', { ...retry, charged: false, crashed: false, runAtMs: JOB.runAtMs }],
    ['crashed', { ...retry, charged: false, crashed: true, runAtMs: JOB.runAtMs }],
  ])('after its first attempt was %s', (kind, expected) => {
    expect(next(kind)).toMatchObject(expected);
  });

  test('the table above names every outcome', () => {
    expect(Object.keys(OUTCOME_CODES)).toHaveLength(10);
  });

  test.each<OutcomeKind>(['failed', 'timed-out'])('its last attempt, %s, makes it a dead letter', (kind) => {
    expect(next(kind, { attempt: 5, charged: 4 })).toEqual({ to: 'failed', reason: 'why' });
    expect(next(kind, { attempt: 4, charged: 3 })).toMatchObject({ to: 'pending' });
  });

  test('the third death of a worker makes it poison; the first costs it not even its place in the line', () => {
    expect(next('crashed', { crashes: 0 })).toMatchObject({ runAtMs: JOB.runAtMs });
    expect(next('crashed', { crashes: 1, attempt: 2 })).toMatchObject({ crashed: true, charged: false });
    expect(next('crashed', { crashes: 1, attempt: 2 })).not.toMatchObject({ runAtMs: JOB.runAtMs });
    expect(next('crashed', { crashes: 2, attempt: 3 })).toEqual({ to: 'failed', reason: 'poison' });
  });

  test('a job that only ever asks for another try ends all the same', () => {
    const { attempts, end } = runUntilEnd(() => 'deferred', 5);
    expect(end).toEqual({ to: 'failed', reason: 'why' });
    expect(attempts).toBe(5 * DEFERRALS_PER_CHARGE);
  });
});

describe('the wait before the next try', () => {
  test('lies between the minimum and a ceiling that doubles with each failure, up to the maximum', () => {
    const range = (failures: number) => [0, 1].map((random) => backoffMs(RULES.backoff, failures, random));
    expect([1, 2, 3, 7, 8, 20].map(range)).toEqual([
      [2_000, 4_000],
      [2_000, 8_000],
      [2_000, 16_000],
      [2_000, 256_000],
      [2_000, 300_000],
      [2_000, 300_000],
    ]);
  });

  test('is never outside what the user wrote, whatever that is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 0, max: 2_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (minMs, moreMs, failures, random) => {
          const waitMs = backoffMs({ minMs, maxMs: minMs + moreMs }, failures, random);
          return Number.isInteger(waitMs) && waitMs >= minMs && waitMs <= minMs + moreMs;
        },
      ),
    );
  });

  test('grows with the tries that were not charged, too', () => {
    const waits = [1, 2, 3].map((attempt) => next('unavailable', { attempt }, 0.999_999));
    expect(waits.map((wait) => (wait.to === 'pending' ? wait.runAtMs - MOMENT.nowMs : null))).toEqual([
      4_000, 8_000, 16_000,
    ]);
  });
});

test('whatever happens to a job, it is charged at most its budget, and without outside trouble it ends', () => {
  const kinds: OutcomeKind[] = ['failed', 'timed-out', 'deferred', 'crashed'];
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...kinds), { minLength: 1 }),
      fc.integer({ min: 1, max: 8 }),
      (story, maxAttempts) => {
        const { attempts, charged, crashes, end } = runUntilEnd(
          (n) => story[n % story.length] ?? 'failed',
          maxAttempts,
        );
        expect(end.to).toBe('failed');
        expect(charged).toBeLessThan(maxAttempts);
        expect(crashes).toBeLessThan(CRASH_LIMIT);
        expect(attempts).toBeLessThanOrEqual((maxAttempts + CRASH_LIMIT) * DEFERRALS_PER_CHARGE);
      },
    ),
  );
});

/** Plays a job's life against the policy, as the store would keep its numbers. */
function runUntilEnd(outcomeAt: (n: number) => OutcomeKind, maxAttempts: number) {
  let job = { ...JOB, maxAttempts };
  for (;;) {
    const end = decideNext(outcomeOf(outcomeAt(job.attempt - 1)), job, RULES, MOMENT);
    if (end.to !== 'pending')
      return { attempts: job.attempt, charged: job.charged, crashes: job.crashes, end };
    if (job.attempt > 1_000) throw new Error('it goes on for ever');
    job = {
      ...job,
      attempt: job.attempt + 1,
      charged: job.charged + (end.charged ? 1 : 0),
      crashes: job.crashes + (end.crashed ? 1 : 0),
    };
  }
}
