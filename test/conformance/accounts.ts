import { describe, expect, it } from 'vitest';
import { ledgerHash } from '../../src/job/snapshot.js';
import type { AccountedRecord } from '../../src/store/read-contract.js';
import type { Engine } from './engine.js';
import {
  admit,
  claimOne,
  end,
  ideas,
  ownedStore,
  type RecordSpec,
  reject,
  runOne,
  T0,
  turn,
} from './given.js';

const asked = (key: string, more: Partial<AccountedRecord> & { content?: string } = {}): AccountedRecord => {
  const { content = JSON.stringify({ title: key }), ...rest } = more;
  return {
    key,
    version: { hash: ledgerHash(content), order: null },
    onChange: 'ignore',
    runAtMs: T0,
    expiresAtMs: null,
    ...rest,
  };
};

export function conformsInAccounts(engine: Engine): void {
  const owned = async () => ownedStore(await engine.fresh());

  describe('an account of records', () => {
    it('tells for each where its job stands, in the order of the question', async () => {
      const store = await owned();
      await admit(store, [{ key: 'done' }]);
      await runOne(store);
      await admit(store, [{ key: 'runs' }]);
      await claimOne(store);
      await admit(store, [{ key: 'waits' }]);
      expect(
        await store.account(
          ideas,
          ['waits', 'done', 'never', 'runs'].map((key) => asked(key)),
          T0,
        ),
      ).toEqual([
        { wouldBe: 'already-queued', state: 'pending' },
        { wouldBe: 'already-done', state: 'completed' },
        { wouldBe: 'queued', state: null },
        { wouldBe: 'already-queued', state: 'running' },
      ]);
    });

    it('changes nothing: asking makes no scope, no record and no job', async () => {
      const store = await owned();
      await store.account(ideas, [asked('a')], T0);
      const { sources, total } = await store.counts();
      expect(sources).toEqual([]);
      expect(total.ready).toBe(0);
      expect((await admit(store, [{ key: 'a' }]))[0]?.result).toBe('queued');
    });

    it('answers what an admission would, for each kind of change', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', content: '1' }]);
      const changed = [
        asked('a', { content: '2' }),
        asked('a', { content: '2', onChange: 'rerun' }),
        asked('a', { content: '1', onChange: 'rerun' }),
      ];
      const results = async () => (await store.account(ideas, changed, T0)).map(({ wouldBe }) => wouldBe);
      expect(await results()).toEqual(['changed-ignored', 'superseded', 'already-queued']);
      await runOne(store);
      expect(await results()).toEqual(['changed-ignored', 'queued', 'already-done']);
    });

    it('knows an older version by its order', async () => {
      const store = await owned();
      const version = (order: number) => ({ hash: ledgerHash(String(order)), order });
      await admit(store, [{ key: 'a', onChange: 'rerun', version: version(5) }]);
      const answers = await store.account(
        ideas,
        [4, 6].map((order) => asked('a', { onChange: 'rerun', version: version(order) })),
        T0,
      );
      expect(answers.map(({ wouldBe }) => wouldBe)).toEqual(['older-ignored', 'superseded']);
    });

    it('still tells how a job ended that was pruned', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      await runOne(store, { to: 'failed', reason: 'exit 1' });
      expect(await store.prune(T0 + 1_000, 10)).toBe(1);
      expect(await store.account(ideas, [asked('a')], T0)).toEqual([
        { wouldBe: 'already-done', state: 'failed' },
      ]);
    });

    it('looks only at its own scope', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      for (const scope of [
        { ...ideas, name: 'qa' },
        { ...ideas, workspace: 'other' },
        { ...ideas, kind: 'task' as const },
      ]) {
        expect((await store.account(scope, [asked('a')], T0))[0]?.state).toBeNull();
      }
    });

    it('can be asked through a handle that only reads', async () => {
      const fresh = await engine.fresh();
      const store = await ownedStore(fresh);
      await admit(store, [{ key: 'a' }]);
      const reader = await fresh.open('read');
      expect((await reader.account(ideas, [asked('a')], T0))[0]?.state).toBe('pending');
      await turn(store);
      expect((await reader.account(ideas, [asked('a')], T0))[0]?.state).toBe('running');
    });
  });

  describe('the count of a source', () => {
    it('tells where the last job of each record stands, also when it was pruned or another version runs', async () => {
      const store = await owned();
      const rerun = (key: string, content: string) => ({ key, content, onChange: 'rerun' as const });
      const states = async () => (await store.counts()).sources[0]?.states;
      const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, expired: 0 };
      await admit(store, [rerun('a', '1')]);
      await runOne(store, { to: 'failed', reason: 'exit 1' });
      await store.prune(T0 + 1_000, 10);
      expect(await states()).toEqual({ ...none, failed: 1 });
      await admit(store, [rerun('b', '1'), rerun('c', '1')]);
      const older = await claimOne(store);
      expect(await states()).toEqual({ ...none, failed: 1, running: 1, pending: 1 });
      await admit(store, [rerun('a', '2'), rerun('b', '2')]);
      expect(await states()).toEqual({ ...none, pending: 3 });
      await turn(store, { ends: [end(older)], freeSlots: 0 });
      expect(await states()).toEqual({ ...none, pending: 3 });
      expect((await store.counts()).total.completed).toBe(1);
    });
  });

  describe('the count of a source that is a plan', () => {
    const NONE = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, expired: 0 };
    /** Offers a whole plan, and tells where its records stand then. */
    const plan = async () => {
      const store = await owned();
      const states = async () => (await store.counts()).sources[0]?.states;
      const offer = async (shows: readonly RecordSpec[], missed: readonly string[] = []) => {
        const records = shows.map((show) => ({ onChange: 'replan' as const, ...show }));
        const rest = { keys: shows.map(({ key }) => key), series: [] };
        const why = missed.map((key) => ({ key, reason: 'nobody was there' }));
        await admit(store, records, { plan: { ...rest, missed: why } });
        return states();
      };
      return { store, states, offer };
    };

    it('has a record that was over when it was first seen as expired, and as pending once it is prolonged', async () => {
      const { offer } = await plan();
      expect(await offer([{ key: 'a', expiresAtMs: T0 - 1 }])).toEqual({ ...NONE, expired: 1 });
      expect(await offer([{ key: 'a', expiresAtMs: T0 + 1 }])).toEqual({ ...NONE, pending: 1 });
    });

    it('follows what is withdrawn, missed, and back again', async () => {
      const { offer } = await plan();
      expect(await offer([{ key: 'a' }, { key: 'b' }])).toEqual({ ...NONE, pending: 2 });
      expect(await offer([{ key: 'b' }], ['b'])).toEqual({ ...NONE, cancelled: 1, expired: 1 });
      expect(await offer([{ key: 'a' }])).toEqual({ ...NONE, pending: 1, expired: 1 });
      expect(await offer([{ key: 'a' }, { key: 'b' }])).toEqual({ ...NONE, pending: 2 });
    });

    it('has a record as failed until a changed one is tried', async () => {
      const { store, states, offer } = await plan();
      await offer([{ key: 'a' }]);
      await runOne(store, { to: 'failed', reason: 'exit 1' });
      expect(await states()).toEqual({ ...NONE, failed: 1 });
      expect(await offer([{ key: 'a', content: '2' }])).toEqual({ ...NONE, pending: 1 });
    });

    it.each([
      ['completed', { to: 'completed' } as const, { ...NONE, cancelled: 1 }],
      ['failed', { to: 'failed', reason: 'exit 1' } as const, { ...NONE, pending: 1 }],
    ])(
      'has the newer version while the older one runs, and what becomes of it when that has %s',
      async (...[, next, then]) => {
        const { store, states, offer } = await plan();
        await offer([{ key: 'a' }]);
        const older = await claimOne(store);
        expect(await states()).toEqual({ ...NONE, running: 1 });
        expect(await offer([{ key: 'a', content: '2' }])).toEqual({ ...NONE, pending: 1 });
        await turn(store, { ends: [end(older, next)], freeSlots: 0 });
        expect(await states()).toEqual(then);
      },
    );
  });

  describe('a question for rejects', () => {
    it('knows those that are open, by path and content, until their file is read again', async () => {
      const store = await owned();
      const one = reject({ path: '/a.json', detail: 'one' });
      const other = reject({ path: '/a.json', detail: 'other' });
      expect(await store.knowsRejects(ideas, [one])).toEqual([false]);
      await admit(store, [], { rejects: [one] });
      expect(await store.knowsRejects(ideas, [other, one, { ...one, path: '/b.json' }])).toEqual([
        false,
        true,
        false,
      ]);
      await admit(store, [], { rereadPaths: ['/a.json'] });
      expect(await store.knowsRejects(ideas, [one])).toEqual([false]);
    });
  });
}
