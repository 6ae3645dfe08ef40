import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALONE_FROM_CRASHES } from '../../src/job/job.js';
import type { Next, OutcomeKind, RunOutcome } from '../../src/job/outcome.js';
import { OUTCOME_CODES } from '../../src/job/outcome.js';
import { type AttemptCounts, backoffMs, DEFERRALS_PER_CHARGE, decideNext } from '../../src/policy/retry.js';

const RULES = { backoff: { minMs: 2_000, maxMs: 300_000 }, poisonAfter: 3 };
const MOMENT = { nowMs: 1_000_000, random: 0.5 };
const JOB: AttemptCounts = { attempt: 1, charged: 0, crashes: 0, maxAttempts: 5, runAtMs: 500_000 };

/** A crash beside others, of a worker that died by itself. */
function outcomeOf(kind: OutcomeKind): RunOutcome {
  if (kind === 'done') return { kind, result: null };
  if (kind === 'crashed') return crash({});
  return { kind, reason: 'why' };
}

function crash(more: { ranAlone?: boolean; killedByUs?: boolean }): RunOutcome {
  return { kind: 'crashed', reason: 'why', ranAlone: false, killedByUs: false, ...more };
}

function nextAfterCrash(crashes: number, more: Parameters<typeof crash>[0], poisonAfter = 3): Next {
  return decideNext(
    crash(more),
    { ...JOB, crashes, attempt: crashes + 1 },
    { ...RULES, poisonAfter },
    MOMENT,
  );
}

function next(kind: OutcomeKind, job: Partial<AttemptCounts> = {}, random = 0.5): Next {
  return decideNext(outcomeOf(kind), { ...JOB, ...job }, RULES, { ...MOMENT, random });
}

test.each<[string, RunOutcome]>([
  ['given back', { kind: 'released', reason: 'why' }],
  ['cut off by a crash', crash({})],
  ['cut off when we ended its worker', crash({ killedByUs: true })],
])('a job that was %s is due, though the clock was set back while it ran', (_what, outcome) => {
  const setBack = { ...MOMENT, nowMs: JOB.runAtMs - 86_400_000 };
  expect(decideNext(outcome, JOB, RULES, setBack)).toMatchObject({ to: 'pending', runAtMs: setBack.nowMs });
});

describe('what becomes of a job', () => {
  const retry = { to: 'pending', reason: 'why' };
  test.each<[OutcomeKind, object]>([
    ['done', { to: 'completed' }],
    ['verified', { to: 'completed', reason: 'why' }],
    ['ended', { to: 'completed', reason: 'why' }],
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
    expect(Object.keys(OUTCOME_CODES)).toHaveLength(12);
  });

  test.each<OutcomeKind>(['failed', 'timed-out'])('its last attempt, %s, makes it a dead letter', (kind) => {
    expect(next(kind, { attempt: 5, charged: 4 })).toEqual({ to: 'failed', reason: 'why' });
    expect(next(kind, { attempt: 4, charged: 3 })).toMatchObject({ to: 'pending' });
  });

  test('the first death of a worker costs it not even its place in the line, the second a wait', () => {
    expect(nextAfterCrash(0, {})).toMatchObject({ runAtMs: JOB.runAtMs, crashed: true, charged: false });
    const second = nextAfterCrash(1, {});
    expect(second).toMatchObject({ to: 'pending', crashed: true, charged: false });
    expect(second).not.toMatchObject({ runAtMs: JOB.runAtMs });
  });

  test('three deaths make it poison, but only when it was alone at the last', () => {
    expect(nextAfterCrash(2, { ranAlone: true })).toEqual({ to: 'failed', reason: 'poison' });
    expect(nextAfterCrash(1, { ranAlone: true })).toMatchObject({ to: 'pending', crashed: true });
    expect(nextAfterCrash(2, {})).toMatchObject({ to: 'pending', crashed: true });
    expect(nextAfterCrash(9, {})).toMatchObject({ to: 'pending', crashed: true });
  });

  test('how many deaths that takes is for the config to say', () => {
    expect(nextAfterCrash(0, { ranAlone: true }, 1)).toEqual({ to: 'failed', reason: 'poison' });
    expect(nextAfterCrash(0, {}, 1)).toMatchObject({ to: 'pending' });
    expect(nextAfterCrash(3, { ranAlone: true }, 5)).toMatchObject({ to: 'pending' });
    expect(nextAfterCrash(4, { ranAlone: true }, 5)).toEqual({ to: 'failed', reason: 'poison' });
  });

  test('a worker that we ended ourselves counts only against a job that ran alone in it', () => {
    const beside = nextAfterCrash(2, { killedByUs: true });
    expect(beside).toMatchObject({ runAtMs: JOB.runAtMs, crashed: false, charged: false });
    expect(nextAfterCrash(0, { killedByUs: true, ranAlone: true })).toMatchObject({ crashed: true });
    expect(nextAfterCrash(2, { killedByUs: true, ranAlone: true })).toEqual({
      to: 'failed',
      reason: 'poison',
    });
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
        expect(crashes).toBeLessThan(RULES.poisonAfter);
        expect(attempts).toBeLessThanOrEqual((maxAttempts + RULES.poisonAfter) * DEFERRALS_PER_CHARGE);
      },
    ),
  );
});

/** Plays a job's life against the policy, as the store would keep its numbers. */
function runUntilEnd(outcomeAt: (n: number) => OutcomeKind, maxAttempts: number) {
  let job = { ...JOB, maxAttempts };
  for (;;) {
    const kind = outcomeAt(job.attempt - 1);
    // From its second crash on the store lets it run alone.
    const ranAlone = job.crashes >= ALONE_FROM_CRASHES;
    const outcome = kind === 'crashed' ? crash({ ranAlone }) : outcomeOf(kind);
    const end = decideNext(outcome, job, RULES, MOMENT);
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
