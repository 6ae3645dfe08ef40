import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BreakerConfig, TaskConfig } from '../../src/config/config.js';
import { Breakers, type Moment } from '../../src/dispatch/breakers.js';
import type { EndedAttempt } from '../../src/dispatch/record.js';
import type { OutcomeKind, RunOutcome } from '../../src/job/outcome.js';
import type { BreakerMove, StoredBreaker } from '../../src/store/breaker-contract.js';
import type { Claim } from '../../src/store/contract.js';
import { commandTask } from './rig.js';

const T0 = Date.UTC(2026, 0, 1);
const COOLDOWN_MS = 1_000;

function task(name: string, more: Partial<BreakerConfig> = {}): TaskConfig {
  const breaker = { dependency: name, after: 3, cooldownMs: COOLDOWN_MS, probe: null, ...more };
  return commandTask(name, ['true'], { breaker });
}

const claimOf = (id: string, name = 'a', attempt = 1): Claim =>
  ({ id, task: name, attempt, epoch: 1 }) as unknown as Claim;

/** An attempt's end; `next` is what the retry policy would say. */
function ended(
  claim: Claim,
  kind: OutcomeKind,
  next: EndedAttempt['next'] = kind === 'done'
    ? { to: 'completed' }
    : { to: 'pending', runAtMs: T0 + 3_600_000, charged: false, crashed: false, reason: kind },
): EndedAttempt {
  const outcome = (kind === 'done' ? { kind, result: null } : { kind, reason: kind }) as RunOutcome;
  const report = {
    outcome,
    startedAtMs: T0,
    endedAtMs: T0,
    exitCode: null,
    signal: null,
    stdout: null,
    stderr: null,
  };
  return { claim, report, next };
}

function at(monotonicMs: number, wallMs = T0 + monotonicMs): Moment {
  return { nowMs: wallMs, nowMonotonicMs: monotonicMs };
}

/** A turn that the store takes. */
function turn(
  breakers: Breakers,
  ends: readonly EndedAttempt[],
  moment: Moment,
  claims: readonly Claim[] = [],
) {
  const judgement = breakers.judge(ends, [], moment);
  breakers.commit(judgement, claims);
  return judgement;
}

/** A breaker that opened at 0. */
function opened(tasks = [task('a')]): Breakers {
  const breakers = new Breakers(tasks, [], at(0));
  turn(
    breakers,
    ['1', '2', '3'].map((id) => ended(claimOf(id), 'unavailable')),
    at(0),
  );
  return breakers;
}

const admits = (breakers: Breakers, moment: Moment, name = 'a') =>
  breakers.admits(name, breakers.judge([], [], moment));

test('a cool-down that ends while a turn is being taken still brings another turn', () => {
  const breakers = opened();
  expect(admits(breakers, at(COOLDOWN_MS - 1))).toBe('none');
  // Judged a moment before, asked at whatever time the turn took: its end must not be forgotten.
  expect(breakers.nextTryMs(COOLDOWN_MS - 1)).toBe(COOLDOWN_MS);
});

test('a cool-down that was over when the turn was judged wakes nobody', () => {
  const breakers = opened();
  expect(admits(breakers, at(COOLDOWN_MS))).toBe('one');
  expect(breakers.nextTryMs(COOLDOWN_MS)).toBeNull();
});

test('all in one turn: five that found it away, one of them after it had opened', () => {
  const breakers = new Breakers([task('a')], [], at(0));
  const ends = ['1', '2', '3', '4'].map((id) => ended(claimOf(id), 'unavailable'));
  const { moves, ends: judged } = turn(breakers, ends, at(50));
  expect(moves.map(({ to }) => to)).toEqual(['counted', 'counted', 'opened']);
  expect(moves.at(-1)).toMatchObject({ sinceMs: T0, retryAtMs: T0 + 50 + COOLDOWN_MS, cause: 'unavailable' });
  // Those that ended while it was open wait no longer than it stays open; the two before keep their back-off.
  expect(judged.map(({ next }) => next.to === 'pending' && next.runAtMs - T0)).toEqual([
    3_600_000,
    3_600_000,
    50 + COOLDOWN_MS,
    50 + COOLDOWN_MS,
  ]);
});

