import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OUTCOME_CODES, type OutcomeKind } from '../../src/job/outcome.js';
import {
  type Breaker,
  CLOSED,
  cooldownLeftMs,
  nextBreaker,
  type Sign,
  signOf,
} from '../../src/policy/breaker.js';

const AFTER = 3;
const SIGNS: readonly Sign[] = ['works', 'fails', 'away', 'answers', 'silent', 'cooled-down'];
const closed = (failures: number): Breaker => ({ state: 'closed', failures });
const OPEN: Breaker = { state: 'open' };
const HALF_OPEN: Breaker = { state: 'half-open' };

describe('each cell of the table', () => {
  test.each<[from: Breaker, sign: Sign, to: Breaker]>([
    [closed(0), 'works', closed(0)],
    [closed(0), 'fails', closed(0)],
    [closed(0), 'away', closed(1)],
    [closed(0), 'answers', closed(0)],
    [closed(0), 'silent', closed(0)],
    [closed(0), 'cooled-down', closed(0)],
    [closed(2), 'works', closed(0)],
    [closed(2), 'fails', closed(0)],
    [closed(2), 'away', OPEN],
    [closed(2), 'answers', closed(0)],
    [closed(2), 'silent', closed(2)],
    [closed(2), 'cooled-down', closed(2)],
    // The setting was lowered meanwhile.
    [closed(7), 'away', OPEN],
    [OPEN, 'works', OPEN],
    [OPEN, 'fails', OPEN],
    [OPEN, 'away', OPEN],
    [OPEN, 'answers', OPEN],
    [OPEN, 'silent', OPEN],
    [OPEN, 'cooled-down', HALF_OPEN],
    [HALF_OPEN, 'works', closed(0)],
    [HALF_OPEN, 'fails', OPEN],
    [HALF_OPEN, 'away', OPEN],
    [HALF_OPEN, 'answers', HALF_OPEN],
    [HALF_OPEN, 'silent', HALF_OPEN],
    [HALF_OPEN, 'cooled-down', HALF_OPEN],
  ])('%j, %s → %j', (from, sign, to) => {
    expect(nextBreaker(from, sign, AFTER)).toEqual(to);
  });

  test('with 1, the first failure opens it', () => {
    expect(nextBreaker(CLOSED, 'away', 1)).toEqual(OPEN);
  });

  test('each outcome of an attempt says one thing', () => {
    const kinds = Object.keys(OUTCOME_CODES) as OutcomeKind[];
    expect(Object.fromEntries(kinds.map((kind) => [kind, signOf(kind)]))).toEqual({
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
    });
  });
});

describe('whatever happens', () => {
  const story = fc.array(fc.constantFrom(...SIGNS), { maxLength: 60 });

  test('it opens exactly when so many in a row were away, silence aside', () => {
    fc.assert(
      fc.property(story, fc.integer({ min: 1, max: 6 }), (signs, after) => {
        let breaker: Breaker = CLOSED;
        let inARow = 0;
        for (const sign of signs) {
          if (breaker.state !== 'closed') return;
          if (sign === 'away') inARow += 1;
          else if (sign !== 'silent' && sign !== 'cooled-down') inARow = 0;
          breaker = nextBreaker(breaker, sign, after);
          expect(breaker).toEqual(inARow >= after ? OPEN : closed(inARow));
        }
      }),
    );
  });

  test('an open one closes only after its cool-down, and only because something worked', () => {
    fc.assert(
      fc.property(story, (signs) => {
        let breaker: Breaker = OPEN;
        for (const sign of signs) {
          const next = nextBreaker(breaker, sign, AFTER);
          if (breaker.state === 'open') expect(next).toEqual(sign === 'cooled-down' ? HALF_OPEN : OPEN);
          if (next.state === 'closed') {
            expect([breaker.state, sign]).toEqual(['half-open', 'works']);
            return;
          }
          breaker = next;
        }
      }),
    );
  });

  test('a cool-down that is taken up again is between nothing and a whole one, however the clock was set', () => {
    const time = fc.integer({ min: -(2 ** 52), max: 2 ** 52 });
    fc.assert(
      fc.property(time, time, fc.integer({ min: 1, max: 2 ** 31 }), (retryAtMs, nowMs, cooldownMs) => {
        const leftMs = cooldownLeftMs(retryAtMs, nowMs, cooldownMs);
        expect(leftMs).toBeGreaterThanOrEqual(0);
        expect(leftMs).toBeLessThanOrEqual(cooldownMs);
        const trueMs = retryAtMs - nowMs;
        if (trueMs >= 0 && trueMs <= cooldownMs) expect(leftMs).toBe(trueMs);
      }),
    );
  });
});
