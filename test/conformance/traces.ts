import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/engine.js';
import type { AdmissionBatch } from '../../src/store/intake-contract.js';
import { BrokenHandOff } from '../../src/trace/broken-hand-off.js';
import { type BatchTrace, type CycleTrace, onlyBatch } from '../../src/trace/cycle-trace.js';
import { judgeCycle, verdictOf } from '../../src/trace/verdict.js';
import type { Engine } from './engine.js';
import {
  batch,
  claimOne,
  end,
  ideas,
  ownedStore,
  type RecordSpec,
  reject,
  retryAt,
  runOne,
  T0,
  turn,
} from './given.js';

/** Admits a batch as intake does: sealed, and then handed over. `bend` changes it in between. */
async function hand(
  store: Store,
  specs: readonly RecordSpec[],
  rest: Partial<AdmissionBatch> = {},
  more: Partial<BatchTrace> = {},
  bend: (given: AdmissionBatch) => AdmissionBatch = (given) => given,
): Promise<CycleTrace> {
  const given = batch(specs, rest);
  const trace = { ...onlyBatch(given.records, T0), ...more };
  const report = await store.admit(bend({ ...given, trace }));
  if (!report.committed || report.trace === undefined) throw new Error('nothing was traced');
  return report.trace;
}

async function stepsOf(store: Store, cycle: string) {
  const found = await store.cycle(cycle);
  if (found === null) throw new Error(`there is no cycle ${cycle}`);
  const steps = judgeCycle(found.trace, found.queue);
  return { steps, verdict: verdictOf(steps), found };
}

async function briefly(store: Store, cycle: string): Promise<string[]> {
  const { steps } = await stepsOf(store, cycle);
  return steps.map(({ name, count, ok }) => `${ok === null ? '…' : ok ? '✓' : '✗'} ${name} ${count}`);
}

