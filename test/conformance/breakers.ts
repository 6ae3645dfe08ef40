import { describe, expect, it } from 'vitest';
import type { BreakerMove } from '../../src/store/breaker-contract.js';
import type { Store } from '../../src/store/engine.js';
import type { Engine } from './engine.js';
import { admit, claimOne, end, retryAt, someOwner, T0, turn } from './given.js';

const MODEL = 'model';

/** Tasks `build` and `slow` depend on the same model; `other` stands for itself. */
async function owned(engine: Engine): Promise<{ store: Store; again: () => Promise<Store> }> {
  const fresh = await engine.fresh();
  const configure = async (store: Store) => {
    await store.takeOwnership(someOwner, T0);
    await store.configureTasks(
      ['default', 'guests'],
      [
        { task: 'build', groupLimit: 2, maxAttempts: 3, breaker: MODEL },
        { task: 'slow', groupLimit: null, maxAttempts: 3, breaker: MODEL },
        { task: 'other', groupLimit: null, maxAttempts: 3 },
      ],
    );
    return store;
  };
  return {
    store: await configure(await fresh.open('worker')),
    again: async () => configure(await fresh.open('worker')),
  };
}

const opened = {
  dependency: MODEL,
  to: 'opened',
  sinceMs: T0 - 20,
  retryAtMs: T0 + 30_000,
  cause: 'exit 69: refused',
} as const satisfies BreakerMove;
const closed: BreakerMove = { dependency: MODEL, to: 'closed', evidence: 'job 1 completed', triedJobs: 1 };
const cost = (job: string, attempt = 1): BreakerMove => ({ dependency: MODEL, to: 'cost', job, attempt });
const move = (store: Store, ...breakers: BreakerMove[]) => turn(store, { breakers, freeSlots: 0 });

/** Claims the next job and lets it fail for good, in one turn with what its breaker did. */
async function loseOne(store: Store): Promise<string> {
  const claim = await claimOne(store);
  const failed = end(claim, { to: 'failed', reason: 'exit 1' });
  await turn(store, { ends: [failed], breakers: [cost(claim.id, claim.attempt)], freeSlots: 0 });
  return claim.id;
}

