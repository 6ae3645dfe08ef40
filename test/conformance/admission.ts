import { describe, expect, it } from 'vitest';
import { ledgerHash } from '../../src/job/snapshot.js';
import { VERSIONS_AN_HOUR } from '../../src/store/intake-contract.js';
import type { Engine } from './engine.js';
import {
  admit,
  batch,
  claimOne,
  end,
  ideas,
  ownedStore,
  reject,
  retryAt,
  runOne,
  T0,
  turn,
} from './given.js';

export function conformsInAdmission(engine: Engine): void {
  const owned = async () => ownedStore(await engine.fresh());

  describe('a record with a key', () => {
    it('becomes a job the first time, and is known from then on', async () => {
      const store = await owned();
      const [first] = await admit(store, [{ key: 'a' }]);
      expect(first).toMatchObject({ result: 'queued', state: 'pending' });
      const [second] = await admit(store, [{ key: 'a' }], { cycle: 'cycle-2' });
      expect(second).toEqual({ result: 'already-queued', id: first?.id, state: 'pending' });
      expect((await store.counts()).sources).toMatchObject([
        { workspace: 'default', name: 'ideas', records: 1, rejected: 0 },
      ]);
    });

    it('is already queued while its job runs, and already done after its end', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      const claim = await claimOne(store);
      expect((await admit(store, [{ key: 'a' }]))[0]).toMatchObject({
        result: 'already-queued',
        state: 'running',
      });
      await turn(store, { ends: [end(claim)] });
      expect((await admit(store, [{ key: 'a' }], { cycle: 'cycle-2' }))[0]).toEqual({
        result: 'already-done',
        id: claim.id,
        state: 'completed',
      });
    });

    it('that failed is already done too: only a redrive runs it again', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      await runOne(store, { to: 'failed', reason: 'exit 1' });
      expect((await admit(store, [{ key: 'a' }]))[0]).toMatchObject({
        result: 'already-done',
        state: 'failed',
      });
    });

    it('obeys the same rules when it stands twice in one batch', async () => {
      const store = await owned();
      const answers = await admit(store, [
        { key: 'a', content: '1', onChange: 'rerun' },
        { key: 'a', content: '1', onChange: 'rerun' },
        { key: 'a', content: '2', onChange: 'rerun' },
        { key: 'b' },
      ]);
      expect(answers.map(({ result }) => result)).toEqual([
        'queued',
        'already-queued',
        'superseded',
        'queued',
      ]);
      expect((await turn(store)).claims.map(({ payload }) => payload.bytes.toString())).toEqual([
        '2',
        '{"title":"b"}',
      ]);
    });

    it('that this same cycle has queued or changed already is said to repeat', async () => {
      const store = await owned();
      const repeats = async (records: Parameters<typeof admit>[1], cycle: string) =>
        (await admit(store, records, { cycle })).map((answer) => answer.repeats ?? false);
      const changed = { key: 'a', content: '2', onChange: 'rerun' } as const;
      expect(await repeats([{ key: 'a' }, { key: 'a' }, { key: 'b' }], 'one')).toEqual([false, true, false]);
      expect(await repeats([{ key: 'b' }], 'one')).toEqual([true]);
      expect(await repeats([{ key: 'a' }, { key: 'b' }], 'two')).toEqual([false, false]);
      expect(await repeats([changed, { key: 'a', content: '3' }, changed], 'three')).toEqual([
        false,
        true,
        true,
      ]);
    });

    it('is another record in another scope', async () => {
      const store = await owned();
      const [a] = await admit(store, [{ key: 'a' }]);
      const [b] = await admit(store, [{ key: 'a' }], { scope: { ...ideas, name: 'qa' } });
      const [c] = await admit(store, [{ key: 'a' }], { scope: { ...ideas, workspace: 'other' } });
      const [d] = await admit(store, [{ key: 'a' }], { scope: { ...ideas, kind: 'task' } });
      expect([a, b, c, d].map((answer) => answer?.result)).toEqual(Array(4).fill('queued'));
      expect(new Set([a, b, c, d].map((answer) => answer?.id)).size).toBe(4);
    });
  });

  describe('a record whose content changed', () => {
    it('is ignored, and said to be, unless its source wants reruns', async () => {
      const store = await owned();
      const [first] = await admit(store, [{ key: 'a', content: '1' }]);
      expect((await admit(store, [{ key: 'a', content: '2' }], { cycle: 'cycle-2' }))[0]).toEqual({
        result: 'changed-ignored',
        id: first?.id,
        state: 'pending',
      });
      expect((await claimOne(store)).payload.bytes.toString()).toBe('1');
    });

    it('takes the place of its pending job, which stays one row', async () => {
      const store = await owned();
      const [first] = await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      const [second] = await admit(
        store,
        [
          {
            key: 'a',
            content: '2',
            onChange: 'rerun',
            task: 'slow',
            priority: 7,
            timeoutMs: 9,
            maxAttempts: 8,
          },
        ],
        { cycle: 'cycle-2' },
      );
      expect(second).toEqual({ result: 'superseded', id: first?.id, state: 'pending' });
      const claim = await claimOne(store);
      expect(claim).toMatchObject({
        id: first?.id,
        task: 'slow',
        priority: 7,
        timeoutMs: 9,
        maxAttempts: 8,
        cycle: 'cycle-2',
      });
      expect(claim.payload.bytes.toString()).toBe('2');
      expect((await store.get('default', claim.id))?.history[0]).toMatchObject({ event: 'superseded' });
      expect((await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]))[0]?.result).toBe(
        'already-queued',
      );
    });

    it('gets a fresh budget when its job was waiting for a retry, and goes on counting attempts', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      await runOne(store, retryAt(T0 + 60_000));
      const [second] = await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      expect(second?.result).toBe('superseded');
      expect(await claimOne(store)).toMatchObject({ attempt: 2, charged: 0, crashes: 0 });
    });

    it('runs again as a new job when the old one has ended', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      const first = await runOne(store);
      const [second] = await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      expect(second).toMatchObject({ result: 'queued', state: 'pending' });
      expect(second?.id).not.toBe(first.id);
      expect((await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]))[0]?.result).toBe(
        'superseded',
      );
    });

    it.each([
      ['older', 4],
      ['as old', 5],
    ])('never runs again when its version field is %s', async (_, order) => {
      const store = await owned();
      const at = (n: number) => ({ hash: ledgerHash(`v${n}`), order: n });
      await admit(store, [{ key: 'a', version: at(5), onChange: 'rerun' }]);
      const version = { hash: ledgerHash('other'), order };
      expect((await admit(store, [{ key: 'a', version, onChange: 'rerun' }]))[0]?.result).toBe(
        'older-ignored',
      );
      expect((await admit(store, [{ key: 'a', version: at(6), onChange: 'rerun' }]))[0]?.result).toBe(
        'superseded',
      );
    });
  });

  describe('a newer version while the older one runs', () => {
    const changed = (content: string) => ({ key: 'a', content, onChange: 'rerun' as const });

    it('waits behind it, and starts after its end', async () => {
      const store = await owned();
      await admit(store, [changed('1')]);
      const first = await claimOne(store);
      const [second] = await admit(store, [changed('2')]);
      expect(second).toMatchObject({ result: 'queued', state: 'pending' });
      expect(await store.get('default', second?.id ?? '')).toMatchObject({
        place: 'parked',
        parkedBy: 'predecessor',
      });
      expect((await turn(store)).claims).toEqual([]);
      const { claims } = await turn(store, { ends: [end(first)] });
      expect(claims.map(({ id }) => id)).toEqual([second?.id]);
    });

    it('is itself superseded by a still newer one', async () => {
      const store = await owned();
      await admit(store, [changed('1')]);
      const first = await claimOne(store);
      const [second] = await admit(store, [changed('2')]);
      const [third] = await admit(store, [changed('3')]);
      expect(third).toMatchObject({ result: 'superseded', id: second?.id });
      expect((await turn(store)).claims).toEqual([]);
      const { claims } = await turn(store, { ends: [end(first)] });
      expect(claims.map(({ payload }) => payload.bytes.toString())).toEqual(['3']);
    });

    it('replaces a retry of the older one', async () => {
      const store = await owned();
      await admit(store, [changed('1')]);
      const first = await claimOne(store);
      const [second] = await admit(store, [changed('2')]);
      const { ends, claims } = await turn(store, { ends: [end(first, retryAt(T0))] });
      expect(ends).toEqual(['recorded']);
      expect(claims.map(({ id }) => id)).toEqual([second?.id]);
      expect(await store.get('default', first.id)).toMatchObject({
        place: 'cancelled',
        reason: 'superseded by a newer version',
      });
    });

    it('that was cancelled meanwhile is the last word all the same: the older one is not tried again beside a third', async () => {
      const store = await owned();
      await admit(store, [changed('1')]);
      const first = await claimOne(store);
      const [second] = await admit(store, [changed('2')]);
      expect(await store.cancel('default', [second?.id ?? ''], T0)).toEqual(['cancelled']);
      const { claims } = await turn(store, { ends: [end(first, retryAt(T0))] });
      expect(claims).toEqual([]);
      expect(await store.get('default', first.id)).toMatchObject({
        place: 'cancelled',
        reason: 'superseded by a newer version',
      });
      const [third] = await admit(store, [changed('3')]);
      expect((await turn(store)).claims.map(({ id }) => id)).toEqual([third?.id]);
    });

    it('never runs beside it, also when a version between them was cancelled', async () => {
      const store = await owned();
      await admit(store, [changed('1')]);
      const first = await claimOne(store);
      const [second] = await admit(store, [changed('2')]);
      expect(await store.cancel('default', [second?.id ?? ''], T0)).toEqual(['cancelled']);
      const [third] = await admit(store, [changed('3')]);
      expect(third?.result).toBe('queued');
      expect((await turn(store)).claims).toEqual([]);
      const { claims } = await turn(store, { ends: [end(first)] });
      expect(claims.map(({ id }) => id)).toEqual([third?.id]);
    });
  });

  describe('a record that never comes to rest', () => {
    const HOUR = 3_600_000;
    const version = (n: number) => ({ key: 'a', content: `${n}`, onChange: 'rerun' as const });

    /** Each version is written by the run of the one before it: the first, and then as many as an hour allows. */
    async function atItsLimit() {
      const store = await owned();
      for (let n = 0; n <= VERSIONS_AN_HOUR; n += 1) {
        const nowMs = T0 + n * 1_000;
        const [answer] = await admit(store, [{ ...version(n), runAtMs: nowMs }], { nowMs });
        expect(answer?.result).toBe('queued');
        await runOne(store, undefined, nowMs);
      }
      return store;
    }

    it('is held after so many new versions within an hour, and says why', async () => {
      const store = await atItsLimit();
      const nowMs = T0 + 100_000;
      const [answer] = await admit(store, [{ ...version(99), runAtMs: nowMs }], { nowMs });
      expect(answer).toMatchObject({ result: 'held', state: 'pending' });
      const until = T0 + 1_000 + HOUR;
      expect(await turn(store, { nowMs: until - 1 })).toMatchObject({ claims: [], nextDueAtMs: until });
      expect(await store.get('default', answer?.id ?? '')).toMatchObject({
        place: 'scheduled',
        runAtMs: until,
        reason: 'loop: more than 20 new versions of its key within an hour',
        history: [{ kind: 'event', event: 'held' }],
      });
    });

    it('keeps one job meanwhile, with the newest version, and says so once', async () => {
      const store = await atItsLimit();
      const ids = new Set<string | null>();
      for (let n = 100; n < 150; n += 1) {
        const nowMs = T0 + n * 1_000;
        const [answer] = await admit(store, [{ ...version(n), runAtMs: nowMs }], { nowMs });
        expect(answer?.result).toBe('held');
        ids.add(answer?.id ?? null);
      }
      const [id] = ids;
      expect(ids.size).toBe(1);
      expect((await store.get('default', id ?? ''))?.history).toHaveLength(1);
      expect((await admit(store, [version(149)]))[0]?.result).toBe('already-queued');
      const claim = await claimOne(store, { nowMs: T0 + 1_000 + HOUR });
      expect(claim.payload.bytes.toString()).toBe('149');
    });

    it('goes on after a quiet hour', async () => {
      const store = await atItsLimit();
      const held = { nowMs: T0 + 100_000 };
      await admit(store, [version(99)], held);
      const nowMs = T0 + 2 * HOUR;
      await runOne(store, undefined, nowMs);
      const [answer] = await admit(store, [{ ...version(100), runAtMs: nowMs }], { nowMs });
      expect(answer?.result).toBe('queued');
      expect((await claimOne(store, { nowMs })).payload.bytes.toString()).toBe('100');
    });

    it('is no loop while none of its versions was ever tried: an editor that saves often holds nobody up', async () => {
      const store = await owned();
      await admit(store, [version(0)]);
      for (let n = 1; n < 60; n += 1)
        expect((await admit(store, [version(n)]))[0]?.result).toBe('superseded');
      expect((await claimOne(store)).payload.bytes.toString()).toBe('59');
    });

    it('is one, too, when each version fails and gets a new budget from the next', async () => {
      const store = await owned();
      await admit(store, [version(0)]);
      const results: (string | undefined)[] = [];
      for (let n = 1; n <= VERSIONS_AN_HOUR + 1; n += 1) {
        await runOne(store, retryAt(T0 + 600_000));
        const [answer] = await admit(store, [version(n)]);
        results.push(answer?.result);
      }
      expect(results.at(-1)).toBe('held');
      expect(new Set(results.slice(0, -1))).toEqual(new Set(['superseded']));
      expect((await turn(store)).claims).toEqual([]);
    });

    it('holds up nobody else, not even the same key of another source', async () => {
      const store = await atItsLimit();
      await admit(store, [version(99)]);
      const other = { scope: { ...ideas, name: 'other' } };
      await admit(store, [version(0), { key: 'b' }], other);
      expect((await admit(store, [version(1)], other))[0]?.result).toBe('superseded');
      expect((await turn(store)).claims.map(({ key }) => key).sort()).toEqual(['a', 'b']);
    });

    it('is counted anew when the clock was set back', async () => {
      const store = await atItsLimit();
      const nowMs = T0 - 24 * HOUR;
      const [answer] = await admit(store, [{ ...version(99), runAtMs: nowMs }], { nowMs });
      expect(answer?.result).toBe('queued');
    });
  });

  describe('a record without a key', () => {
    const line = (content: string, occurrenceIn: number) => ({
      key: ledgerHash(content).toString('hex'),
      content,
      occurrenceIn,
    });

    it('is admitted as often as it occurs in one reading', async () => {
      const store = await owned();
      const answers = await admit(store, [line('1', 7), line('1', 7), line('2', 7)]);
      expect(answers.map(({ result }) => result)).toEqual(['queued', 'queued', 'queued']);
      expect((await admit(store, [line('1', 7)]))[0]?.result).toBe('queued');
      const keys = (await turn(store)).claims.map(({ key }) => key);
      const key = line('1', 7).key;
      expect(keys).toEqual([key, `${key}#2`, line('2', 7).key, `${key}#3`]);
    });

    it('is known again when the reading starts over: only surplus occurrences are new', async () => {
      const store = await owned();
      await admit(store, [line('1', 7), line('1', 7)]);
      const again = await admit(store, [line('1', 8), line('1', 8), line('1', 8)]);
      expect(again.map(({ result }) => result)).toEqual(['already-queued', 'already-queued', 'queued']);
    });
  });

  describe('a batch', () => {
    it('leaves cursors that can be read page by page, in the order of their paths', async () => {
      const store = await owned();
      const paths = ['b', 'a', 'ü', 'c', 'a/1'];
      await admit(store, [], { cursors: paths.map((path) => ({ path, expectedEpoch: 0, body: path })) });
      const read = async (afterPath: string, limit: number) =>
        (await store.cursors(ideas, { afterPath, limit })).map(({ path }) => path);
      expect(await read('', 2)).toEqual(['a', 'a/1']);
      expect(await read('a/1', 2)).toEqual(['b', 'c']);
      expect(await read('c', 2)).toEqual(['ü']);
      expect(await read('ü', 2)).toEqual([]);
      expect(await store.cursors(ideas)).toHaveLength(5);
    });

    it('moves cursors, ledger, rejects and jobs together, or nothing at all', async () => {
      const store = await owned();
      const cursors = [{ path: 'a.log', expectedEpoch: 0, body: 'at 1' }];
      await admit(store, [{ key: 'a' }], { cursors });
      expect(await store.cursors(ideas)).toEqual([{ path: 'a.log', epoch: 1, body: 'at 1' }]);

      const stale = batch([{ key: 'b' }], {
        rejects: [reject({ path: 'a.log' })],
        cursors: [
          { path: 'b.log', expectedEpoch: 0, body: 'x' },
          { path: 'a.log', expectedEpoch: 0, body: 'at 2' },
        ],
      });
      expect(await store.admit(stale)).toEqual({ committed: false, conflictPath: 'a.log' });
      expect(await store.cursors(ideas)).toEqual([{ path: 'a.log', epoch: 1, body: 'at 1' }]);
      expect(await store.rejects(null, 10)).toEqual([]);
      expect((await store.counts()).total.ready).toBe(1);
      expect((await admit(store, [{ key: 'b' }]))[0]?.result).toBe('queued');
    });

    it('forgets a path on request, and keeps its records known', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }], { cursors: [{ path: 'a.log', expectedEpoch: 0, body: 'x' }] });
      await admit(store, [], { cursors: [{ path: 'a.log', expectedEpoch: 1, body: null }] });
      expect(await store.cursors(ideas)).toEqual([]);
      const [again] = await admit(store, [{ key: 'a' }], {
        cursors: [{ path: 'a.log', expectedEpoch: 0, body: 'y' }],
      });
      expect(again?.result).toBe('already-queued');
    });

    it('refuses one of two readers that saw the same cursor, whatever handle they hold', async () => {
      const fresh = await engine.fresh();
      const store = await ownedStore(fresh);
      const other = await fresh.open('command');
      const move = (key: string) =>
        batch([{ key }], { cursors: [{ path: 'a.log', expectedEpoch: 0, body: key }] });
      const reports = await Promise.all([store.admit(move('a')), other.admit(move('b'))]);
      expect(reports.map(({ committed }) => committed).sort()).toEqual([false, true]);
      expect((await store.counts()).total.ready).toBe(1);
    });

    it('stores a refusal once however often it is read, and closes those of a path that is read anew', async () => {
      const store = await owned();
      const rejects = [reject({ path: 'a.log' }), reject({ path: 'b.log' })];
      await admit(store, [], { rejects });
      await admit(store, [], { rejects });
      expect((await store.counts()).sources[0]?.rejected).toBe(2);
      await admit(store, [], {
        rereadPaths: ['a.log'],
        rejects: [reject({ path: 'a.log', detail: 'other' })],
      });
      const open = await store.rejects('ideas', 10);
      expect(open.map(({ path, detail, source, atMs }) => ({ path, detail, source, atMs }))).toEqual([
        { path: 'a.log', detail: 'other', source: 'ideas', atMs: T0 },
        { path: 'b.log', detail: 'title is missing', source: 'ideas', atMs: T0 },
      ]);
      await admit(store, [], { rereadPaths: ['a.log', 'b.log'] });
      expect((await store.counts()).sources[0]?.rejected).toBe(0);
      expect(await store.rejects('ideas', 10)).toEqual([]);
      expect(await store.rejects('other', 10)).toEqual([]);
    });
  });
}