export function conformsInTraces(engine: Engine): void {
  const owned = async () => ownedStore(await engine.fresh());

  describe('a cycle', () => {
    it('is kept with its jobs, and tells where each record went', async () => {
      const store = await owned();
      await hand(store, [{ key: 'known' }], { cycle: 'c-0' });
      await hand(store, [{ key: 'a' }, { key: 'known' }, { key: 'b' }], {
        cycle: 'c-1',
        rejects: [reject({ path: 'f', key: 'bad' })],
      });
      expect(await briefly(store, 'c-1')).toEqual([
        '✓ FEED_IN 4',
        '✓ AFTER_NORMALIZE 3',
        '✓ AFTER_DIFF_OR_SUPPRESS 2',
        '✓ WRITE_OUT_PREPUT 2',
        '✓ WRITE_OUT_PAYLOAD 2',
        '✓ ENQUEUED 2',
        '… QUEUE_READ 0',
      ]);
      const { found, verdict } = await stepsOf(store, 'c-1');
      expect(verdict).toBe('waiting');
      expect(found).toMatchObject({ workspace: 'default', source: ideas.name, task: null });
      expect(found.trace.lost).toEqual([
        { key: 'bad', at: 'AFTER_NORMALIZE', reason: 'rejected: schema' },
        { key: 'known', at: 'AFTER_DIFF_OR_SUPPRESS', reason: 'already-queued' },
      ]);
      expect(await store.cycle('c-9')).toBeNull();
    });

    it('has one hash from the diff to the queue, the same for the same records and another for others', async () => {
      const store = await owned();
      const hashes = async (cycle: string) => (await stepsOf(store, cycle)).steps.map(({ hash }) => hash);
      await hand(store, [{ key: 'ä' }, { key: 'b' }], { cycle: 'c-1' });
      for (let n = 0; n < 2; n += 1) await runOne(store);
      const [first, ...others] = await hashes('c-1');
      expect(others).toEqual(new Array(6).fill(first));
      const other = await owned();
      await hand(other, [{ key: 'ä' }, { key: 'b' }], { cycle: 'c-1' });
      await hand(other, [{ key: 'c', content: '1' }], { cycle: 'c-2' });
      await hand(other, [{ key: 'd', content: '1' }], { cycle: 'c-3' });
      expect((await stepsOf(other, 'c-1')).steps[0]?.hash).toBe(first);
      expect((await stepsOf(other, 'c-2')).steps[0]?.hash).not.toBe(
        (await stepsOf(other, 'c-3')).steps[0]?.hash,
      );
      await hand(other, [{ key: 'c', content: '1' }], { cycle: 'c-4' });
      expect((await stepsOf(other, 'c-4')).steps.map(({ hash }) => hash).slice(2)).toEqual(
        new Array(5).fill('empty'),
      );
    });

    it('goes on over several batches', async () => {
      const store = await owned();
      const soFar = await hand(store, [{ key: 'a' }, { key: 'b' }]);
      await hand(store, [{ key: 'c' }, { key: 'a' }], {}, { soFar });
      for (let n = 0; n < 3; n += 1) await runOne(store);
      expect(await briefly(store, 'cycle-1')).toEqual([
        '✓ FEED_IN 4',
        '✓ AFTER_NORMALIZE 4',
        '✓ AFTER_DIFF_OR_SUPPRESS 3',
        '✓ WRITE_OUT_PREPUT 3',
        '✓ WRITE_OUT_PAYLOAD 3',
        '✓ ENQUEUED 3',
        '✓ QUEUE_READ 3',
      ]);
    });

    it('that replaces pending jobs, of former cycles and of its own batch, adds up', async () => {
      const store = await owned();
      const onChange = 'rerun';
      const v = (n: number) => ({ hash: Buffer.alloc(16, n), order: n });
      await hand(
        store,
        [
          { key: 'a', onChange, version: v(1) },
          { key: 'z', onChange, version: v(1) },
        ],
        { cycle: 'c-1' },
      );
      await hand(
        store,
        [
          { key: 'new', onChange, version: v(1) },
          { key: 'a', onChange, version: v(2), content: '2' },
          { key: 'new', onChange, version: v(2), content: '3' },
          { key: 'last', onChange, version: v(1) },
        ],
        { cycle: 'c-2' },
      );
      const { steps, found } = await stepsOf(store, 'c-2');
      expect(steps.map(({ ok, count }) => [ok, count])).toEqual([
        [true, 4],
        [true, 4],
        [true, 4],
        [true, 3],
        [true, 3],
        [true, 3],
        [null, 0],
      ]);
      expect(found.trace.lost).toEqual([
        { key: 'new', at: 'WRITE_OUT_PREPUT', reason: 'replaced in the same batch' },
      ]);
      for (let n = 0; n < 4; n += 1) await runOne(store);
      expect((await briefly(store, 'c-2')).at(-1)).toBe('✓ QUEUE_READ 3');
      expect((await stepsOf(store, 'c-1')).steps.at(-1)).toMatchObject({
        ok: true,
        count: 1,
        reasons: { 'replaced by a newer version, found by c-2': 1 },
      });
    });

    it('numbers repetitions of unkeyed records without calling them changed', async () => {
      const store = await owned();
      const unkeyed = { key: 'ab'.repeat(16), occurrenceIn: 7, content: '1' };
      await hand(store, [unkeyed, unkeyed]);
      expect((await briefly(store, 'cycle-1')).slice(-2)).toEqual(['✓ ENQUEUED 2', '… QUEUE_READ 0']);
    });

    it('counts what it does not name, and is bounded', async () => {
      const store = await owned();
      const many = Array.from({ length: 300 }, (_, n) => ({ key: `k${n}` }));
      await hand(store, many, { cycle: 'c-1' });
      const { reasons, lost } = await hand(store, many, { cycle: 'c-2' });
      expect(reasons).toEqual({ AFTER_DIFF_OR_SUPPRESS: { 'already-queued': 300 } });
      expect(lost).toHaveLength(100);
    });

    it('says why jobs of it were never read', async () => {
      const store = await owned();
      await hand(store, [{ key: 'a' }, { key: 'b', expiresAtMs: T0 + 5 }, { key: 'c' }]);
      await store.cancel('default', ['1'], T0);
      await turn(store, { nowMs: T0 + 10, freeSlots: 0 });
      const claim = await claimOne(store, { nowMs: T0 + 10 });
      await turn(store, { ends: [end(claim, retryAt(T0 + 99))], freeSlots: 0, nowMs: T0 + 11 });
      expect((await stepsOf(store, 'cycle-1')).steps.at(-1)).toMatchObject({
        ok: true,
        count: 1,
        reasons: { 'cancelled before it was read': 1, 'expired before it was read': 1 },
      });
    });

    it('tells what a plan no longer has, also where it has nothing new, and how much of it stands as before', async () => {
      const store = await owned();
      const plan = { keys: ['a'], series: [], missed: [] };
      const planned = ['a', 'b', 'c'].map((key) => ({ key, onChange: 'replan' as const, runAtMs: T0 + 99 }));
      await hand(store, planned, { cycle: 'c-1', plan: { ...plan, keys: ['a', 'b', 'c'] } });
      await hand(store, [], { cycle: 'c-2', plan: { ...plan, keys: ['a', 'b'] } }, { unchanged: 2 });
      const { steps, found, verdict } = await stepsOf(store, 'c-2');
      expect(verdict).toBe('ok');
      expect(steps[0]).toMatchObject({ name: 'FEED_IN', count: 0, remark: '2 more in the plan as before' });
      expect(steps.at(-1)).toMatchObject({ name: 'QUEUE_READ', atMs: null, remark: 'nothing to read' });
      const c = { key: 'c', id: '3', result: 'withdrawn' };
      expect(found.trace.gone).toEqual({ counts: { withdrawn: 1 }, named: [c] });
      // In the second batch of one poll it adds up.
      const soFar = await hand(store, [{ key: 'd', onChange: 'replan' }], {
        cycle: 'c-3',
        plan: { ...plan, keys: ['a', 'd'] },
      });
      expect(soFar.gone?.counts).toEqual({ withdrawn: 1 });
      const e = [{ key: 'e', onChange: 'replan' as const }];
      const both = await hand(store, e, { cycle: 'c-3', plan: { ...plan, keys: ['e'] } }, { soFar });
      expect(both.gone?.counts).toEqual({ withdrawn: 3 });
      expect((await store.knownKeys('ideas', 'c', 5))[0]).toMatchObject({ job: '3', mentions: ['c-2'] });
    });

    it('is not made by cursors alone', async () => {
      const store = await owned();
      const report = await store.admit({ ...batch([]), trace: onlyBatch([], T0) });
      expect(report).toEqual({ committed: true, answers: [] });
      expect(await store.cycle('cycle-1')).toBeNull();
    });
  });

  describe('a hand-off that is broken', () => {
    const six = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => ({
      key,
      content: `{"events":"${key.repeat(9)}"}`,
    }));
    type Records = AdmissionBatch['records'];
    const changing = (change: (records: Records) => Records) => (given: AdmissionBatch) => ({
      ...given,
      records: change(given.records),
    });

    it.each<[string, string, (records: Records) => Records]>([
      ['a record is gone', 'AFTER_DIFF_OR_SUPPRESS', (records) => records.slice(1)],
      ['a record came in', 'AFTER_DIFF_OR_SUPPRESS', (records) => [...records, ...records.slice(0, 1)]],
      ['two changed places', 'AFTER_DIFF_OR_SUPPRESS', ([a, b, ...rest]) => [b, a, ...rest] as Records],
      [
        'a key is another',
        'AFTER_DIFF_OR_SUPPRESS',
        (all) => all.map((r, n) => (n === 3 ? { ...r, key: 'x' } : r)),
      ],
      [
        'a hash is another',
        'AFTER_DIFF_OR_SUPPRESS',
        (all) => {
          all[2]?.payload.hash.fill(0, 0, 1);
          return all;
        },
      ],
      [
        'one bit of a payload has turned',
        'WRITE_OUT_PAYLOAD',
        (all) => {
          const bytes = all[4]?.payload.bytes ?? Buffer.alloc(1);
          bytes[12] = (bytes[12] ?? 0) ^ 1;
          return all;
        },
      ],
    ])('stores nothing of its batch when %s, and is kept as broken at %s', async (_, at, change) => {
      const store = await owned();
      const handing = hand(store, six, { nowMs: T0 + 7 }, {}, changing(change));
      await expect(handing).rejects.toThrow(BrokenHandOff);
      await expect(handing).rejects.toMatchObject({ code: 'HANDOFF_BROKEN', cycle: 'cycle-1' });
      expect(await store.list({ limit: 9 })).toEqual([]);
      expect((await store.counts()).sources.every(({ records }) => records === 0)).toBe(true);
      const { steps, verdict } = await stepsOf(store, 'cycle-1');
      expect(verdict).toBe('broken');
      expect(steps.filter(({ ok }) => ok === false).map(({ name }) => name)).toEqual([at]);
      expect(await store.brokenCycles(T0, 9)).toMatchObject([
        { cycle: 'cycle-1', source: 'ideas', at, atMs: T0 + 7 },
      ]);
      expect(await store.brokenCycles(T0 + 8, 9)).toEqual([]);
      // It is read again, and then it is well.
      await hand(store, six, { cycle: 'c-2' });
      expect((await store.counts()).total.ready).toBe(6);
    });

    it('leaves what earlier batches of the same poll have stored', async () => {
      const store = await owned();
      const soFar = await hand(store, [{ key: 'before' }]);
      const lose = changing((records) => records.slice(1));
      await expect(hand(store, six, {}, { soFar }, lose)).rejects.toThrow(BrokenHandOff);
      expect((await store.list({ limit: 9 })).map(({ key }) => key)).toEqual(['before']);
      await runOne(store);
      expect(await briefly(store, 'cycle-1')).toEqual([
        '✓ FEED_IN 7',
        '✓ AFTER_NORMALIZE 7',
        '✗ AFTER_DIFF_OR_SUPPRESS 6',
        '… WRITE_OUT_PREPUT 1',
        '… WRITE_OUT_PAYLOAD 1',
        '… ENQUEUED 1',
        '✓ QUEUE_READ 1',
      ]);
    });
  });

  it('finds a key in each source and task of one name, sources first, each with its own cycles', async () => {
    const store = await owned();
    const scope = { ...ideas, kind: 'task' as const };
    await hand(store, [{ key: 'k' }], { cycle: 'c-1', scope });
    await hand(store, [{ key: 'k' }], { cycle: 'c-2', scope });
    await hand(store, [{ key: 'k' }], { cycle: 'c-3' });
    expect(await store.knownKeys('ideas', 'k', 5)).toEqual([
      { scope: ideas, job: '2', prunedAs: null, mentions: [] },
      { scope, job: '1', prunedAs: null, mentions: ['c-2'] },
    ]);
  });

  it('finds a key by its job, and by the cycles that did not hand it on', async () => {
    const store = await owned();
    await hand(store, [{ key: 'a "b"' }], { cycle: 'c-1' });
    await hand(store, [{ key: 'a "b"' }], { cycle: 'c-2', rejects: [reject({ path: 'f', key: 'bad' })] });
    expect(await store.knownKeys('ideas', 'a "b"', 5)).toEqual([
      { scope: ideas, job: '1', prunedAs: null, mentions: ['c-2'] },
    ]);
    expect(await store.knownKeys('ideas', 'bad', 5)).toEqual([
      { scope: null, job: null, prunedAs: null, mentions: ['c-2'] },
    ]);
    expect(await store.knownKeys('ideas', 'nobody', 5)).toEqual([]);
    expect(await store.knownKeys('other', 'a "b"', 5)).toEqual([]);
  });
}
