import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/engine.js';
import type { Engine } from './engine.js';
import { admit, batch, claimOne, end, ideas, ownedStore, retryAt, runOne, T0, turn } from './given.js';

export function conformsInUpkeep(engine: Engine): void {
  const owned = async () => ownedStore(await engine.fresh());

  describe('a damaged payload', () => {
    const damaged = async (store: Store, nowMs = T0) => {
      const claim = await claimOne(store, { nowMs });
      const outcome = { kind: 'damaged', reason: 'the stored payload does not match its hash' } as const;
      await turn(store, {
        ends: [end(claim, { to: 'failed', reason: 'integrity' }, { outcome })],
        freeSlots: 0,
        nowMs,
      });
      return claim.id;
    };
    const told = async (store: Store) => (await store.damaged(9)).map(({ id }) => id);

    it('is told until somebody acknowledges it, and again when its job is damaged again', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
      await runOne(store, { to: 'failed', reason: 'exit 1' });
      const ids = [await damaged(store), await damaged(store)];
      expect(await told(store)).toEqual(ids);
      expect(await store.acknowledgeDamaged(T0 + 1)).toBe(2);
      expect(await told(store)).toEqual([]);
      expect(await store.acknowledgeDamaged(T0 + 2)).toBe(0);
      await store.redrive('default', [ids[0] ?? ''], T0 + 3);
      await damaged(store, T0 + 3);
      expect(await told(store)).toEqual([ids[0]]);
      expect((await store.get('default', ids[0] ?? ''))?.history).toMatchObject([
        { outcome: 'damaged' },
        { event: 'acknowledged' },
        { event: 'redriven' },
        { outcome: 'damaged' },
      ]);
    });

    it('is told no more once its job has come to another end', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      const id = await damaged(store);
      await store.redrive('default', [id], T0 + 1);
      expect(await told(store)).toEqual([]);
      await runOne(store, { to: 'completed' }, T0 + 1);
      expect(await told(store)).toEqual([]);
    });
  });

  describe('a cancel', () => {
    it('ends a job that waits, at once and for good', async () => {
      const store = await owned();
      const [a] = await admit(store, [{ key: 'a' }]);
      expect(await store.cancel('default', [a?.id ?? ''], T0 + 1)).toEqual(['cancelled']);
      expect((await turn(store)).claims).toEqual([]);
      expect(await store.get('default', a?.id ?? '')).toMatchObject({
        place: 'cancelled',
        endedAtMs: T0 + 1,
        history: [{ kind: 'event', event: 'cancelled', atMs: T0 + 1 }],
      });
      expect((await admit(store, [{ key: 'a' }]))[0]?.result).toBe('already-done');
    });

    it('asks the worker for a job that runs, until it has ended', async () => {
      const fresh = await engine.fresh();
      const store = await ownedStore(fresh);
      const command = await fresh.open('command');
      await admit(store, [{ key: 'a' }]);
      const claim = await claimOne(store);
      expect((await turn(store)).cancelRequests).toEqual([]);
      expect(await command.cancel('default', [claim.id], T0)).toEqual(['requested']);
      expect((await turn(store)).cancelRequests).toEqual([claim.id]);
      await turn(store, { ends: [end(claim, { to: 'cancelled', reason: 'cancelled while it ran' })] });
      expect((await turn(store)).cancelRequests).toEqual([]);
      expect((await store.get('default', claim.id))?.place).toBe('cancelled');
    });

    it('is not forgotten when the attempt ends in a retry at that very moment', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      const claim = await claimOne(store);
      await store.cancel('default', [claim.id], T0);
      await turn(store, { ends: [end(claim, retryAt(T0))] });
      expect(await store.get('default', claim.id)).toMatchObject({
        place: 'cancelled',
        reason: 'cancelled while it ran',
      });
    });

    it('leaves an ended job, and one of another workspace, alone', async () => {
      const store = await owned();
      const [, b] = await admit(store, [{ key: 'a' }, { key: 'b' }]);
      const done = await runOne(store);
      expect(await store.cancel('default', [done.id, 'x', '999'], T0)).toEqual([
        'ended',
        'unknown',
        'unknown',
      ]);
      expect(await store.cancel('other', [b?.id ?? ''], T0)).toEqual(['unknown']);
      expect((await turn(store)).claims.map(({ key }) => key)).toEqual(['b']);
    });
  });

  describe('a redrive', () => {
    it('gives a dead letter a new budget, and says so in its history', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      await runOne(store, retryAt(T0));
      const { id } = await runOne(store, { to: 'failed', reason: 'budget used up' });
      await store.configureTasks(['default'], [{ task: 'build', groupLimit: 2, maxAttempts: 9 }]);
      const nowMs = T0 + 1_000;
      expect(await store.redrive('default', [id], nowMs)).toEqual(['queued']);
      expect(await store.redrive('default', [id], nowMs)).toEqual(['not-ended']);
      const claim = await claimOne(store, { nowMs });
      expect(claim).toMatchObject({ id, attempt: 3, charged: 0, crashes: 0, maxAttempts: 9, runAtMs: nowMs });
      expect(await store.redrive('default', [id], nowMs)).toEqual(['not-ended']);
      await turn(store, { ends: [end(claim)], nowMs });
      const history = (await store.get('default', id))?.history ?? [];
      expect(history.map((entry) => (entry.kind === 'event' ? entry.event : entry.attempt))).toEqual([
        1,
        2,
        'redriven',
        3,
      ]);
    });

    it('brings back a cancelled job too, within the limit of its group', async () => {
      const store = await owned();
      const [a] = await admit(store, [{ key: 'a', group: 'g' }]);
      await store.cancel('default', [a?.id ?? ''], T0);
      await admit(store, [
        { key: 'b', group: 'g' },
        { key: 'c', group: 'g' },
      ]);
      expect(await store.redrive('default', [a?.id ?? ''], T0)).toEqual(['queued']);
      expect(await store.get('default', a?.id ?? '')).toMatchObject({
        place: 'parked',
        parkedBy: 'group',
        endedAtMs: null,
        reason: null,
      });
    });

    it('is refused for what was done, what came too late and what is unknown', async () => {
      const store = await owned();
      const [, late] = await admit(store, [{ key: 'a' }, { key: 'late', expiresAtMs: T0 + 5 }]);
      const done = await runOne(store);
      await turn(store, { nowMs: T0 + 5 });
      const ids = [done.id, late?.id ?? '', '999', 'x'];
      expect(await store.redrive('default', ids, T0 + 6)).toEqual([
        'not-allowed',
        'not-allowed',
        'unknown',
        'unknown',
      ]);
      expect(await store.redrive('other', ids, T0 + 6)).toEqual(Array(4).fill('unknown'));
    });

    it('is refused once the window of the job is over', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', expiresAtMs: T0 + 100 }]);
      const { id } = await runOne(store, { to: 'failed', reason: 'x' });
      expect(await store.redrive('default', [id], T0 + 100)).toEqual(['not-allowed']);
      expect(await store.redrive('default', [id], T0 + 99)).toEqual(['queued']);
    });

    it('is refused for a version that a newer one has replaced', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      const { id } = await runOne(store, { to: 'failed', reason: 'x' });
      await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      expect(await store.redrive('default', [id], T0)).toEqual(['not-allowed']);
    });

    it('waits for an older version that still runs', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      const first = await claimOne(store);
      const [second] = await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      const id = second?.id ?? '';
      await store.cancel('default', [id], T0);
      expect(await store.redrive('default', [id], T0)).toEqual(['queued']);
      expect((await turn(store)).claims).toEqual([]);
      const { claims } = await turn(store, { ends: [end(first)] });
      expect(claims.map((claim) => claim.id)).toEqual([id]);
    });

    it('takes any number of jobs, in batches', async () => {
      const store = await owned();
      const keys = Array.from({ length: 1_100 }, (_, n) => ({ key: `${n}` }));
      const ids = (await admit(store, keys)).map(({ id }) => id ?? '');
      expect(new Set(await store.cancel('default', ids, T0))).toEqual(new Set(['cancelled']));
      expect(new Set(await store.redrive('default', ids, T0))).toEqual(new Set(['queued']));
      expect((await store.counts()).total).toMatchObject({ ready: 1_100, cancelled: 0 });
    });
  });

  describe('pruning', () => {
    it('removes old ended jobs, up to its limit, and nothing that waits or runs', async () => {
      const store = await owned();
      await admit(
        store,
        ['a', 'b', 'c', 'd', 'e'].map((key) => ({ key })),
      );
      const done = [];
      for (const nowMs of [T0, T0 + 10, T0 + 20]) done.push(await runOne(store, undefined, nowMs));
      await claimOne(store);
      expect(await store.prune(T0 + 5, 10)).toBe(0);
      expect(await store.prune(T0 + 100, 2)).toBe(2);
      expect(await store.get('default', done[0]?.id ?? '')).toBeNull();
      expect(await store.get('default', done[2]?.id ?? '')).not.toBeNull();
      expect(await store.prune(T0 + 100, 10)).toBe(1);
      expect((await store.counts()).total).toMatchObject({ completed: 0, running: 1, ready: 1 });
    });

    it('revives nothing: what was done stays done, with the state in which it ended', async () => {
      const store = await owned();
      const big = JSON.stringify('x'.repeat(5_000));
      await admit(store, [{ key: 'a', content: big }, { key: 'b' }]);
      await runOne(store, undefined, T0);
      await runOne(store, { to: 'failed', reason: 'x' }, T0 + 1);
      expect(await store.prune(T0 + 100, 10)).toBe(2);
      expect(await admit(store, [{ key: 'a', content: big }, { key: 'b' }])).toEqual([
        { result: 'already-done', id: null, state: 'completed' },
        { result: 'already-done', id: null, state: 'failed' },
      ]);
      expect((await turn(store)).claims).toEqual([]);
      expect((await store.counts()).sources[0]?.records).toBe(2);
    });

    it('does not forget a cancelled version while the one that it waited for still runs', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      const first = await claimOne(store);
      const [second] = await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      await store.cancel('default', [second?.id ?? ''], T0);
      expect(await store.prune(T0 + 100, 10)).toBe(0);
      await admit(store, [{ key: 'a', content: '3', onChange: 'rerun' }]);
      expect((await turn(store)).claims).toEqual([]);
      expect((await turn(store, { ends: [end(first)] })).claims).toHaveLength(1);
      expect(await store.prune(T0 + 100, 10)).toBe(2);
    });

    it('lets a changed record run again, under an id that was never used', async () => {
      const store = await owned();
      const [first] = await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      await runOne(store);
      await store.prune(T0 + 100, 10);
      expect((await admit(store, [{ key: 'a', content: '2' }]))[0]).toMatchObject({
        result: 'changed-ignored',
        id: null,
      });
      const [second] = await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      expect(second?.result).toBe('queued');
      expect(second?.id).not.toBe(first?.id);
      expect((await claimOne(store)).attempt).toBe(1);
    });

    it('forgets the settled state when a newer version runs, and learns the new one', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      await runOne(store, { to: 'failed', reason: 'x' });
      await store.prune(T0 + 100, 10);
      await admit(store, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      await runOne(store);
      await store.prune(T0 + 100, 10);
      expect((await admit(store, [{ key: 'a', content: '2' }]))[0]).toEqual({
        result: 'already-done',
        id: null,
        state: 'completed',
      });
    });
  });

  describe('reads', () => {
    it('count every place, per task and in all, and tell what waits longest', async () => {
      const store = await owned();
      expect(await store.counts()).toMatchObject({ oldestDueAtMs: null, nextScheduledAtMs: null });
      await admit(store, [
        { key: 'scheduled', runAtMs: T0 + 50 },
        { key: 'running', priority: 100 },
        { key: 'unimportant', priority: -100, runAtMs: T0 - 30 },
        { key: 'slow', task: 'slow' },
        { key: 'g1', group: 'g', runAtMs: T0 - 10 },
        { key: 'g2', group: 'g' },
        { key: 'g3', group: 'g', runAtMs: T0 - 20 },
      ]);
      await claimOne(store);
      const counts = await store.counts();
      expect(counts.total).toEqual({
        scheduled: 1,
        ready: 4,
        parked: 1,
        running: 1,
        completed: 0,
        failed: 0,
        cancelled: 0,
        expired: 0,
      });
      expect(counts.tasks.map(({ workspace, task, places }) => [workspace, task, places.ready])).toEqual([
        ['default', 'build', 3],
        ['default', 'slow', 1],
      ]);
      expect(counts).toMatchObject({
        oldestDueAtMs: T0 - 30,
        nextScheduledAtMs: T0 + 50,
        pausedAll: false,
      });
      const [unimportant] = await store
        .list({ limit: 9 })
        .then((jobs) => jobs.filter(({ key }) => key === 'unimportant'));
      await store.cancel('default', [unimportant?.id ?? ''], T0);
      expect((await store.counts()).oldestDueAtMs).toBe(T0 - 20);
    });

    it('list jobs, newest first, by every filter', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }, { key: 'b' }, { key: 'c', task: 'slow' }]);
      await admit(store, [{ key: 'd' }], { scope: { ...ideas, name: 'qa' } });
      await admit(store, [{ key: 'e' }], { scope: { ...ideas, workspace: 'other' } });
      await admit(store, [{ key: 'f' }], { scope: { workspace: 'default', kind: 'task', name: 'ideas' } });
      await runOne(store);
      await runOne(store, { to: 'failed', reason: 'x' });
      const keys = async (filter: Parameters<typeof store.list>[0]) =>
        (await store.list(filter)).map(({ key }) => key);
      expect(await keys({ limit: 99 })).toEqual(['f', 'e', 'd', 'c', 'b', 'a']);
      expect(await keys({ limit: 2 })).toEqual(['f', 'e']);
      expect(await keys({ limit: 1, states: ['pending'] })).toEqual(['f']);
      expect(await keys({ limit: 99, states: ['completed'] })).toEqual(['a']);
      expect(await keys({ limit: 99, states: ['completed', 'failed'] })).toEqual(['b', 'a']);
      expect(await keys({ limit: 99, states: ['pending'] })).toEqual(['f', 'e', 'd', 'c']);
      expect(await keys({ limit: 99, states: [] })).toEqual([]);
      expect(await keys({ limit: 99, task: 'slow' })).toEqual(['c']);
      expect(await keys({ limit: 99, source: 'ideas' })).toEqual(['e', 'c', 'b', 'a']);
      expect(await keys({ limit: 99, workspace: 'default', states: ['pending'], task: 'build' })).toEqual([
        'f',
        'd',
      ]);
      expect(await keys({ limit: 99, workspace: 'nobody' })).toEqual([]);
      expect(await keys({ limit: 99, workspace: 'nobody', states: ['failed'] })).toEqual([]);
      expect(await keys({ limit: 99, source: 'nothing', states: ['failed', 'pending'] })).toEqual([]);
    });

    it('list a window of jobs from any job on, towards the older or the newer ones, and by a part of the key', async () => {
      const store = await owned();
      await admit(
        store,
        ['a', 'b', 'c', 'd', 'Ärger 100%', 'x-A'].map((key) => ({ key })),
      );
      await runOne(store, { to: 'failed', reason: 'x' });
      const all = await store.list({ limit: 99 });
      const idOf = (key: string) => all.find((job) => job.key === key)?.id ?? '';
      const keys = async (filter: Parameters<typeof store.list>[0]) =>
        (await store.list(filter)).map(({ key }) => key);
      expect(await keys({ limit: 2, from: idOf('c') })).toEqual(['c', 'b']);
      expect(await keys({ limit: 2, from: idOf('c'), towards: 'newer' })).toEqual(['d', 'c']);
      expect(await keys({ limit: 2, towards: 'newer' })).toEqual(['b', 'a']);
      expect(await keys({ limit: 9, from: idOf('c'), states: ['failed'] })).toEqual(['a']);
      expect(await keys({ limit: 9, from: idOf('c'), states: ['failed'], towards: 'newer' })).toEqual([]);
      expect(await keys({ limit: 2, from: idOf('a'), states: ['pending'], towards: 'newer' })).toEqual([
        'c',
        'b',
      ]);
      expect(await keys({ limit: 9, keyPart: 'A' })).toEqual(['x-A', 'a']);
      expect(await keys({ limit: 9, keyPart: '100%' })).toEqual(['Ärger 100%']);
      expect(await keys({ limit: 9, keyPart: '_' })).toEqual([]);
      expect(await keys({ limit: 9, from: 'no id' })).toEqual([]);
    });

    it('tell all about one job, to its own workspace or to who may see all', async () => {
      const store = await owned();
      const order = { hash: Buffer.alloc(16, 1), order: 42 };
      const [a] = await admit(store, [
        { key: 'a', group: 'g', priority: 1, version: order, expiresAtMs: T0 + 99, runAtMs: T0 + 9 },
      ]);
      const id = a?.id ?? '';
      const job = await store.get('default', id);
      expect(job).toMatchObject({
        id,
        workspace: 'default',
        task: 'build',
        source: 'ideas',
        key: 'a',
        version: '42',
        cycle: 'cycle-1',
        place: 'scheduled',
        priority: 1,
        group: 'g',
        attempts: 0,
        createdAtMs: T0,
        runAtMs: T0 + 9,
        expiresAtMs: T0 + 99,
        startedAtMs: null,
        lateByMs: null,
        parkedBy: null,
        history: [],
      });
      expect(job?.payload.bytes.toString()).toBe('{"title":"a"}');
      expect(await store.get(null, id)).toEqual(job);
      expect(await store.get('other', id)).toBeNull();
      expect(await store.get('default', 'nonsense')).toBeNull();
    });

    it('show who stands first in the line', async () => {
      const store = await owned();
      await admit(store, [
        { key: 'a' },
        { key: 'b', task: 'slow', priority: 1 },
        { key: 'c', runAtMs: T0 + 1 },
        { key: 'd', priority: 2 },
      ]);
      expect((await store.nextInLine(2)).map(({ key }) => key)).toEqual(['d', 'b']);
      expect((await store.nextInLine(9)).map(({ key }) => key)).toEqual(['d', 'b', 'a']);
    });

    it('see at once what another handle has committed', async () => {
      const fresh = await engine.fresh();
      const store = await ownedStore(fresh);
      const reader = await fresh.open('read');
      await admit(store, [{ key: 'a' }]);
      expect((await reader.counts()).total.ready).toBe(1);
      expect((await reader.list({ limit: 1 })).map(({ key }) => key)).toEqual(['a']);
      await expect(reader.admit(batch([{ key: 'b' }]))).rejects.toThrow();
    });
  });
}