test('a turn that the store refused has moved nothing, and is judged again the same', () => {
  const breakers = new Breakers([task('a')], [], at(0));
  const ends = ['1', '2', '3'].map((id) => ended(claimOf(id), 'unavailable'));
  const first = breakers.judge(ends, [], at(0));
  expect(admits(breakers, at(0))).toBe('any');
  expect(breakers.judge(ends, [], at(0))).toEqual(first);
});

test('a job that dies while it is open is one of its casualties; one that its own data killed is not', () => {
  const breakers = opened();
  const dead = { to: 'failed', reason: 'x' } as const;
  const kinds: OutcomeKind[] = ['failed', 'timed-out', 'deferred', 'refused', 'crashed', 'damaged'];
  const ends = kinds.map((kind, n) => ended(claimOf(`${10 + n}`), kind, dead));
  const { moves } = turn(breakers, [...ends, ended(claimOf('20'), 'failed')], at(5));
  expect(moves).toEqual(['10', '11', '12'].map((job) => ({ dependency: 'a', to: 'cost', job, attempt: 1 })));
});

test('a trial that dies of its failure belongs to the outage, which goes on', () => {
  const breakers = opened();
  const trial = claimOf('9');
  turn(breakers, [], at(COOLDOWN_MS), [trial]);
  expect(admits(breakers, at(COOLDOWN_MS))).toBe('none');
  const { moves } = turn(breakers, [ended(trial, 'timed-out', { to: 'failed', reason: 'x' })], at(1_500));
  expect(moves).toEqual([
    { dependency: 'a', to: 'cost', job: '9', attempt: 1 },
    { dependency: 'a', to: 'reopened', retryAtMs: T0 + 2_500, failure: 'job 9: timed-out' },
  ]);
});

test('an earlier attempt of the job that is the trial does not speak for it', () => {
  const breakers = opened();
  turn(breakers, [], at(COOLDOWN_MS), [claimOf('9', 'a', 2)]);
  expect(turn(breakers, [ended(claimOf('9', 'a', 1), 'done')], at(1_100)).moves).toEqual([]);
  expect(turn(breakers, [ended(claimOf('9', 'a', 2), 'done')], at(1_200)).moves).toEqual([
    { dependency: 'a', to: 'closed', evidence: 'job 9 completed', triedJobs: 1 },
  ]);
});

test('a probe is asked for once each time, and only its own answer counts', () => {
  const probe = { argv: ['x'], task: 'a', env: {} };
  const breakers = opened([task('a', { probe })]);
  expect(breakers.takeProbes()).toEqual([]);
  turn(breakers, [], at(COOLDOWN_MS));
  expect(admits(breakers, at(COOLDOWN_MS))).toBe('none');
  expect(breakers.takeProbes().map(({ dependency }) => dependency)).toEqual(['a']);
  turn(breakers, [ended(claimOf('7'), 'done')], at(1_100));
  expect(breakers.takeProbes()).toEqual([]);
  const found = { dependency: 'a', isWell: false, text: 'exit 7' };
  const failed = breakers.judge([], [found], at(1_200));
  expect(failed.moves).toEqual([
    { dependency: 'a', to: 'reopened', retryAtMs: T0 + 2_200, failure: 'probe exit 7' },
  ]);
  breakers.commit(failed, []);
  // The answer of a probe that nobody waits for any more.
  expect(breakers.judge([], [{ ...found, isWell: true }], at(1_300)).moves).toEqual([]);
});

describe('taken up from the store', () => {
  const stored = (leftMs: number): StoredBreaker => ({
    dependency: 'a',
    failures: 0,
    sinceMs: T0,
    retryAtMs: T0 + leftMs,
  });

  test.each([
    ['what is left of its cool-down', 400, 400],
    ['nothing, when that is over', -5, 0],
    ['at most one cool-down, when the clock was set back', 86_400_000, COOLDOWN_MS],
    ['nothing, when the clock was set forward', -86_400_000, 0],
  ])('it waits %s', (_, leftMs, waitsMs) => {
    const breakers = new Breakers([task('a')], [stored(leftMs)], at(5_000, T0));
    if (waitsMs > 0) expect(admits(breakers, at(5_000 + waitsMs - 1))).toBe('none');
    expect(admits(breakers, at(5_000 + waitsMs))).toBe('one');
  });

  test('a breaker that the config no longer names is closed with the first turn, and only once', () => {
    const breakers = new Breakers([task('b')], [stored(400)], at(0));
    const { moves } = breakers.judge([], [], at(0));
    expect(moves).toEqual([
      { dependency: 'a', to: 'closed', evidence: 'the config names it no longer', triedJobs: 0 },
    ]);
    expect(turn(breakers, [], at(0)).moves).toEqual(moves);
    expect(turn(breakers, [], at(1)).moves).toEqual([]);
  });
});

