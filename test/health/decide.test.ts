import { describe, expect, test } from 'vitest';
import { decideOnEnd, type End, judge, type Limits, SLOW_RETRY_MS } from '../../src/health/decide.js';
import type { Sight } from '../../src/health/observe.js';
import { aHang } from '../heartbeat/a-hang.js';

const LIMITS: Limits = {
  freshMs: 60_000,
  stuckMs: 120_000,
  idleStuckAfterMs: 120_000,
  heartbeatEveryMs: 30_000,
};
const WELL: Sight = {
  overslept: false,
  hasBeat: true,
  moved: true,
  standing: { what: 'beat', forMs: 0 },
  held: null,
  idleMs: 0,
};
const HANG = aHang({
  lastStep: { step: 'sqlite.write', detail: '', offset: 0, lengthBytes: 0 },
  thread: { state: 'D', wchan: '', syscall: '74 fsync' },
});
const standing = (what: Sight['standing']['what'], forMs: number): Sight => ({
  ...WELL,
  standing: { what, forMs },
});

describe('a worker that runs', () => {
  test.each([
    [60_000, 'well'],
    [60_001, 'late'],
    [120_000, 'late'],
    [120_001, 'stuck'],
  ])('whose beat has stood for %d ms is %s', (forMs, is) => {
    expect(judge(standing('beat', forMs), LIMITS).is).toBe(is);
  });

  test.each([
    ['beat', 'hung', 'kill'],
    ['loop', 'hung', 'kill'],
    ['polls', 'stalled', 'ask'],
    ['commits', 'stalled', 'ask'],
    ['asyncFs', 'stalled', 'ask'],
  ] as const)('whose %s has stood for too long is %s, so we %s', (what, cause, how) => {
    expect(judge(standing(what, 121_000), LIMITS)).toMatchObject({ is: 'stuck', cause, how });
  });

  test('that leaves work and free slots untouched for too long is stuck', () => {
    expect(judge({ ...WELL, idleMs: 121_000 }, LIMITS)).toMatchObject({ cause: 'idle-stuck', how: 'ask' });
    expect(judge({ ...WELL, idleMs: 119_000 }, LIMITS).is).toBe('well');
  });

  test('is not judged by a look that came too late', () => {
    expect(judge({ ...standing('beat', 500_000), overslept: true }, LIMITS).is).toBe('unseen');
  });

  test('has 30 s for its first beat, however short the other thresholds are', () => {
    const none: Sight = { ...WELL, hasBeat: false };
    const short = { ...LIMITS, stuckMs: 1_000 };
    expect(judge({ ...none, standing: { what: 'beat', forMs: 30_000 } }, short).is).toBe('well');
    expect(judge({ ...none, standing: { what: 'beat', forMs: 31_000 } }, short)).toMatchObject({
      cause: 'no-first-beat',
      how: 'kill',
    });
  });

  test('whose guard says where its loop stands is killed at once, though its beat is fresh', () => {
    expect(judge(WELL, LIMITS, HANG)).toEqual({
      is: 'stuck',
      cause: 'hung',
      how: 'kill',
      why: 'the event loop stands in the system call 74 fsync, after sqlite.write',
    });
    expect(judge({ ...WELL, overslept: true }, LIMITS, HANG).is).toBe('unseen');
  });

  test('that is kept from its database by somebody else is late, however long it takes', () => {
    const held = { ...WELL, held: 'the database is held by PID 7' };
    expect(judge(held, LIMITS)).toEqual({ is: 'late', why: 'the database is held by PID 7' });
    // What has nothing to do with the database is held against it all the same.
    expect(judge({ ...held, standing: { what: 'loop', forMs: 121_000 } }, LIMITS).is).toBe('stuck');
  });

  test('is not condemned by a threshold that is shorter than its beats', () => {
    const limits = { ...LIMITS, freshMs: 1_000, stuckMs: 2_000, heartbeatEveryMs: 30_000 };
    expect(judge(standing('beat', 30_000), limits).is).toBe('well');
    expect(judge(standing('beat', 59_000), limits).is).toBe('late');
    expect(judge(standing('beat', 61_000), limits).is).toBe('stuck');
  });
});

const RESTARTS = { limit: 10, withinMs: 600_000, backoff: { minMs: 1_000, maxMs: 300_000 } };
const DIED: End = { code: null, signal: 'SIGKILL', stuck: null, fruitful: false, refusal: null };
const fruitless = (inARow: number) => ({ fruitlessInARow: inARow, fruitlessInWindow: inARow, gaveUp: false });

