import { expect, it } from 'vitest';
import type { Store } from '../../src/store/engine.js';
import type { Engine } from './engine.js';
import { admit, claimOne, end, ownedStore, retryAt, runOne, someOwner, T0, turn } from './given.js';

const DAY = 86_400_000;

export function conformsWithClocksThatAreSet(engine: Engine): void {
  const owned = async () => ownedStore(await engine.fresh());
  /** What becomes of one job that waits until `waitMs` for its retry, and of one that is for that very time. */
  const twoThatWait = async (store: Store, waitMs: number) => {
    await admit(store, [{ key: 'retry' }]);
    const { id } = await runOne(store, retryAt(T0 + waitMs));
    const [timed] = await admit(store, [{ key: 'timed', runAtMs: T0 + waitMs }]);
    return { retry: id, timed: timed?.id ?? '' };
  };
  const keys = ({ claims }: { claims: readonly { key: string }[] }) => claims.map(({ key }) => key);

  it.each([DAY, -DAY])('when the clock jumps by %i ms, a retry waits as long as before', async (jumpMs) => {
    const store = await owned();
    const { retry, timed } = await twoThatWait(store, 5_000);
    store.clockJumped(jumpMs);
    const nowMs = T0 + 1_000 + jumpMs;
    const first = await turn(store, { nowMs });
    expect(keys(first)).toEqual(jumpMs > 0 ? ['timed'] : []);
    expect(first.nextDueAtMs).toBe(T0 + 5_000 + jumpMs);
    expect(await store.get(null, retry)).toMatchObject({ place: 'scheduled', runAtMs: T0 + 5_000 + jumpMs });
    expect(await store.get(null, timed)).toMatchObject({ runAtMs: T0 + 5_000 });
    expect(keys(await turn(store, { nowMs: T0 + 4_999 + jumpMs }))).toEqual([]);
    expect(keys(await turn(store, { nowMs: T0 + 5_000 + jumpMs }))).toEqual(['retry']);
  });

  it('when it jumps forth and back, each retry goes by the clock that set its time', async () => {
    const store = await owned();
    const { retry } = await twoThatWait(store, 5_000);
    store.clockJumped(DAY);
    await admit(store, [{ key: 'later' }]);
    const claim = await claimOne(store, { nowMs: T0 + 1, eligible: [{ task: 'build', room: 1 }] });
    store.clockJumped(-DAY);
    store.clockJumped(3_600_000);
    const ends = [end(claim, retryAt(T0 + 3_600_000 + 7_000))];
    await turn(store, { ends, nowMs: T0 + 3_600_000, freeSlots: 0 });
    expect(await store.get(null, retry)).toMatchObject({ runAtMs: T0 + 3_600_000 + 5_000 });
    expect(await store.get(null, claim.id)).toMatchObject({ runAtMs: T0 + 3_600_000 + 7_000 });
  });

  it('retries are moved in parts, and none that looks due runs before all are', async () => {
    const store = await owned();
    const count = 1_200;
    await admit(
      store,
      Array.from({ length: count }, (_, n) => ({ key: `${n}`, task: 'slow' })),
    );
    const eligible = [{ task: 'slow', room: count }];
    const { claims } = await turn(store, { freeSlots: count, eligible });
    const ends = claims.map((claim) => end(claim, retryAt(T0 + 60_000)));
    await turn(store, { ends, freeSlots: 0 });
    store.clockJumped(DAY);
    const nowMs = T0 + DAY;
    let turns = 0;
    for (let next: number | null = nowMs; next === nowMs; turns += 1) {
      const result = await turn(store, { nowMs, eligible });
      expect(result.claims).toEqual([]);
      next = result.nextDueAtMs;
    }
    expect(turns).toBeGreaterThan(1);
    expect((await store.counts()).total).toMatchObject({ scheduled: count, ready: 0 });
    expect(await turn(store, { nowMs, eligible })).toMatchObject({ nextDueAtMs: nowMs + 60_000 });
  });

  it('a worker that dies in the middle leaves its successor what is not moved yet, and nothing is moved twice', async () => {
    const fresh = await engine.fresh();
    const store = await ownedStore(fresh);
    await admit(
      store,
      Array.from({ length: 700 }, (_, n) => ({ key: `${n}`, task: 'slow' })),
    );
    const { claims } = await turn(store, { freeSlots: 700, eligible: [{ task: 'slow', room: 700 }] });
    await turn(store, { ends: claims.map((claim) => end(claim, retryAt(T0 + 60_000))), freeSlots: 0 });
    store.clockJumped(-DAY);
    await turn(store, { nowMs: T0 - DAY, freeSlots: 0 });
    await store.close();

    const next = await fresh.open('worker');
    await next.takeOwnership({ ...someOwner, nonce: 'n-2' }, T0 - DAY + 1_000);
    for (let turns = 0; turns < 2; turns += 1) await turn(next, { nowMs: T0 - DAY + 1_000, freeSlots: 0 });
    const jobs = await next.list({ limit: 700 });
    expect(new Set(jobs.map(({ runAtMs }) => runAtMs))).toEqual(new Set([T0 - DAY + 60_000]));
  });

  it('a clock that was set back while no worker ran makes no retry wait the longer', async () => {
    const fresh = await engine.fresh();
    const store = await ownedStore(fresh);
    const { retry, timed } = await twoThatWait(store, 5_000);
    await store.pulse(1, T0 + 1_000, true);
    const next = await fresh.open('worker');
    // As after a boot without a clock chip.
    await next.takeOwnership({ ...someOwner, nonce: 'n-2' }, 40_000);
    await turn(next, { nowMs: 40_000 });
    expect(await next.get(null, retry)).toMatchObject({ runAtMs: 40_000 + 4_000 });
    expect(await next.get(null, timed)).toMatchObject({ runAtMs: T0 + 5_000 });
    const last = await fresh.open('worker');
    await last.takeOwnership({ ...someOwner, nonce: 'n-3' }, T0 + DAY);
    expect(keys(await turn(last, { nowMs: T0 + DAY }))).toEqual(['retry', 'timed']);
  });

  it('while times are held only retries become due, and nothing expires', async () => {
    const store = await owned();
    await twoThatWait(store, 5_000);
    await admit(store, [
      { key: 'window', runAtMs: T0 + 10_000, expiresAtMs: T0 + 20_000 },
      { key: 'ready', expiresAtMs: T0 + 20_000 },
    ]);
    const held = { holdsTimes: true, nowMs: T0 + 30_000 };
    expect(keys(await turn(store, held)).sort()).toEqual(['ready', 'retry']);
    expect(await turn(store, held)).toMatchObject({ claims: [], nextDueAtMs: null });
    expect((await store.counts(held.nowMs)).tasks[0]).toMatchObject({ overdue: 2 });
    expect(keys(await turn(store, { nowMs: T0 + 30_000 }))).toEqual(['timed']);
    expect((await store.counts(held.nowMs)).total).toMatchObject({ expired: 1 });
  });

  it('while times are held the next turn is for the next retry', async () => {
    const store = await owned();
    await admit(store, [{ key: 'soon', runAtMs: T0 + 10 }]);
    await admit(store, [{ key: 'a' }]);
    await runOne(store, retryAt(T0 + 5_000));
    expect(await turn(store, { holdsTimes: true })).toMatchObject({ nextDueAtMs: T0 + 5_000 });
  });

  it('a job that waits for its retry and is given another time waits for that', async () => {
    const store = await owned();
    await admit(store, [{ key: 'a', onChange: 'rerun' }]);
    const { id } = await runOne(store, retryAt(T0 + 5_000));
    await admit(store, [{ key: 'a', content: '{"new":1}', onChange: 'rerun', runAtMs: T0 + 60_000 }]);
    store.clockJumped(DAY);
    await turn(store, { nowMs: T0 + DAY, freeSlots: 0 });
    expect(await store.get(null, id)).toMatchObject({ place: 'ready', runAtMs: T0 + 60_000 });
  });

  it('the time of a pulse is known to the next worker as past, if the clock was trusted then', async () => {
    const fresh = await engine.fresh();
    const store = await ownedStore(fresh);
    const takes = async (nonce: string) =>
      (await (await fresh.open('worker')).takeOwnership({ ...someOwner, nonce }, T0)).trustedAtMs;
    await store.pulse(1, T0 + 1, false);
    expect(await takes('n-2')).toBeNull();
    await store.pulse(2, T0 + 2, true);
    await store.pulse(2, T0 + 3, false);
    expect(await takes('n-3')).toBe(T0 + 2);
  });
}
