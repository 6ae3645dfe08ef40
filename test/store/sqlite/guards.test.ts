import { describe, expect, it } from 'vitest';
import { PLACES, type Place, stateOfPlace } from '../../../src/job/job.js';
import { canMove } from '../../../src/job/transition.js';
import { admit, claimOne, end, runOne, someOwner, T0, turn } from '../../conformance/given.js';
import { open, owned, rawDatabase } from './given.js';

const PLACE_NAMES = Object.keys(PLACES) as Place[];
const TERMINAL = PLACE_NAMES.filter((place) => PLACES[place] > PLACES.running);

describe('the database itself', () => {
  it.each(TERMINAL)('refuses to let a %s job go anywhere', async (from) => {
    const { store, folder } = await owned();
    await admit(store, [{ key: 'a' }]);
    const db = rawDatabase(folder);
    db.prepare('UPDATE jobs SET place = ?').run(PLACES[from]);
    for (const to of PLACE_NAMES.filter((place) => place !== from)) {
      const move = () => db.prepare('UPDATE jobs SET place = ?').run(PLACES[to]);
      expect(move, `${from} → ${to}`).toThrow('terminal is terminal');
    }
  });

  it('lets a redrive leave exactly the states that the table of transitions names', async () => {
    for (const from of TERMINAL) {
      const { store, folder } = await owned();
      await admit(store, [{ key: 'a' }]);
      const db = rawDatabase(folder);
      db.prepare('UPDATE jobs SET place = ?').run(PLACES[from]);
      const redrive = () =>
        db.prepare('UPDATE jobs SET place = ?, redrives = redrives + 1').run(PLACES.ready);
      if (canMove(stateOfPlace(from), 'pending')) expect(redrive).not.toThrow();
      else expect(redrive).toThrow('terminal is terminal');
    }
  });

  it('refuses to forget a record', async () => {
    const { store, folder } = await owned();
    await admit(store, [{ key: 'a' }]);
    expect(() => rawDatabase(folder).exec('DELETE FROM records')).toThrow('the ledger forgets nothing');
  });

  it('refuses to remove a job that has not ended', async () => {
    const { store, folder } = await owned();
    await admit(store, [{ key: 'a' }]);
    expect(() => rawDatabase(folder).exec('DELETE FROM jobs')).toThrow('has not ended');
  });
});

describe('a payload', () => {
  it.each([0, 1, 999, 1_000, 1_001, 100_000])(
    'of %i bytes more than its quotes comes back as it was',
    async (length) => {
      const { store } = await owned();
      // NUL and bytes that are no UTF-8: what is stored is bytes, never text.
      const content = Buffer.concat([
        Buffer.from('"'),
        Buffer.alloc(length, Buffer.from([0, 255, 65])),
        Buffer.from('"'),
      ]);
      const { takeSnapshot } = await import('../../../src/job/snapshot.js');
      const payload = takeSnapshot(content);
      const { batch } = await import('../../conformance/given.js');
      const whole = batch([{ key: 'a' }]);
      await store.admit({ ...whole, records: whole.records.map((record) => ({ ...record, payload })) });
      const claim = await claimOne(store);
      expect(claim.payload.bytes.equals(content)).toBe(true);
      expect(claim.payload.hash.equals(payload.hash)).toBe(true);
      expect((await store.get('default', claim.id))?.payload.bytes.equals(content)).toBe(true);
    },
  );

  it('that grows or shrinks with a newer version leaves nothing of the old one behind', async () => {
    const { store, folder } = await owned();
    const rerun = (content: string) => admit(store, [{ key: 'a', content, onChange: 'rerun' }]);
    const big = (letter: string) => JSON.stringify(letter.repeat(2_000));
    const db = rawDatabase(folder);
    const rows = () => db.prepare('SELECT count(*) FROM payloads').pluck().get();
    for (const content of ['1', big('a'), big('b'), '2', big('c')]) {
      await rerun(content);
      expect((await store.list({ limit: 1 }))[0]?.payload.bytes.toString()).toBe(content);
      expect(rows()).toBe(content.length > 1_000 ? 1 : 0);
    }
    await runOne(store);
    await store.prune(T0 + 1_000, 10);
    expect(rows()).toBe(0);
  });
});

describe('after an unclean stop', () => {
  it('permits and tallies are counted anew, and every job gets the place that is due to it', async () => {
    const { store: old, folder } = await owned();
    await admit(old, [
      ...['a', 'b', 'c', 'd', 'e'].map((key) => ({ key, group: 'g' })),
      { key: 'x' },
      { key: 'later', runAtMs: T0 + 9 },
    ]);
    const claim = await claimOne(old);
    await turn(old, { ends: [end(claim, { to: 'failed', reason: 'x' })], freeSlots: 2 });
    const right = (await old.counts()).total;
    const db = rawDatabase(folder);
    const groups = () => db.prepare('SELECT name, held FROM groups').all();
    expect(groups()).toEqual([{ name: 'g', held: 2 }]);

    db.exec(
      "UPDATE groups SET held = 77; UPDATE counts SET amount = amount + 5 WHERE kind = 0; INSERT INTO groups VALUES (1, 'ghost', 1)",
    );
    expect((await old.counts()).total).not.toEqual(right);
    const store = await open(folder, 'worker');
    await store.takeOwnership(someOwner, T0);
    expect((await store.counts()).total).toEqual(right);
    expect(groups()).toEqual([{ name: 'g', held: 2 }]);

    // Strays in both directions: one ready beyond the limit, or parked although there is room.
    db.exec(`UPDATE jobs SET place = 1 WHERE place = 2`);
    await (await open(folder, 'worker')).takeOwnership(someOwner, T0);
    expect((await store.counts()).total).toEqual(right);
    db.exec(`UPDATE jobs SET place = 2 WHERE place = 1 AND group_name = 'g'`);
    await (await open(folder, 'worker')).takeOwnership(someOwner, T0);
    expect((await store.counts()).total).toEqual(right);
    expect(groups()).toEqual([{ name: 'g', held: 2 }]);
  });

  it('the states of records are counted anew when they do not add up', async () => {
    const { store: old, folder } = await owned();
    await admit(old, [{ key: 'a', onChange: 'rerun' }, { key: 'b' }, { key: 'c' }]);
    await runOne(old, { to: 'failed', reason: 'x' });
    await old.prune(T0 + 1_000, 1);
    await runOne(old);
    await admit(old, [{ key: 'b', content: '2', onChange: 'rerun' }]);
    const right = (await old.counts()).sources;
    expect(right).toMatchObject([{ records: 3, states: { pending: 2, completed: 0, failed: 1 } }]);
    rawDatabase(folder).exec('UPDATE counts SET amount = amount + 5 WHERE kind = 1');
    expect((await old.counts()).sources).not.toEqual(right);
    const store = await open(folder, 'worker');
    await store.takeOwnership(someOwner, T0);
    expect((await store.counts()).sources).toEqual(right);
  });

  it('and not after a clean one, which costs nothing', async () => {
    const { store, folder } = await owned();
    await admit(store, [{ key: 'a' }]);
    await store.releaseOwnership(1, T0);
    rawDatabase(folder).exec('UPDATE counts SET amount = 5 WHERE kind = 0');
    await (await open(folder, 'worker')).takeOwnership(someOwner, T0);
    expect((await store.counts()).total.ready).toBe(5);
  });
});