describe('whatever happens', () => {
  type Step =
    | { readonly do: 'end'; readonly kind: OutcomeKind; readonly refused: boolean }
    | { readonly do: 'wait'; readonly ms: number }
    | { readonly do: 'set clock'; readonly ms: number }
    | { readonly do: 'restart' };

  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        kind: fc.constantFrom<OutcomeKind>(
          'done',
          'failed',
          'timed-out',
          'unavailable',
          'unavailable',
          'unavailable',
          'deferred',
          'refused',
          'cancelled',
          'crashed',
        ),
        refused: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('set clock' as const),
        ms: fc.integer({ min: -(10 ** 9), max: 10 ** 9 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  );

  /** What a store would hold after these moves. */
  function apply(stored: StoredBreaker | null, moves: readonly BreakerMove[]): StoredBreaker | null {
    let now = stored;
    for (const move of moves) {
      const { dependency } = move;
      if (move.to === 'counted')
        now = { dependency, failures: move.failures, sinceMs: move.sinceMs, retryAtMs: null };
      else if (move.to === 'opened')
        now = { dependency, failures: 0, sinceMs: move.sinceMs, retryAtMs: move.retryAtMs };
      else if (move.to === 'reopened' && now !== null) now = { ...now, retryAtMs: move.retryAtMs };
      else if (move.to === 'closed') now = null;
    }
    return now;
  }

  test('what is stored is what holds, one trial at a time, and no cool-down is longer than one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const tasks = [task('a')];
        let [monotonicMs, wallMs] = [0, T0];
        const moment = () => at(monotonicMs, wallMs);
        let stored: StoredBreaker | null = null;
        let breakers = new Breakers(tasks, [], moment());
        /** Since when it must let nobody through, at most. */
        let closedSinceMs = 0;
        let running: Claim[] = [];
        let trial: Claim | null = null;
        let ids = 0;

        for (const one of steps) {
          if (one.do === 'wait') {
            monotonicMs += one.ms;
            wallMs += one.ms;
          } else if (one.do === 'set clock') wallMs += one.ms;
          else if (one.do === 'restart') {
            breakers = new Breakers(tasks, stored === null ? [] : [stored], moment());
            closedSinceMs = monotonicMs;
            running = [];
            trial = null;
          } else {
            const claim = running.shift();
            if (claim === undefined) continue;
            const ends = [ended(claim, one.kind)];
            if (one.refused) breakers.judge(ends, [], moment());
            const { moves } = turn(breakers, ends, moment());
            const before = stored;
            stored = apply(stored, moves);
            if (claim === trial) trial = null;
            if (moves.some(({ to }) => to === 'opened' || to === 'reopened')) closedSinceMs = monotonicMs;
            if (before?.retryAtMs && !stored?.retryAtMs) expect(one.kind).toBe('done');
          }
          const judgement = breakers.judge([], [], moment());
          const admitted = breakers.admits('a', judgement);
          const isOpen = stored?.retryAtMs !== null && stored !== null;
          expect(admitted === 'any').toBe(!isOpen);
          if (trial !== null) expect(admitted).not.toBe('one');
          if (isOpen && trial === null && monotonicMs - closedSinceMs >= COOLDOWN_MS)
            expect(admitted).toBe('one');
          if (admitted === 'none') continue;
          ids += 1;
          const claim = claimOf(String(ids));
          breakers.commit(judgement, [claim]);
          running.push(claim);
          if (admitted === 'one') trial = claim;
        }
      }),
      { numRuns: 500 },
    );
  });
});
