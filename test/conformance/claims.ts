import { describe, expect, it } from 'vitest';
import { isIntact } from '../../src/job/snapshot.js';
import type { Turn } from '../../src/store/contract.js';
import type { Store } from '../../src/store/engine.js';
import type { Engine } from './engine.js';
import { admit, claimOne, end, ideas, ownedStore, retryAt, runOne, someOwner, T0, turn } from './given.js';

export function conformsInClaims(engine: Engine): void {
  const owned = async () => ownedStore(await engine.fresh());

  describe('a claim', () => {
    it('carries all that a run needs, and the bytes that were admitted', async () => {
      const store = await owned();
      const content = `{"n":1.0,"text":"${'é'.repeat(3000)}"}`;
      const [answer] = await admit(
        store,
        [{ key: 'a', content, priority: 2, timeoutMs: 500, group: 'g', maxAttempts: 7, runAtMs: T0 - 9 }],
        { cycle: 'cycle-9' },
      );
      const claim = await claimOne(store);
      expect(claim).toMatchObject({
        id: answer?.id,
        workspace: 'default',
        task: 'build',
        source: 'ideas',
        key: 'a',
        cycle: 'cycle-9',
        attempt: 1,
        charged: 0,
        crashes: 0,
        maxAttempts: 7,
        timeoutMs: 500,
        priority: 2,
        group: 'g',
        runAtMs: T0 - 9,
        lateByMs: 9,
      });
      expect(claim.payload.bytes.toString()).toBe(content);
      expect(isIntact(claim.payload)).toBe(true);
    });

    it('has no source when the job was added by hand', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }], { scope: { workspace: 'default', kind: 'task', name: 'build' } });
      expect((await claimOne(store)).source).toBeNull();
    });

    it('is known to the store, as an attempt that runs, when it is handed out', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      const { id } = await claimOne(store);
      expect(await store.get('default', id)).toMatchObject({
        place: 'running',
        attempts: 1,
        startedAtMs: T0,
        history: [{ kind: 'attempt', attempt: 1, atMs: T0, outcome: null, endedAtMs: null }],
      });
    });

    it('is given to one asker only', async () => {
      const store = await owned();
      await admit(
        store,
        ['a', 'b', 'c', 'd'].map((key) => ({ key })),
      );
      const turns = await Promise.all([1, 2, 3].map(() => turn(store, { freeSlots: 2 })));
      const ids = turns.flatMap(({ claims }) => claims.map(({ id }) => id));
      expect(ids).toHaveLength(4);
      expect(new Set(ids).size).toBe(4);
    });
  });

  describe('the line', () => {
    it.runIf(engine.capabilities.globalOrder)('goes by rank across tasks, then by age', async () => {
      const store = await owned();
      const minute = 60_000;
      await admit(store, [
        { key: 'plain', runAtMs: T0 - 2 * minute },
        { key: 'same age', runAtMs: T0 - 2 * minute, task: 'slow' },
        { key: 'older', runAtMs: T0 - 3 * minute, task: 'slow' },
        { key: 'important', runAtMs: T0, priority: 5 },
        { key: 'unimportant', runAtMs: T0 - 3 * minute, priority: -10 },
      ]);
      const { claims } = await turn(store);
      expect(claims.map(({ key }) => key)).toEqual([
        'important',
        'older',
        'plain',
        'same age',
        'unimportant',
      ]);
    });

    it('gives no more than the free slots, and no more of a task than its room', async () => {
      const store = await owned();
      const both = ['build', 'slow'].flatMap((task) =>
        [1, 2, 3, 4].map((n) => ({ key: `${task} ${n}`, task, runAtMs: T0 - (task === 'build' ? 10 : 0) })),
      );
      await admit(store, both);
      const eligible = [
        { task: 'build', room: 2 },
        { task: 'slow', room: 10 },
      ];
      const { claims } = await turn(store, { freeSlots: 5, eligible });
      expect(claims.map(({ key }) => key)).toEqual(['build 1', 'build 2', 'slow 1', 'slow 2', 'slow 3']);
      expect((await turn(store, { freeSlots: 0, eligible })).claims).toEqual([]);
    });

    const urgent = { key: 'urgent', priority: 9 };
    const patient = { key: 'patient' };
    it.each<[string, (store: Store) => Promise<Partial<Turn>>]>([
      [
        'became due',
        async (store) => {
          await admit(store, [patient, { ...urgent, runAtMs: T0 + 10 }]);
          return { nowMs: T0 + 10 };
        },
      ],
      [
        'is to be tried again at once',
        async (store) => {
          await admit(store, [urgent]);
          const claim = await claimOne(store);
          await admit(store, [patient]);
          return { ends: [end(claim, retryAt(T0))] };
        },
      ],
      [
        'got a permit of its group',
        async (store) => {
          await admit(store, [
            { key: 'a', group: 'g' },
            { key: 'b', group: 'g' },
          ]);
          const { claims } = await turn(store);
          await admit(store, [patient, { ...urgent, group: 'g' }]);
          return { ends: claims.map((claim) => end(claim)) };
        },
      ],
      [
        'waited for the end of an older version',
        async (store) => {
          await admit(store, [{ ...urgent, content: '1', onChange: 'rerun' }]);
          const claim = await claimOne(store);
          await admit(store, [patient, { ...urgent, content: '2', onChange: 'rerun' }]);
          return { ends: [end(claim)] };
        },
      ],
    ])('gives what %s in the same turn before all that stands behind it', async (_, prepare) => {
      const store = await owned();
      const asked = await prepare(store);
      // What is ready by now is as far along as it can be.
      await turn(store, { freeSlots: 0 });
      expect((await claimOne(store, asked)).key).toBe('urgent');
    });

    it('counts the room of a task over all its workspaces', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }, { key: 'b' }]);
      await admit(store, [{ key: 'a' }, { key: 'b' }], { scope: { ...ideas, workspace: 'other' } });
      const { claims } = await turn(store, { eligible: [{ task: 'build', room: 3 }] });
      expect(claims.map(({ workspace, key }) => `${workspace} ${key}`)).toEqual([
        'default a',
        'default b',
        'other a',
      ]);
    });

    it('passes over tasks that may not run now', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }, { key: 'b', task: 'slow' }]);
      const { claims } = await turn(store, { eligible: [{ task: 'slow', room: 1 }] });
      expect(claims.map(({ key }) => key)).toEqual(['b']);
    });

    it('passes over a paused task, and everything when all is paused', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }, { key: 'b', task: 'slow' }]);
      expect(await store.setPaused('default', null, true, T0)).toBe(true);
      expect(await store.setPaused('default', null, true, T0)).toBe(false);
      expect((await turn(store)).claims).toEqual([]);
      expect((await store.counts()).pausedAll).toBe(true);
      await store.setPaused('default', null, false, T0);

      expect(await store.setPaused('default', 'build', true, T0)).toBe(true);
      expect(await store.setPaused('default', 'build', true, T0)).toBe(false);
      expect((await turn(store)).claims.map(({ key }) => key)).toEqual(['b']);
      const { tasks } = await store.counts();
      expect(tasks.map(({ task, paused }) => [task, paused])).toEqual([
        ['build', true],
        ['slow', false],
      ]);
      expect(await store.setPaused('default', 'build', false, T0)).toBe(true);
      expect((await turn(store)).claims.map(({ key }) => key)).toEqual(['a']);
    });

    it('holds a task that was paused before it had any job', async () => {
      const store = await owned();
      await store.setPaused('new', 'unknown', true, T0);
      await admit(store, [{ key: 'a', task: 'unknown' }], { scope: { ...ideas, workspace: 'new' } });
      expect((await turn(store, { eligible: [{ task: 'unknown', room: 1 }] })).claims).toEqual([]);
    });
  });

  describe('time', () => {
    it('keeps a scheduled job from the line until it is due, and tells when that is', async () => {
      const store = await owned();
      await admit(store, [
        { key: 'later', runAtMs: T0 + 200 },
        { key: 'soon', runAtMs: T0 + 100 },
      ]);
      expect(await turn(store)).toMatchObject({ claims: [], nextDueAtMs: T0 + 100 });
      const due = await turn(store, { nowMs: T0 + 130 });
      expect(due.claims.map(({ key, lateByMs }) => [key, lateByMs])).toEqual([['soon', 30]]);
      expect(due.nextDueAtMs).toBe(T0 + 200);
      expect((await turn(store, { nowMs: T0 + 200 })).nextDueAtMs).toBeNull();
    });

    it('promotes any number of due jobs, if not all in one turn', async () => {
      const store = await owned();
      const jobs = Array.from({ length: 1_200 }, (_, n) => ({ key: `${n}`, runAtMs: T0 + 1 }));
      await admit(store, jobs);
      const nowMs = T0 + 1;
      for (let turns = 0; turns < 3; turns += 1) {
        const { nextDueAtMs } = await turn(store, { freeSlots: 0, nowMs });
        if (nextDueAtMs === null) break;
        expect(nextDueAtMs).toBeLessThanOrEqual(nowMs);
      }
      expect((await store.counts()).total).toMatchObject({ scheduled: 0, ready: 1_200 });
    });

    it.each([
      ['scheduled', { runAtMs: T0 + 50 }],
      ['ready', {}],
      ['parked', { group: 'full' }],
    ])('expires a %s job whose end has passed, and never runs it', async (place, spec) => {
      const store = await owned();
      await admit(store, [
        { key: '1', group: 'full' },
        { key: '2', group: 'full' },
      ]);
      await turn(store);
      const [answer] = await admit(store, [{ key: 'late', expiresAtMs: T0 + 60, ...spec }]);
      expect((await store.get('default', answer?.id ?? ''))?.place).toBe(place);
      expect((await turn(store, { nowMs: T0 + 60 })).claims).toEqual([]);
      expect(await store.get('default', answer?.id ?? '')).toMatchObject({
        place: 'expired',
        endedAtMs: T0 + 60,
        reason: 'its end passed before it could start',
      });
    });

    it('expires those that hold permits together with those that wait for them', async () => {
      const store = await owned();
      const late = ['a', 'b', 'c', 'd'].map((key) => ({ key, group: 'g', expiresAtMs: T0 + 60 }));
      await admit(store, [...late, { key: 'e', group: 'g' }]);
      expect((await store.counts()).total).toMatchObject({ ready: 2, parked: 3 });
      const { claims } = await turn(store, { nowMs: T0 + 60 });
      expect(claims.map(({ key }) => key)).toEqual(['e']);
      expect((await store.counts()).total).toMatchObject({ ready: 0, parked: 0, running: 1, expired: 4 });
    });

    it('claims nothing that is too late, also when more is late than one turn expires', async () => {
      const store = await owned();
      const jobs = Array.from({ length: 1_200 }, (_, n) => ({ key: `${n}`, expiresAtMs: T0 + 1 }));
      await admit(store, [...jobs, { key: 'alive', runAtMs: T0 + 1 }]);
      const nowMs = T0 + 1;
      const claimed: string[] = [];
      for (let turns = 0; turns < 4; turns += 1) {
        const { claims, nextDueAtMs } = await turn(store, { nowMs });
        claimed.push(...claims.map(({ key }) => key));
        if (claims.length === 0) expect(nextDueAtMs).toBeLessThanOrEqual(nowMs);
        else break;
      }
      expect(claimed).toEqual(['alive']);
      expect((await store.counts()).total).toMatchObject({ expired: 1_200, ready: 0, running: 1 });
    });
  });

  describe('a group', () => {
    const grouped = (keys: readonly string[], group = 'g') => keys.map((key) => ({ key, group }));

    it('has no more jobs ready or running than its limit', async () => {
      const store = await owned();
      await admit(store, [...grouped(['a', 'b', 'c', 'd']), ...grouped(['x'], 'h'), { key: 'free' }]);
      expect((await store.counts()).total).toMatchObject({ ready: 4, parked: 2 });
      const { claims } = await turn(store);
      expect(claims.map(({ key }) => key)).toEqual(['a', 'b', 'x', 'free']);
      expect((await turn(store)).claims).toEqual([]);
    });

    it('gives a permit that comes back to its best parked job', async () => {
      const store = await owned();
      await admit(store, [
        ...grouped(['a', 'b', 'c']),
        { key: 'important', group: 'g', priority: 9 },
        { key: 'elsewhere', group: 'g', task: 'slow' },
      ]);
      const { claims } = await turn(store);
      expect(claims.map(({ key }) => key)).toEqual(['a', 'b', 'elsewhere']);
      const [first] = claims;
      if (first === undefined) throw new Error('nothing claimed');
      const next = await turn(store, { ends: [end(first)] });
      expect(next.claims.map(({ key }) => key)).toEqual(['important']);
    });

    it('gets the permit back whatever became of the job that held it', async () => {
      const store = await owned();
      await admit(store, grouped(['a', 'b']));
      const { claims } = await turn(store);
      const [a, b] = claims;
      if (a === undefined || b === undefined) throw new Error('not claimed');
      await admit(store, grouped(['c', 'd', 'e', 'f', 'g']));
      await turn(store, {
        ends: [end(a, { to: 'failed', reason: 'x' }), end(b, retryAt(T0 + 500))],
        freeSlots: 0,
      });
      expect((await store.counts()).total).toMatchObject({ ready: 2, parked: 3, scheduled: 1, failed: 1 });
      const [first] = await store.nextInLine(1);
      await store.cancel('default', [first?.id ?? ''], T0);
      expect((await store.counts()).total).toMatchObject({ ready: 2, parked: 2, cancelled: 1 });
    });

    it('lets an immediate retry stand in the line of its group by rank', async () => {
      const store = await owned();
      await admit(store, grouped(['a', 'b', 'c']));
      const { claims } = await turn(store);
      const [a] = claims;
      if (a === undefined) throw new Error('not claimed');
      const again = await turn(store, { ends: [end(a, retryAt(T0))], freeSlots: 1 });
      expect(again.claims.map(({ key, attempt }) => [key, attempt])).toEqual([['a', 2]]);
      const [retried] = again.claims;
      if (retried === undefined) throw new Error('not claimed');
      const later = await turn(store, { ends: [end(retried, retryAt(T0 + 5))], nowMs: T0 + 5, freeSlots: 1 });
      expect(later.claims.map(({ key }) => key)).toEqual(['c']);
    });

    it('parks a promoted job when it is full by then', async () => {
      const store = await owned();
      await admit(store, [{ key: 'later', group: 'g', runAtMs: T0 + 5 }, ...grouped(['a', 'b'])]);
      expect((await store.counts()).total).toMatchObject({ scheduled: 1, ready: 2 });
      await turn(store, { nowMs: T0 + 5, freeSlots: 0 });
      expect((await store.counts()).total).toMatchObject({ scheduled: 0, ready: 2, parked: 1 });
    });

    it('follows its limit when the config changes it, up and down', async () => {
      const store = await owned();
      await admit(store, grouped(['a', 'b', 'c', 'd', 'e']));
      const limit = (groupLimit: number | null) =>
        store.configureTasks(['default'], [{ task: 'build', groupLimit, maxAttempts: 3 }]);
      await limit(4);
      expect((await store.counts()).total).toMatchObject({ ready: 4, parked: 1 });
      await limit(1);
      expect((await store.counts()).total).toMatchObject({ ready: 1, parked: 4 });
      expect((await store.nextInLine(9)).map(({ key }) => key)).toEqual(['a']);
      await limit(null);
      expect((await store.counts()).total).toMatchObject({ ready: 5, parked: 0 });
    });

    it('follows it in every process, also in one that has admitted under the old limit', async () => {
      const fresh = await engine.fresh();
      const store = await ownedStore(fresh);
      const command = await fresh.open('command');
      await admit(command, grouped(['a']));
      await store.configureTasks(['default'], [{ task: 'build', groupLimit: 1, maxAttempts: 3 }]);
      await admit(command, grouped(['b']));
      expect((await store.counts()).total).toMatchObject({ ready: 1, parked: 1 });
    });

    it('stays above a lowered limit only for as long as its jobs run', async () => {
      const store = await owned();
      await admit(store, grouped(['a', 'b', 'c']));
      const [a, b] = (await turn(store)).claims;
      if (a === undefined || b === undefined) throw new Error('not claimed');
      await store.configureTasks(['default'], [{ task: 'build', groupLimit: 1, maxAttempts: 3 }]);
      expect((await turn(store, { ends: [end(a)] })).claims).toEqual([]);
      expect((await turn(store, { ends: [end(b)] })).claims.map(({ key }) => key)).toEqual(['c']);
    });

    it('of another workspace is another group', async () => {
      const store = await owned();
      await admit(store, grouped(['a', 'b']));
      await admit(store, grouped(['a', 'b']), { scope: { ...ideas, workspace: 'other' } });
      expect((await turn(store)).claims).toHaveLength(4);
    });
  });

  describe('an end', () => {
    it('is recorded once; the same token changes nothing afterwards', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      const claim = await claimOne(store);
      const failed = end(claim, { to: 'failed', reason: 'late news' });
      const { ends } = await turn(store, { ends: [end(claim), failed] });
      expect(ends).toEqual(['recorded', 'lost']);
      expect((await turn(store, { ends: [failed] })).ends).toEqual(['lost']);
      expect((await store.get('default', claim.id))?.place).toBe('completed');
    });

    it.each([
      ['another attempt', { attempt: 2 }],
      ['another epoch', { epoch: 99 }],
      ['another job', { id: '4711' }],
      ['no job at all', { id: 'k-abc' }],
    ])('with the token of %s is lost', async (_, wrong) => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      const claim = await claimOne(store);
      expect((await turn(store, { ends: [end({ ...claim, ...wrong })] })).ends).toEqual(['lost']);
      expect((await store.get('default', claim.id))?.place).toBe('running');
    });

    it('keeps result, exit code and output in the history', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      const claim = await claimOne(store);
      const report = {
        outcome: { kind: 'done', result: '{"ok":true}' },
        startedAtMs: T0 + 2,
        endedAtMs: T0 + 7,
        stdout: 'hello',
        stderr: 'careful',
      } as const;
      await turn(store, { ends: [end(claim, { to: 'completed' }, report)] });
      expect(await store.get('default', claim.id)).toMatchObject({
        place: 'completed',
        result: '{"ok":true}',
        exitCode: 0,
        startedAtMs: T0 + 2,
        endedAtMs: T0 + 7,
        reason: null,
        history: [
          {
            kind: 'attempt',
            attempt: 1,
            atMs: T0 + 2,
            endedAtMs: T0 + 7,
            outcome: 'done',
            exitCode: 0,
            signal: null,
            stdout: 'hello',
            stderr: 'careful',
          },
        ],
      });
    });

    it('with a retry sends the job back, charged as told, with a new attempt next time', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a', priority: 3 }]);
      await runOne(store, retryAt(T0 + 100));
      expect((await store.list({ limit: 1 }))[0]).toMatchObject({
        place: 'scheduled',
        attempts: 1,
        charged: 1,
        crashes: 0,
        runAtMs: T0 + 100,
        reason: 'exit 1',
        endedAtMs: null,
      });
      await runOne(store, retryAt(T0 + 200, { charged: false, crashed: true }), T0 + 100);
      await runOne(store, retryAt(T0 + 300, { charged: false }), T0 + 200);
      expect(await claimOne(store, { nowMs: T0 + 300 })).toMatchObject({
        attempt: 4,
        charged: 1,
        crashes: 1,
      });
    });

    it('after the last attempt makes one dead letter with its whole history', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }]);
      await runOne(store, retryAt(T0 + 1), T0);
      await runOne(store, retryAt(T0 + 2), T0 + 1);
      const { id } = await runOne(store, { to: 'failed', reason: 'budget used up' }, T0 + 2);
      const letters = await store.list({ states: ['failed'], limit: 9 });
      expect(letters.map((job) => [job.id, job.reason, job.charged])).toEqual([[id, 'budget used up', 3]]);
      const attempts = (await store.get('default', id))?.history ?? [];
      expect(attempts.map((entry) => entry.kind === 'attempt' && [entry.attempt, entry.outcome])).toEqual([
        [1, 'failed'],
        [2, 'failed'],
        [3, 'failed'],
      ]);
    });

    it('and the claims it makes room for are one turn', async () => {
      const store = await owned();
      await admit(store, [{ key: 'a' }, { key: 'b' }]);
      const a = await claimOne(store);
      const { ends, claims } = await turn(store, { ends: [end(a)], freeSlots: 1 });
      expect(ends).toEqual(['recorded']);
      expect(claims.map(({ key }) => key)).toEqual(['b']);
    });
  });

  describe('a job that crashed twice', () => {
    const crashed = (runAtMs = T0) => retryAt(runAtMs, { charged: false, crashed: true });

    /** Two crashes of `suspect`, which then stands at the head of the line. */
    async function withSuspect(others: readonly string[]) {
      const store = await owned();
      await admit(store, [{ key: 'suspect', runAtMs: T0 - 50 }]);
      await runOne(store, crashed(T0 - 50));
      const id = (await runOne(store, crashed(T0 - 50))).id;
      await admit(
        store,
        others.map((key) => ({ key })),
      );
      return { store, id };
    }

    it('is claimed alone, and nothing else in the same turn', async () => {
      const { store, id } = await withSuspect(['a', 'b']);
      const { claims, alone } = await turn(store);
      expect(claims.map(({ key, crashes }) => [key, crashes])).toEqual([['suspect', 2]]);
      expect(alone).toBe(id);
      const [suspect] = claims;
      if (suspect === undefined) throw new Error('not claimed');
      const after = await turn(store, { ends: [end(suspect)] });
      expect(after.alone).toBeNull();
      expect(after.claims.map(({ key }) => key)).toEqual(['a', 'b']);
    });

    it('waits for all that runs, and those behind it in the line wait with it', async () => {
      const { store, id } = await withSuspect(['a', 'b']);
      await admit(store, [
        { key: 'first', runAtMs: T0 - 90 },
        { key: 'second', runAtMs: T0 - 80 },
      ]);
      const { claims, alone } = await turn(store);
      expect(claims.map(({ key }) => key)).toEqual(['first', 'second']);
      expect(alone).toBe(id);
      const [first, second] = claims;
      if (first === undefined || second === undefined) throw new Error('not claimed');
      expect(await turn(store, { ends: [end(first)] })).toMatchObject({ claims: [], alone: id });
      const last = await turn(store, { ends: [end(second)] });
      expect(last.claims.map(({ key }) => key)).toEqual(['suspect']);
    });

    it('does not wait for what a dead worker left', async () => {
      const fresh = await engine.fresh();
      const old = await ownedStore(fresh);
      await admit(old, [{ key: 'stuck', runAtMs: T0 - 90 }, { key: 'suspect' }]);
      await claimOne(old);
      for (let n = 0; n < 2; n += 1) await runOne(old, crashed());
      expect((await turn(old)).claims).toEqual([]);
      const store = await fresh.open('worker');
      await store.takeOwnership({ ...someOwner, nonce: 'n-2' }, T0);
      expect((await store.orphans()).map(({ claim }) => claim.key)).toEqual(['stuck']);
      expect((await turn(store)).claims.map(({ key }) => key)).toEqual(['suspect']);
    });

    it('holds nobody up while its task may not run', async () => {
      const { store } = await withSuspect([]);
      await admit(store, [{ key: 'other', task: 'slow' }]);
      const { claims, alone } = await turn(store, { eligible: [{ task: 'slow', room: 1 }] });
      expect(claims.map(({ key }) => key)).toEqual(['other']);
      expect(alone).toBeNull();
    });
  });

  describe('an owner', () => {
    it('fences all who came before it', async () => {
      const fresh = await engine.fresh();
      const old = await ownedStore(fresh);
      await admit(old, [{ key: 'a' }, { key: 'b' }]);
      const claim = await claimOne(old);

      const store = await fresh.open('worker');
      const ownership = await store.takeOwnership({ ...someOwner, nonce: 'n-2' }, T0);
      expect(ownership).toMatchObject({ cleanStop: false, previousOwner: someOwner });
      expect(ownership.epoch).toBeGreaterThan(claim.epoch);
      const stale = await turn(old, { ends: [end(claim)] });
      expect(stale).toMatchObject({ ends: ['lost'], claims: [] });
      await expect(old.pulse(claim.epoch, T0, true)).rejects.toMatchObject({ code: 'OWNER_CHANGED' });
      await old.releaseOwnership(claim.epoch, T0);
      await store.pulse(ownership.epoch, T0, true);
      expect((await store.get('default', claim.id))?.place).toBe('running');
    });

    it('learns whether the last one stopped in order, and finds the same store', async () => {
      const fresh = await engine.fresh();
      const first = await fresh.open('worker');
      const one = await first.takeOwnership(someOwner, T0);
      expect(one).toMatchObject({ cleanStop: true, previousOwner: null });
      await first.releaseOwnership(one.epoch, T0);
      const two = await (await fresh.open('worker')).takeOwnership(someOwner, T0);
      expect(two).toMatchObject({ cleanStop: true, storeId: one.storeId, previousOwner: someOwner });
    });

    it('finds the attempts of a dead one, and ends each of them once', async () => {
      const fresh = await engine.fresh();
      const old = await ownedStore(fresh);
      await admit(old, [
        { key: 'a', group: 'g' },
        { key: 'b', group: 'g' },
        { key: 'c', group: 'g' },
      ]);
      const { claims } = await turn(old);

      const store = await fresh.open('worker');
      await store.takeOwnership({ ...someOwner, nonce: 'n-2' }, T0);
      const orphans = await store.orphans();
      expect(orphans.map(({ claim, startedAtMs }) => [claim, startedAtMs])).toEqual(
        claims.map((claim) => [claim, T0]),
      );
      const [a, b] = claims;
      if (a === undefined || b === undefined) throw new Error('not claimed');
      const crashed = {
        outcome: { kind: 'crashed', reason: 'its worker died', ranAlone: false, killedByUs: false },
        exitCode: null,
      } as const;
      const ends = [
        end(a, retryAt(T0, { charged: false, crashed: true, reason: 'its worker died' }), crashed),
        end(b, { to: 'completed' }),
      ];
      expect(await store.rescue(ends, T0)).toEqual(['recorded', 'recorded']);
      expect(await store.rescue(ends, T0)).toEqual(['lost', 'lost']);
      expect(await store.orphans()).toEqual([]);
      const again = await turn(store);
      expect(again.claims.map(({ key, attempt, crashes }) => [key, attempt, crashes])).toEqual([
        ['a', 2, 1],
        ['c', 1, 0],
      ]);
      expect(await store.rescue([end(again.claims[0] ?? a)], T0)).toEqual(['lost']);
    });

    it('lets a newer version go when it rescues the older one', async () => {
      const fresh = await engine.fresh();
      const old = await ownedStore(fresh);
      await admit(old, [{ key: 'a', content: '1', onChange: 'rerun' }]);
      const claim = await claimOne(old);
      await admit(old, [{ key: 'a', content: '2', onChange: 'rerun' }]);
      const store = await fresh.open('worker');
      await store.takeOwnership(someOwner, T0);
      const crashed = {
        outcome: { kind: 'crashed', reason: 'its worker died', ranAlone: false, killedByUs: false },
      } as const;
      await store.rescue([end(claim, retryAt(T0, { charged: false, crashed: true }), crashed)], T0);
      expect((await turn(store)).claims.map(({ payload }) => payload.bytes.toString())).toEqual(['2']);
    });
  });

  it('renews no leases unless it has them: nothing is lost', async () => {
    const store = await owned();
    await admit(store, [{ key: 'a' }]);
    expect(await store.renew([await claimOne(store)])).toEqual([]);
  });

  it('says that another has written, once for each time', async () => {
    const fresh = await engine.fresh();
    const store = await ownedStore(fresh);
    const other = await fresh.open('command');
    store.changedElsewhere();
    await admit(store, [{ key: 'own' }]);
    expect(store.changedElsewhere()).toBe(false);
    await admit(other, [{ key: 'theirs' }]);
    expect(store.changedElsewhere()).toBe(true);
    expect(store.changedElsewhere()).toBe(false);
  });
}
