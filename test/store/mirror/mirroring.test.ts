import type { Database } from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/engine.js';
import {
  copyNext,
  forgetMirror,
  isMirroring,
  startCopy,
  startMirror,
  stopMirror,
} from '../../../src/store/mirror/mirroring.js';
import { beginMove } from '../../../src/store/sqlite/move-book.js';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { admit, claimOne, end, T0, turn } from '../../conformance/given.js';
import { owned, rawDatabase } from '../sqlite/given.js';

async function place(): Promise<{ store: Store; db: Database }> {
  const { store, folder } = await owned();
  return { store, db: rawDatabase(folder, { timeout: 5_000 }) };
}

function begin(db: Database): string {
  return db.transaction(() => {
    beginMove(db, { source: 'sqlite', target: 'redis://127.0.0.1:6379/0', phase: 'dual', startedAtMs: T0 });
    return startMirror(db);
  })();
}

const line = (db: Database) =>
  db.prepare('SELECT job_id AS id, workspace, revision FROM mirror_outbox ORDER BY job_id').all() as {
    id: number;
    workspace: string;
    revision: number;
  }[];

const sent = (db: Database) => db.exec('DELETE FROM mirror_outbox');

describe('while jobs are mirrored', () => {
  it('each change of a job puts it in line with the same commit, and its revision only grows', async () => {
    const { store, db } = await place();
    await admit(store, [{ key: 'before' }]);
    const mirror = begin(db);
    expect(mirror).toMatch(/^[0-9a-f]{12}$/);
    expect(line(db)).toEqual([]);

    await admit(store, [{ key: 'a' }]);
    const [added] = line(db);
    expect(added).toMatchObject({ id: 2, workspace: 'default' });

    const claim = await claimOne(store);
    const claimed = line(db).find(({ id }) => String(id) === claim.id);
    expect(claimed?.revision).toBeGreaterThan(added?.revision ?? 0);

    sent(db);
    await turn(store, { ends: [end(claim, { to: 'completed' })], freeSlots: 0 });
    expect(line(db).map(({ id }) => String(id))).toEqual([claim.id]);
    expect(line(db)[0]?.revision).toBeGreaterThan(claimed?.revision ?? 0);

    sent(db);
    await store.prune(T0 + 1e12, 10);
    expect(line(db)).toMatchObject([{ id: Number(claim.id), workspace: 'default' }]);
  });

  it('a mark in the history alone puts a job in line as well', async () => {
    const { store, db } = await place();
    await admit(store, [{ key: 'a' }]);
    begin(db);
    db.exec(
      "INSERT INTO events (job_id, number, after_attempt, at, event, detail) VALUES (1, 1, 0, 0, 'held', '')",
    );
    expect(line(db)).toMatchObject([{ id: 1 }]);
    await store.close();
  });

  it('a change that is rolled back puts nothing in line', async () => {
    const { store, db } = await place();
    begin(db);
    const before = db.prepare('SELECT revision FROM move').get();
    db.exec("CREATE TRIGGER no AFTER INSERT ON mirror_outbox BEGIN SELECT RAISE (ABORT, 'no'); END");
    await expect(admit(store, [{ key: 'a' }])).rejects.toThrow('no');
    expect((await store.counts()).total.ready).toBe(0);
    expect(db.prepare('SELECT revision FROM move').get()).toEqual(before);
  });

  it('those that were there before are put in line page by page, and each page once', async () => {
    const { store, db } = await place();
    await admit(
      store,
      Array.from({ length: 5 }, (_, n) => ({ key: `k${n}` })),
    );
    begin(db);
    await admit(store, [{ key: 'later' }]);
    expect(copyNext(db, 2)).toBe(false);
    expect(readMove(db)).toMatchObject({ copiedTo: 0, copyUntil: null });
    startCopy(db);
    await admit(store, [{ key: 'last' }]);
    sent(db);
    expect(copyNext(db, 4)).toBe(true);
    expect(readMove(db)).toMatchObject({ copiedTo: 4, copyUntil: 6, behind: 4 });
    expect(copyNext(db, 4)).toBe(true);
    expect(copyNext(db, 4)).toBe(false);
    expect(line(db).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe('where jobs are no longer mirrored', () => {
  it('no trigger stands in the database, and nobody is put in line', async () => {
    const { store, db } = await place();
    const mirror = begin(db);
    await admit(store, [{ key: 'a' }]);
    expect(isMirroring(db)).toBe(true);
    db.transaction(() => stopMirror(db))();
    expect(isMirroring(db)).toBe(false);
    await admit(store, [{ key: 'b' }]);
    expect(line(db)).toEqual([]);
    expect(readMove(db)?.mirror).toBe(mirror);
    forgetMirror(db);
    expect(readMove(db)?.mirror).toBeNull();
    // Asked again by whoever takes the move up.
    db.transaction(() => stopMirror(db))();
  });
});
