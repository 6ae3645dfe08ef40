import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { admit, batch, claimOne, end, ownedStore, retryAt, T0, turn } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';
import { open, owned, rawDatabase } from './given.js';

/** Another process in the middle of a long write. */
function holdWriteLock(folder: string): () => void {
  const db = rawDatabase(folder);
  db.exec('BEGIN IMMEDIATE');
  return () => db.exec('ROLLBACK');
}

describe('while another process holds the write lock', () => {
  it('a worker waits without blocking its loop, and then goes on', async () => {
    const { store, folder } = await owned();
    const release = holdWriteLock(folder);
    let ticks = 0;
    const ticking = setInterval(() => {
      ticks += 1;
      if (ticks === 20) release();
    }, 1);
    const report = await store.admit(batch([{ key: 'a' }]));
    clearInterval(ticking);
    expect(report.committed).toBe(true);
    expect(ticks).toBeGreaterThanOrEqual(20);
  });

  it('a worker gives up after 30 s, in words that name the file', async () => {
    const folder = tempFolder();
    let nowMs = 0;
    const hurriedClock = { ...systemClock, monotonicMs: () => (nowMs += 6_000) };
    const store = await ownedStore({ open: (use) => open(folder, use, hurriedClock) });
    const release = holdWriteLock(folder);
    await expect(store.admit(batch([{ key: 'a' }]))).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringMatching(new RegExp(`${folder}.* for 30s`)),
    });
    release();
    expect((await admit(store, [{ key: 'a' }]))[0]?.result).toBe('queued');
  });

  it('reads and idle turns go on: they take no lock', async () => {
    const { store, folder } = await owned();
    await admit(store, [
      { key: 'later', runAtMs: T0 + 60_000 },
      { key: 'b', task: 'slow' },
    ]);
    const reader = await open(folder, 'read');
    const release = holdWriteLock(folder);
    const startedAtMs = systemClock.monotonicMs();
    expect((await reader.counts()).total).toMatchObject({ scheduled: 1, ready: 1 });
    expect(await turn(store, { eligible: [{ task: 'build', room: 1 }] })).toEqual({
      ends: [],
      claims: [],
      nextDueAtMs: T0 + 60_000,
      cancelRequests: [],
      alone: null,
    });
    expect((await turn(store, { freeSlots: 0 })).claims).toEqual([]);
    expect(systemClock.monotonicMs() - startedAtMs).toBeLessThan(1_000);
    release();
  });
});

describe('when the clock is set while a turn waits for the lock', () => {
  it('its ends are by the old clock, and are moved with the next turn', async () => {
    const { store, folder } = await owned();
    await admit(store, [{ key: 'a' }]);
    const claim = await claimOne(store);
    const release = holdWriteLock(folder);
    const waiting = turn(store, { ends: [end(claim, retryAt(T0 + 5_000))], freeSlots: 0 });
    store.clockJumped(86_400_000);
    release();
    await waiting;
    expect(await store.get(null, claim.id)).toMatchObject({ runAtMs: T0 + 5_000 });
    await turn(store, { nowMs: T0 + 86_400_000, freeSlots: 0 });
    expect(await store.get(null, claim.id)).toMatchObject({
      place: 'scheduled',
      runAtMs: T0 + 86_400_000 + 5_000,
    });
  });
});

describe('a turn that is nothing but idle', () => {
  it('writes nothing', async () => {
    const { store, folder } = await owned();
    await admit(store, [{ key: 'a', group: 'g' }]);
    const claim = await claimOne(store);
    const db = rawDatabase(folder);
    const version = () => db.pragma('data_version', { simple: true });
    const before = version();
    for (let i = 0; i < 3; i += 1) await turn(store);
    expect(version()).toBe(before);
    await turn(store, { ends: [end(claim)] });
    expect(version()).not.toBe(before);
  });
});

describe('a transaction that fails', () => {
  it('leaves no trace, neither on disk nor in memory', async () => {
    const { store, folder } = await owned();
    await admit(store, [{ key: 'a' }]);
    const db = rawDatabase(folder);
    db.exec(`CREATE TRIGGER no BEFORE INSERT ON rejects BEGIN SELECT RAISE (ABORT, 'no'); END`);
    const reject = {
      path: 'p',
      line: null,
      offset: null,
      lengthBytes: null,
      key: null,
      reason: 'json',
      detail: 'd',
      remedy: 'r',
      digest: Buffer.alloc(16),
    };
    const scope = { workspace: 'fresh', kind: 'source', name: 'fresh' } as const;
    const doomed = batch([{ key: 'b', task: 'fresh', group: 'g' }], { scope, rejects: [reject] });
    await expect(store.admit(doomed)).rejects.toThrow('no');
    db.exec('DROP TRIGGER no');

    const counts = await store.counts();
    expect(counts.total.ready).toBe(1);
    expect(counts.tasks.map(({ workspace }) => workspace)).toEqual(['default', 'default']);
    // Names and ids that the failed one had made must not be remembered.
    const [again] = await admit(store, [{ key: 'b', task: 'fresh', group: 'g' }], { scope });
    expect(again).toMatchObject({ result: 'queued', id: '2' });
    expect((await store.get('fresh', '2'))?.task).toBe('fresh');
  });
});
