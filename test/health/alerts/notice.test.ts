import { expect, test } from 'vitest';
import { mergeEvents, messageOf } from '../../../src/health/alerts/alert.js';
import {
  type AlertMemory,
  BLANK_MEMORY,
  noticeBeat,
  noticeDisk,
  noticeTrouble,
  noticeWell,
} from '../../../src/health/alerts/notice.js';
import type { Beat } from '../../../src/heartbeat/beat.js';
import { aBeat } from '../../heartbeat/a-beat.js';

const AT = Date.UTC(2026, 0, 1, 12);
const PLACE = { host: 'pi', configFile: '/srv/dogged.config.yaml' };
const MODEL = { id: '7', dependency: 'model', since: '2026-01-01T11:00:00.000Z', cause: 'refused' };

/** A beat that counts jobs that failed for good: by its worker, and in the database. */
function failed(seen: number, standing: number, more: Partial<Beat> = {}): Beat {
  const beat = aBeat(more);
  return {
    ...beat,
    counters: { ...beat.counters, failed: seen },
    queue: { ...beat.queue, failed: standing },
  };
}

/** What is said of each beat, one after another. */
function said(...beats: readonly Beat[]): string[][] {
  let memory: AlertMemory = BLANK_MEMORY;
  return beats.map((beat) => {
    const noticed = noticeBeat(memory, beat, AT);
    memory = noticed.memory;
    return noticed.events.map((event) => messageOf(event, 0, PLACE, AT).text);
  });
}

test('what failed before there was anybody to tell is no news, and each that fails later is told once', () => {
  const last = { job: '17', task: 'build', key: 'Moisture alarm', reason: 'exit 1' };
  expect(said(failed(0, 5), failed(1, 6, { lastFailed: last }), failed(1, 6, { lastFailed: last }))).toEqual([
    [],
    [
      'dogged on pi: 1 job failed for good (dogged jobs --state failed): job 17 (build, Moisture alarm): exit 1',
    ],
    [],
  ]);
});

test('several that fail within one beat are one alert with their number', () => {
  const last = { job: '9', task: 'build', key: 'k', reason: 'poison' };
  expect(said(failed(0, 0), failed(3, 3, { lastFailed: last }))[1]).toEqual([
    'dogged on pi: 3 jobs failed for good (dogged jobs --state failed), the last: job 9 (build, k): poison',
  ]);
});

test('what a worker saw after its last beat is told by the first beat of the next one', () => {
  const next = (seen: number, standing: number) => failed(seen, standing, { nonce: 'nonce-b' });
  const all = 'dogged on pi: 2 jobs failed for good (dogged jobs --state failed)';
  expect(said(failed(4, 4), next(0, 6))[1]).toEqual([all]);
  expect(said(failed(4, 4), next(1, 6))[1]).toEqual([all]);
  expect(said(failed(4, 4), next(0, 4), next(0, 4))).toEqual([[], [], []]);
  // Somebody ran two of them again meanwhile.
  expect(said(failed(4, 4), next(0, 2))[1]).toEqual([]);
  expect(said(failed(4, 4), next(1, 3))[1]).toHaveLength(1);
});

test('a Redis that takes no jobs is told at its beginning and at its end, whatever its reasons meanwhile', () => {
  expect(
    said(
      aBeat(),
      aBeat({ redis: 'ECONNREFUSED' }),
      aBeat({ redis: 'no answer within 2 s' }),
      aBeat(),
      aBeat(),
    ),
  ).toEqual([
    [],
    ['dogged on pi: Redis takes no jobs, they wait here (dogged health): ECONNREFUSED'],
    [],
    ['dogged on pi: Redis takes jobs again'],
    [],
  ]);
});

test('an outage is told at its beginning and at its end, and one that follows at once is another one', () => {
  const [, begun, same, other, ended] = said(
    aBeat(),
    aBeat({ outages: [MODEL] }),
    aBeat({ outages: [MODEL] }),
    aBeat({ outages: [{ ...MODEL, id: '8', cause: 'timed out' }] }),
    aBeat(),
  );
  const isOver = 'dogged on pi: model works again; it was away since 2026-01-01T11:00:00.000Z';
  expect(begun).toEqual(['dogged on pi: model is away, its jobs wait (dogged outages): refused']);
  expect(same).toEqual([]);
  expect(other).toEqual([isOver, 'dogged on pi: model is away, its jobs wait (dogged outages): timed out']);
  expect(ended).toEqual([isOver]);
});

test('a worker that fails again and again is told as stuck once, as given up once, and then as recovered', () => {
  const kinds: string[] = [];
  let memory: AlertMemory = BLANK_MEMORY;
  const take = (noticed: { memory: AlertMemory; events: readonly { kind: string }[] }) => {
    memory = noticed.memory;
    kinds.push(...noticed.events.map(({ kind }) => kind));
  };
  take(noticeWell(memory, 1, AT));
  for (let n = 0; n < 3; n += 1) take(noticeTrouble(memory, 'stuck', 'exit 1', AT));
  for (let n = 0; n < 3; n += 1) {
    take(noticeTrouble(memory, 'gave-up', 'exit 1', AT));
    take(noticeTrouble(memory, 'stuck', 'exit 1', AT));
  }
  for (let n = 0; n < 3; n += 1) take(noticeWell(memory, 2, AT));
  expect(kinds).toEqual(['stuck', 'gave-up', 'recovered']);
});

test('a disk is told when it gets full and when it has room again', () => {
  const low = noticeDisk(BLANK_MEMORY, 'only 3 MB free', AT);
  expect(low.events).toMatchObject([{ kind: 'disk', phase: 'begun', what: 'only 3 MB free' }]);
  expect(noticeDisk(low.memory, 'only 2 MB free', AT).events).toEqual([]);
  expect(noticeDisk(low.memory, null, AT).events).toMatchObject([{ kind: 'disk', phase: 'ended' }]);
});

test('a hostile key or cause is one line that is safe to show, and says how late it comes and what went before', () => {
  const lastFailed = { job: '1', task: 'build', key: 'a\n\u001b[31mred\u0000\u202e', reason: 'exit 1' };
  const { events } = noticeBeat(
    { ...BLANK_MEMORY, failures: { nonce: 'nonce-a', seen: 0, standing: 0 } },
    failed(1, 1, { lastFailed }),
    AT,
  );
  const [event] = events;
  if (event === undefined) throw new Error('nothing was noticed');
  const message = messageOf(event, 4, PLACE, AT + 90_000);
  expect(message.text).toBe(
    'dogged on pi: 1 job failed for good (dogged jobs --state failed): job 1 (build, a\\n\\x1b[31mred\\x00\\u202e): exit 1 (at 2026-01-01T12:00:00.000Z; 4 earlier alerts of this kind not sent)',
  );
  expect(message).toMatchObject({ alert: 'dead-letter', unsent: 4, at: '2026-01-01T12:00:00.000Z' });
  expect(mergeEvents(event, { ...event, count: 2 }).count).toBe(3);
});
