import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/engine.js';
import type { AdmissionAnswer, AdmissionBatch } from '../../src/store/intake-contract.js';
import type { Engine } from './engine.js';
import {
  batch,
  claimOne,
  end,
  ideas,
  ownedStore,
  type RecordSpec,
  retryAt,
  runOne,
  T0,
  turn,
} from './given.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A show of the plan: an hour from `start` on, unless the test says otherwise. */
const show = (key: string, startMs: number, more: Partial<RecordSpec> = {}): RecordSpec => ({
  key,
  onChange: 'replan',
  runAtMs: startMs,
  expiresAtMs: startMs + HOUR,
  content: JSON.stringify({ id: key, start: startMs, ...more }),
  ...more,
});

interface Offered {
  readonly answers: readonly AdmissionAnswer[];
  readonly gone: readonly { key: string; result: string }[];
}

/** Offers a whole plan at a time. */
async function offer(
  store: Store,
  nowMs: number,
  shows: readonly RecordSpec[],
  rest: Partial<AdmissionBatch['plan']> & { cycle?: string } = {},
): Promise<Offered> {
  const { cycle = `cycle-${nowMs}`, ...plan } = rest;
  const keys = shows.map(({ key }) => key);
  const report = await store.admit(
    batch(shows, { cycle, nowMs, plan: { keys, series: [], missed: [], ...plan } }),
  );
  if (!report.committed) throw new Error(`conflict at ${report.conflictPath}`);
  const gone = (report.gone ?? []).map(({ key, result }) => ({ key, result }));
  return { answers: report.answers, gone };
}

const resultOf = async (...args: Parameters<typeof offer>) => (await offer(...args)).answers[0]?.result;