export function conformsInBreakers(engine: Engine): void {
  describe('a breaker', () => {
    it('that never moved is not stored, and there is no outage', async () => {
      const { store } = await owned(engine);
      expect(await store.breakers()).toEqual([]);
      expect(await store.outages(9)).toEqual([]);
      expect((await store.counts()).outages).toEqual([]);
    });

    it('keeps its failures in a row, and forgets them when it is told to', async () => {
      const { store, again } = await owned(engine);
      await move(store, { dependency: MODEL, to: 'counted', failures: 2, sinceMs: T0 - 5 });
      const stored = { dependency: MODEL, failures: 2, sinceMs: T0 - 5, retryAtMs: null };
      expect(await (await again()).breakers()).toEqual([stored]);
      expect(await store.outages(9)).toEqual([]);
      await move(await again(), { dependency: MODEL, to: 'counted', failures: 0, sinceMs: null });
      expect(await store.breakers()).toEqual([]);
    });

    it('that is open is an ongoing outage, for every handle and after every new owner', async () => {
      const { store, again } = await owned(engine);
      await move(store, { dependency: MODEL, to: 'counted', failures: 4, sinceMs: T0 - 20 }, opened);
      const expected = {
        dependency: MODEL,
        sinceMs: T0 - 20,
        untilMs: null,
        cause: 'exit 69: refused',
        held: 0,
        evidence: null,
        casualties: 0,
        trial: { retryAtMs: T0 + 30_000, lastFailure: null, tasks: ['build', 'slow'] },
      };
      for (const handle of [store, await again()]) {
        expect(await handle.outages(9)).toMatchObject([expected]);
        expect((await handle.counts()).outages).toMatchObject([expected]);
        expect(await handle.breakers()).toEqual([
          { dependency: MODEL, failures: 0, sinceMs: T0 - 20, retryAtMs: T0 + 30_000 },
        ]);
      }
    });

    it('goes on with the same outage when its trial fails', async () => {
      const { store } = await owned(engine);
      await move(store, opened);
      const [before] = await store.outages(1);
      await move(store, {
        dependency: MODEL,
        to: 'reopened',
        retryAtMs: T0 + 60_000,
        failure: 'exit 69: no',
      });
      const [after, ...others] = await store.outages(9);
      expect(others).toEqual([]);
      expect(after).toEqual({
        ...before,
        trial: { ...before?.trial, retryAtMs: T0 + 60_000, lastFailure: 'exit 69: no' },
      });
    });

    it('that closes leaves an outage with its end and how that is known, and is as new', async () => {
      const { store, again } = await owned(engine);
      await move(store, opened);
      const [ongoing] = await store.outages(1);
      await turn(store, { breakers: [closed], nowMs: T0 + 500, freeSlots: 0 });
      expect(await store.breakers()).toEqual([]);
      expect((await (await again()).counts()).outages).toEqual([]);
      expect(await store.outages(9)).toEqual([
        {
          id: ongoing?.id,
          dependency: MODEL,
          sinceMs: T0 - 20,
          untilMs: T0 + 500,
          cause: 'exit 69: refused',
          held: 1,
          evidence: 'job 1 completed',
          casualties: 0,
          trial: null,
        },
      ]);
    });

    it('never makes an outage end before it began, whatever the wall clock says', async () => {
      const { store } = await owned(engine);
      await move(store, opened);
      await turn(store, { breakers: [closed], nowMs: T0 - 86_400_000, freeSlots: 0 });
      expect(await store.outages(1)).toMatchObject([{ sinceMs: T0 - 20, untilMs: T0 - 20 }]);
    });

    it('that is closed already has nothing to reopen, to close or to pay for', async () => {
      const { store } = await owned(engine);
      await move(
        store,
        { dependency: MODEL, to: 'reopened', retryAtMs: T0, failure: 'x' },
        closed,
        cost('1'),
      );
      expect(await store.outages(9)).toEqual([]);
      expect(await store.breakers()).toEqual([]);
    });

    it('that is open already has one outage, however often it is said to have opened', async () => {
      const { store } = await owned(engine);
      await move(store, opened, { ...opened, cause: 'another' });
      expect(await store.outages(9)).toMatchObject([{ cause: 'exit 69: refused' }]);
      await move(store, { dependency: MODEL, to: 'counted', failures: 3, sinceMs: T0 });
      expect(await store.breakers()).toMatchObject([{ failures: 0, retryAtMs: T0 + 30_000 }]);
    });

    it('gives each outage an id of its own, the ongoing ones listed first', async () => {
      const { store } = await owned(engine);
      await move(store, opened, closed, opened, closed, { ...opened, dependency: 'other' }, opened, closed);
      const outages = await store.outages(9);
      expect(new Set(outages.map(({ id }) => id)).size).toBe(4);
      expect(outages.map(({ dependency, untilMs }) => [dependency, untilMs !== null])).toEqual([
        ['other', false],
        [MODEL, true],
        [MODEL, true],
        [MODEL, true],
      ]);
      expect(await store.outages(2)).toEqual(outages.slice(0, 2));
    });

    it('moves with the ends of its turn or not at all: a fenced worker moves nothing', async () => {
      const { store, again } = await owned(engine);
      await admit(store, [{ key: 'a' }]);
      const claim = await claimOne(store);
      const newer = await again();
      expect((await turn(store, { ends: [end(claim)], breakers: [opened] })).ends).toEqual(['lost']);
      expect(await newer.outages(9)).toEqual([]);
    });
  });

  describe('the jobs that an outage holds', () => {
    it('are those of all its tasks and workspaces that wait, and of no other', async () => {
      const { store } = await owned(engine);
      await admit(store, [
        ...['a', 'b', 'c'].map((key) => ({ key, group: 'g' })),
        { key: 'd', task: 'slow' },
        { key: 'later', task: 'slow', runAtMs: T0 + 9_000 },
        { key: 'o', task: 'other' },
      ]);
      const guests = { workspace: 'guests', kind: 'task' as const, name: 'slow' };
      await admit(store, [{ key: 'e', task: 'slow' }], { scope: guests });
      await move(store, opened);
      // Ready, parked behind their group, and scheduled.
      expect(await store.outages(1)).toMatchObject([{ held: 6 }]);
    });

    it('stay counted once it is over, with the one that was the trial', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
      await move(store, opened);
      const [trial, straggler] = [await claimOne(store), await claimOne(store)];
      const ends = [end(trial), end(straggler, retryAt(T0 + 1_000))];
      await turn(store, { ends, breakers: [closed], freeSlots: 9, nowMs: T0 + 5 });
      expect(await store.outages(1)).toMatchObject([{ held: 3 }]);
    });
  });

  describe('a half-open breaker', () => {
    const trial = [
      { task: 'build', room: 1, trialOf: MODEL },
      { task: 'slow', room: 1, trialOf: MODEL },
      { task: 'other', room: 10 },
    ];

    it('lets one job through, the first in line of all its tasks, and none of the others less', async () => {
      const { store } = await owned(engine);
      await admit(store, [
        { key: 'second', task: 'slow', runAtMs: T0 - 5 },
        { key: 'first', runAtMs: T0 - 9 },
        { key: 'third', runAtMs: T0 - 1 },
        { key: 'o1', task: 'other' },
        { key: 'o2', task: 'other' },
      ]);
      const { claims } = await turn(store, { eligible: trial, freeSlots: 4 });
      const keys = claims.map(({ key }) => key).sort();
      if (engine.capabilities.globalOrder) expect(keys).toEqual(['first', 'o1', 'o2']);
      else expect(keys.filter((key) => !key.startsWith('o'))).toHaveLength(1);
    });

    it('lets one through also when its tasks have jobs in several workspaces', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }]);
      const guests = { workspace: 'guests', kind: 'task' as const, name: 'build' };
      await admit(store, [{ key: 'b' }], { scope: guests });
      expect((await turn(store, { eligible: trial, freeSlots: 4 })).claims).toHaveLength(1);
    });
  });

  describe('the casualties of an outage', () => {
    it('are the jobs that it cost, as long as they stand as they did', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
      await move(store, opened);
      const ids = [await loseOne(store), await loseOne(store)];
      const [outage] = await store.outages(1);
      expect(outage).toMatchObject({ casualties: 2 });
      const id = outage?.id ?? '';
      expect((await store.casualties(id, 9))?.map((job) => job.id)).toEqual(ids);
      expect((await store.casualties(id, 1))?.map((job) => job.id)).toEqual(ids.slice(0, 1));

      await move(store, closed);
      expect((await store.casualties(id, 9))?.map((job) => job.id)).toEqual(ids);
      await store.redrive('default', ids.slice(0, 1), T0);
      expect((await store.casualties(id, 9))?.map((job) => job.id)).toEqual(ids.slice(1));
    });

    it('do not count one that was redriven and failed again for a reason of its own', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }]);
      await move(store, opened);
      const id = await loseOne(store);
      await move(store, closed);
      await store.redrive('default', [id], T0);
      const again = await claimOne(store);
      await turn(store, { ends: [end(again, { to: 'failed', reason: 'exit 1' })], freeSlots: 0 });
      const [outage] = await store.outages(1);
      expect(outage).toMatchObject({ casualties: 0 });
      expect(await store.casualties(outage?.id ?? '', 9)).toEqual([]);
    });

    it('count one that was redriven into the same outage and failed in it again, once', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }]);
      await move(store, opened);
      const id = await loseOne(store);
      await store.redrive('default', [id], T0);
      expect(await loseOne(store)).toBe(id);
      const [outage] = await store.outages(1);
      expect((await store.casualties(outage?.id ?? '', 9))?.map((job) => job.id)).toEqual([id]);
    });

    it('are not those whose end was lost or came to something else', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }]);
      await move(store, opened);
      const claim = await claimOne(store);
      await turn(store, {
        ends: [end(claim, retryAt(T0 + 9))],
        breakers: [cost(claim.id, claim.attempt)],
        freeSlots: 0,
      });
      expect(await store.outages(1)).toMatchObject([{ casualties: 0 }]);
    });

    it('of an outage that never was are not known', async () => {
      const { store } = await owned(engine);
      for (const id of ['1', 'x', '']) expect(await store.casualties(id, 9)).toBeNull();
    });
  });

  describe('pruning', () => {
    it('forgets outages that are over as long, never an ongoing one, and gives no id twice', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }]);
      await move(store, opened);
      await loseOne(store);
      await move(store, closed, { ...opened, dependency: 'other' });
      const [other, past] = await store.outages(9);
      expect(await store.prune(T0, 10)).toBe(0);
      expect(await store.outages(9)).toHaveLength(2);
      await store.prune(T0 + 1, 10);
      expect((await store.outages(9)).map(({ id }) => id)).toEqual([other?.id]);
      expect(await store.casualties(past?.id ?? '', 9)).toBeNull();
      await move(store, opened);
      expect((await store.outages(9)).map(({ id }) => id)).not.toContain(past?.id);
    });
  });

  describe('a task that the config no longer has', () => {
    it('is held by no breaker', async () => {
      const { store } = await owned(engine);
      await admit(store, [{ key: 'a' }, { key: 'b', task: 'slow' }]);
      await move(store, opened);
      await store.configureTasks(
        ['default'],
        [{ task: 'slow', groupLimit: null, maxAttempts: 3, breaker: MODEL }],
      );
      expect(await store.outages(1)).toMatchObject([{ held: 1, trial: { tasks: ['slow'] } }]);
    });
  });
}