describe('a worker that has ended', () => {
  test('after it was of use is replaced at once, whatever came before', () => {
    expect(decideOnEnd({ ...DIED, fruitful: true }, fruitless(0), RESTARTS)).toEqual({
      do: 'start',
      afterMs: 0,
    });
  });

  test.each([
    [1, 0],
    [2, 1_000],
    [3, 2_000],
    [4, 4_000],
    [9, 128_000],
  ])('without use, for the %dth time in a row, is replaced after %d ms', (inARow, afterMs) => {
    expect(decideOnEnd(DIED, fruitless(inARow), RESTARTS)).toEqual({ do: 'start', afterMs });
  });

  test('without use is never waited for longer than the longest back-off', () => {
    const history = { fruitlessInARow: 500, fruitlessInWindow: 3, gaveUp: false };
    expect(decideOnEnd(DIED, history, RESTARTS)).toEqual({ do: 'start', afterMs: 300_000 });
  });

  test('without use too often is given up, and tried again slowly', () => {
    const givenUp = { do: 'give-up', retryMs: SLOW_RETRY_MS };
    expect(decideOnEnd(DIED, fruitless(10), RESTARTS)).toEqual(givenUp);
    // The slow retries are so far apart that few of them lie in any window.
    const later = { fruitlessInARow: 11, fruitlessInWindow: 1, gaveUp: true };
    expect(decideOnEnd(DIED, later, RESTARTS)).toEqual(givenUp);
  });

  test.each([
    [78, 'await-config'],
    [69, 'await-mending'],
    [75, 'await-holder'],
    [1, 'start'],
    [0, 'start'],
  ] as const)('with code %d means: %s', (code, action) => {
    expect(decideOnEnd({ ...DIED, code, signal: null }, fruitless(1), RESTARTS).do).toBe(action);
  });

  test('because we ended it as stuck is replaced, whatever code it left', () => {
    const end: End = { code: 75, signal: null, stuck: 'hung', fruitful: true, refusal: null };
    expect(decideOnEnd(end, fruitless(0), RESTARTS)).toEqual({ do: 'start', afterMs: 0 });
  });
});

describe('cause × history', () => {
  const ends = {
    'died without use': DIED,
    'died after use': { ...DIED, fruitful: true },
    'killed as hung': { ...DIED, stuck: 'hung', signal: null },
    'killed as stalled': { ...DIED, stuck: 'stalled', signal: null },
    'killed as idle': { ...DIED, stuck: 'idle-stuck', signal: null },
    'killed before its first beat': { ...DIED, stuck: 'no-first-beat', signal: null },
    'config refused': { ...DIED, code: 78, signal: null },
    'jobs stand elsewhere': { ...DIED, code: 78, signal: null, refusal: 'Jobs stand in Redis.' },
    'Redis refused': { ...DIED, code: 69, signal: null, refusal: 'Redis would throw jobs away.' },
    'state folder held': { ...DIED, code: 75, signal: null },
  } satisfies Record<string, End>;
  const histories = {
    first: { fruitlessInARow: 1, fruitlessInWindow: 1, gaveUp: false },
    third: { fruitlessInARow: 3, fruitlessInWindow: 3, gaveUp: false },
    'at the limit': { fruitlessInARow: 10, fruitlessInWindow: 10, gaveUp: false },
    'given up before': { fruitlessInARow: 12, fruitlessInWindow: 1, gaveUp: true },
  };
  const [now, soon, never] = ['start after 0', 'start after 2000', `give-up for ${SLOW_RETRY_MS}`];
  const CONFIG = `await-config for ${SLOW_RETRY_MS}`;
  const ELSEWHERE = `await-mending for ${SLOW_RETRY_MS}`;
  const REDIS = 'await-mending for 10000';
  const HELD = 'await-holder for 10000';
  const table = {
    //                                 first   third   limit   gave up
    'died without use': [now, soon, never, never],
    'died after use': [now, now, now, now],
    'killed as hung': [now, soon, never, never],
    'killed as stalled': [now, soon, never, never],
    'killed as idle': [now, soon, never, never],
    'killed before its first beat': [now, soon, never, never],
    // No restart mends these, whatever came before.
    'config refused': [CONFIG, CONFIG, CONFIG, CONFIG],
    'jobs stand elsewhere': [ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE],
    // Somebody sets it right, and tells nobody.
    'Redis refused': [REDIS, REDIS, REDIS, REDIS],
    'state folder held': [HELD, HELD, HELD, HELD],
  } satisfies Record<keyof typeof ends, string[]>;

  test.each(
    Object.entries(table).flatMap(([end, cells]) =>
      Object.keys(histories).map((history, n) => [end, history, cells[n]] as const),
    ),
  )('a worker that %s, %s: %s', (end, history, action) => {
    const found = decideOnEnd(
      ends[end as keyof typeof ends],
      histories[history as keyof typeof histories],
      RESTARTS,
    );
    expect(
      'afterMs' in found ? `${found.do} after ${found.afterMs}` : `${found.do} for ${found.retryMs}`,
    ).toBe(action);
  });
});