export function conformsInPlans(engine: Engine): void {
  const owned = async () => ownedStore(await engine.fresh());
  const jobs = async (store: Store) => [...(await store.list({ limit: 100 }))].reverse();

  describe('a record of a plan', () => {
    it('that is new waits for its start, and has its end to start by', async () => {
      const store = await owned();
      expect(await resultOf(store, T0, [show('a', T0 + HOUR)])).toBe('queued');
      expect(await jobs(store)).toMatchObject([
        { place: 'scheduled', runAtMs: T0 + HOUR, expiresAtMs: T0 + 2 * HOUR },
      ]);
      const { claims, nextDueAtMs } = await turn(store);
      expect(claims).toEqual([]);
      expect(nextDueAtMs).toBe(T0 + HOUR);
    });

    it('that is new in the midst of its window runs at once, and how late it is stands in its claim', async () => {
      const store = await owned();
      const lateMs = MINUTE + 54_000;
      expect(await resultOf(store, T0 + lateMs, [show('a', T0)])).toBe('queued');
      expect(await claimOne(store, { nowMs: T0 + lateMs })).toMatchObject({
        lateByMs: lateMs,
        expiresAtMs: T0 + HOUR,
      });
    });

    it('that is new after its end has expired, with its reason, and never runs', async () => {
      const store = await owned();
      expect(await resultOf(store, T0 + HOUR, [show('a', T0)])).toBe('expired');
      expect(await jobs(store)).toMatchObject([
        { place: 'expired', reason: 'its end had passed when it was first seen', endedAtMs: T0 + HOUR },
      ]);
      expect((await turn(store, { nowMs: T0 + HOUR })).claims).toEqual([]);
      expect(await resultOf(store, T0 + HOUR + 1, [show('a', T0)])).toBe('already-done');
    });

    it('that has no end is never too late', async () => {
      const store = await owned();
      expect(await resultOf(store, T0 + 30 * HOUR, [show('a', T0, { expiresAtMs: null })])).toBe('queued');
      expect((await claimOne(store, { nowMs: T0 + 30 * HOUR })).lateByMs).toBe(30 * HOUR);
    });

    it('that waits is replaced in place by another time or payload: one row', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0 + HOUR)]);
      expect(await resultOf(store, T0, [show('a', T0 + 2 * HOUR)])).toBe('superseded');
      expect(await resultOf(store, T0, [show('a', T0 + 2 * HOUR)])).toBe('already-queued');
      expect(await jobs(store)).toMatchObject([{ runAtMs: T0 + 2 * HOUR, expiresAtMs: T0 + 3 * HOUR }]);
    });

    it('that runs is passed over on that evidence, which stands in its history once an attempt', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0)]);
      const claim = await claimOne(store, { nowMs: T0 + 1_000 });
      for (const n of [2, 3]) {
        const { answers } = await offer(store, T0 + n * MINUTE, [show('a', T0)]);
        expect(answers).toMatchObject([
          {
            result: 'already-running',
            id: claim.id,
            evidence: `job ${claim.id} runs since 2026-01-01T00:00:01.000Z, attempt 1`,
          },
        ]);
      }
      const skips = (await store.get('default', claim.id))?.history.filter(
        (entry) => entry.kind === 'event' && entry.event === 'skipped',
      );
      expect(skips).toHaveLength(1);
      expect(skips?.[0]).toMatchObject({ detail: expect.stringContaining('attempt 1') });
    });

    it('that is changed while it runs is left to run, and what has run is not run again', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0)]);
      const claim = await claimOne(store);
      const changed = show('a', T0, { content: '{"title":"other"}' });
      expect(await resultOf(store, T0 + MINUTE, [changed])).toBe('changed-running');
      expect(await resultOf(store, T0 + 2 * MINUTE, [changed])).toBe('already-queued');
      const { claims } = await turn(store, { ends: [end(claim)], nowMs: T0 + 3 * MINUTE });
      expect(claims).toEqual([]);
      expect(await jobs(store)).toMatchObject([
        { place: 'completed' },
        { place: 'cancelled', reason: 'an older version of it ran meanwhile, and was completed' },
      ]);
      expect(await resultOf(store, T0 + 4 * MINUTE, [changed])).toBe('already-done');
      expect((await store.counts()).total).toMatchObject({ parked: 0, ready: 0 });
    });

    it.each([
      ['fails for good', { to: 'failed', reason: 'exit 1' } as const],
      ['is to be tried again', retryAt(T0 + 5 * MINUTE)],
    ])('that is changed while it runs takes its place when that attempt %s', async (_, next) => {
      const store = await owned();
      await offer(store, T0, [show('a', T0)]);
      const claim = await claimOne(store);
      await offer(store, T0 + MINUTE, [show('a', T0, { content: '{"title":"mended"}' })]);
      const { claims } = await turn(store, { ends: [end(claim, next)], nowMs: T0 + 2 * MINUTE });
      expect(claims.map(({ payload }) => payload.bytes.toString())).toEqual(['{"title":"mended"}']);
    });

    it('that is moved to a later time while it runs, runs again then', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0)]);
      const claim = await claimOne(store);
      await offer(store, T0 + MINUTE, [show('a', T0 + 24 * HOUR)]);
      await turn(store, { ends: [end(claim)], nowMs: T0 + 2 * MINUTE });
      expect(await jobs(store)).toMatchObject([
        { place: 'completed' },
        { place: 'scheduled', runAtMs: T0 + 24 * HOUR },
      ]);
    });

    it('that was completed is passed over by the ledger, changed or not, and after it was pruned', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0)]);
      await runOne(store, undefined, T0 + 1_000);
      const { answers } = await offer(store, T0 + MINUTE, [show('a', T0)]);
      expect(answers).toMatchObject([
        { result: 'already-done', evidence: expect.stringContaining('completed at 2026-01-01T00:00:01') },
      ]);
      expect(await resultOf(store, T0 + MINUTE, [show('a', T0, { content: '{"title":"other"}' })])).toBe(
        'already-done',
      );
      await store.prune(T0 + MINUTE, 10);
      expect(await resultOf(store, T0 + MINUTE, [show('a', T0)])).toBe('already-done');
    });

    it('that was completed, and is to start after that, is another showing', async () => {
      const store = await owned();
      await offer(store, T0, [show('news', T0)]);
      await runOne(store, undefined, T0 + 1_000);
      expect(await resultOf(store, T0 + 2 * HOUR, [show('news', T0 + 24 * HOUR)])).toBe('queued');
    });

    it('that failed for good is left to a person, until it is changed', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0)]);
      await runOne(store, { to: 'failed', reason: 'exit 65' });
      expect(await resultOf(store, T0 + MINUTE, [show('a', T0)])).toBe('already-done');
      expect(await resultOf(store, T0 + MINUTE, [show('a', T0, { content: '{"file":"b"}' })])).toBe('queued');
    });

    it('that a person cancelled stays cancelled while it is the same showing', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0 + HOUR)]);
      const [job] = await jobs(store);
      await store.cancel('default', [job?.id ?? ''], T0);
      expect(await resultOf(store, T0, [show('a', T0 + HOUR)])).toBe('already-done');
      expect(await resultOf(store, T0, [show('a', T0 + HOUR, { content: '{"title":"b"}' })])).toBe(
        'already-done',
      );
      expect(await resultOf(store, T0, [show('a', T0 + 9 * HOUR)])).toBe('queued');
    });

    it('that expired is there again when it is prolonged, or the clock had stood in the future', async () => {
      const store = await owned();
      await offer(store, T0 + HOUR, [show('a', T0)]);
      expect(await resultOf(store, T0 + HOUR, [show('a', T0)])).toBe('already-done');
      const prolonged = show('a', T0, { expiresAtMs: T0 + 3 * HOUR, content: '{"end":"later"}' });
      expect(await resultOf(store, T0 + HOUR, [prolonged])).toBe('queued');

      const fresh = await owned();
      await offer(fresh, T0 + 9 * HOUR, [show('b', T0)]);
      expect(await resultOf(fresh, T0 - HOUR, [show('b', T0)])).toBe('queued');
    });

    it('is never taken in an older version, where the source names one', async () => {
      const store = await owned();
      const numbered = (order: number, content: string) =>
        show('a', T0 + HOUR, { content, version: { hash: Buffer.alloc(16, order), order } });
      await offer(store, T0, [numbered(5, '5')]);
      expect(await resultOf(store, T0, [numbered(4, '4')])).toBe('older-ignored');
      expect(await resultOf(store, T0, [numbered(6, '6')])).toBe('superseded');
    });

    it('is answered by an account as by an admission', async () => {
      const store = await owned();
      await offer(store, T0, [show('past', T0 - 2 * HOUR), show('now', T0), show('later', T0 + HOUR)]);
      await claimOne(store);
      const ask = async (key: string, runAtMs: number, content: string, nowMs = T0) => {
        const {
          version,
          payload: _,
          ...rest
        } = batch([show(key, runAtMs, { content })]).records[0] as never as {
          version: { hash: Buffer; order: null };
          payload: unknown;
          key: string;
          onChange: 'replan';
          runAtMs: number;
          expiresAtMs: number;
        };
        return (await store.account(ideas, [{ ...rest, version }], nowMs))[0];
      };
      expect(await ask('past', T0 - 2 * HOUR, 'x')).toEqual({ wouldBe: 'already-done', state: 'expired' });
      expect(await ask('now', T0, 'x')).toEqual({ wouldBe: 'changed-running', state: 'running' });
      expect(await ask('later', T0 + HOUR, 'x')).toEqual({ wouldBe: 'superseded', state: 'pending' });
      expect(await ask('never', T0 - 2 * HOUR, 'x')).toEqual({ wouldBe: 'expired', state: null });
    });
  });

  describe('a plan', () => {
    it('withdraws what waits and is gone from it, and takes it back when it is there again', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0 + HOUR), show('b', T0 + 2 * HOUR)]);
      expect((await offer(store, T0, [show('b', T0 + 2 * HOUR)])).gone).toEqual([
        { key: 'a', result: 'withdrawn' },
      ]);
      expect(await jobs(store)).toMatchObject([
        { key: 'a', place: 'cancelled', reason: 'withdrawn: its plan no longer has it' },
        { key: 'b', place: 'scheduled' },
      ]);
      // Also when it was withdrawn again and again: that is no loop, since nothing ran.
      for (let n = 0; n < 30; n += 1) {
        expect(await resultOf(store, T0, [show('a', T0 + HOUR)])).toBe('queued');
        expect((await offer(store, T0, [])).gone).toContainEqual({ key: 'a', result: 'withdrawn' });
      }
    });

    it('leaves to run what runs and is gone from it, and tells of it once an attempt', async () => {
      const store = await owned();
      await offer(store, T0, [show('a', T0)]);
      const claim = await claimOne(store);
      expect((await offer(store, T0, [])).gone).toEqual([{ key: 'a', result: 'left-running' }]);
      expect((await offer(store, T0, [])).gone).toEqual([]);
      expect((await turn(store, { ends: [end(claim)] })).ends).toEqual(['recorded']);
      expect(await jobs(store)).toMatchObject([{ place: 'completed' }]);
    });

    it('withdraws nothing that is not of its own source, and no job that was added by hand', async () => {
      const store = await owned();
      const other = { workspace: 'default', kind: 'source', name: 'other' } as const;
      await store.admit(batch([show('x', T0 + HOUR)], { scope: other }));
      await store.admit(batch([{ key: 'by hand', runAtMs: T0 + HOUR }]));
      expect((await offer(store, T0, [])).gone).toEqual([]);
      expect((await store.counts()).total.scheduled).toBe(2);
    });

    it('gives back the permit of what it withdraws', async () => {
      const store = await owned();
      const grouped = (key: string) => show(key, T0, { group: 'g' });
      await offer(store, T0, ['a', 'b', 'c'].map(grouped));
      expect((await store.counts()).total).toMatchObject({ ready: 2, parked: 1 });
      await offer(store, T0, [grouped('c')]);
      expect((await turn(store)).claims.map(({ key }) => key)).toEqual(['c']);
    });

    it('gives no permit to what it is about to withdraw as well', async () => {
      const store = await owned();
      const grouped = (key: string) => show(key, T0, { group: 'g' });
      await offer(store, T0, ['a', 'b', 'c', 'd'].map(grouped));
      expect((await store.counts()).total).toMatchObject({ ready: 2, parked: 2 });
      await offer(store, T0, [grouped('d')]);
      expect((await store.counts()).total).toMatchObject({ ready: 1, parked: 0, cancelled: 3 });
      await offer(store, T0, []);
      await offer(store, T0, ['e', 'f', 'g'].map(grouped));
      expect((await store.counts()).total).toMatchObject({ ready: 2, parked: 1, cancelled: 4 });
    });

    it('keeps the occurrences of its series, and ends those that were missed', async () => {
      const store = await owned();
      const [first, second] = [T0, T0 + HOUR].map((ms) => `backup@${new Date(ms).toISOString()}`) as [
        string,
        string,
      ];
      const [six, seven] = [show(first, T0, { expiresAtMs: null }), show(second, T0 + HOUR)];
      await offer(store, T0 - HOUR, [six, seven]);
      expect((await offer(store, T0, [], { series: ['backup'] })).gone).toEqual([]);
      const missed = [{ key: first, reason: 'nobody was there' }];
      expect((await offer(store, T0 + 1, [], { series: ['backup'], missed })).gone).toEqual([
        { key: first, result: 'missed' },
      ]);
      expect(await jobs(store)).toMatchObject([
        { key: first, place: 'expired', reason: 'missed: nobody was there' },
        { key: second, place: 'scheduled' },
      ]);
    });
  });
}
