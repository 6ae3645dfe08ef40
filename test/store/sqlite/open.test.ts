import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { acquireStateLock, openStore } from '../../../src/store/open.js';
import { MIGRATIONS } from '../../../src/store/sqlite/migrations/migrate.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import { admit, batch, ownedStore } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';
import { open, owned, rawDatabase } from './given.js';

const modeOf = (path: string) => statSync(path).mode & 0o777;
const NOW = MIGRATIONS.length;
const NEXT = [...MIGRATIONS, 'ALTER TABLE jobs ADD COLUMN colour TEXT'];

describe('the files', () => {
  it('can be read by nobody else, also when the folder was open to all', async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, 'state'), { mode: 0o755 });
    const state = join(folder, 'state');
    const { store } = await owned(state);
    await admit(store, [{ key: 'a' }]);
    const lock = await acquireStateLock(state);
    expect(modeOf(state)).toBe(0o700);
    for (const name of ['dogged.db', 'dogged.db-wal', 'dogged.db-shm', 'lock']) {
      expect([name, modeOf(join(state, name)).toString(8)]).toEqual([name, '600']);
    }
    lock.release();
  });

  it('are not made by a reader', async () => {
    const folder = tempFolder();
    await expect(open(folder, 'read')).rejects.toMatchObject({ code: 'STORE_MISSING' });
    expect(existsSync(join(folder, 'dogged.db'))).toBe(false);
    writeFileSync(join(folder, 'dogged.db'), '');
    await expect(open(folder, 'read')).rejects.toMatchObject({ code: 'STORE_MISSING' });
  });

  it.each(['worker', 'command', 'read'] as const)(
    'are refused to a %s when they are no database',
    async (use) => {
      const folder = tempFolder();
      writeFileSync(join(folder, 'dogged.db'), 'these bytes are certainly not a database'.repeat(200));
      await expect(open(folder, use)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
    },
  );

  it('that are damaged inside stop the work loudly', async () => {
    const folder = tempFolder();
    const first = await openStore(folder, 'command', systemClock);
    await first.admit(batch(Array.from({ length: 500 }, (_, n) => ({ key: `${n}` }))));
    await first.close();
    const bytes = Buffer.alloc(statSync(join(folder, 'dogged.db')).size - 4_096, 0xaa);
    const head = readFileSync(join(folder, 'dogged.db')).subarray(0, 4_096);
    writeFileSync(join(folder, 'dogged.db'), Buffer.concat([head, bytes]));
    const work = async () => {
      const store = await open(folder, 'command');
      await store.admit(batch([{ key: 'new' }]));
    };
    await expect(work()).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  });

  it('that may not be opened are named, with what to do', async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, 'dogged.db'));
    await expect(open(folder, 'command')).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' });
  });
});

describe('the schema', () => {
  it.each(['worker', 'command', 'read'] as const)('of a newer program is refused to a %s', async (use) => {
    const { folder, store } = await owned();
    await store.close();
    rawDatabase(folder).pragma('user_version = 99');
    await expect(open(folder, use)).rejects.toMatchObject({
      code: 'STORE_TOO_NEW',
      message: expect.stringContaining('schema 99'),
    });
  });

  it('of an older program is brought up to date, after a backup', async () => {
    const { folder, store } = await owned();
    await admit(store, [{ key: 'a' }]);
    await store.close();

    await expect(openSqliteStore(folder, 'read', systemClock, {}, NEXT)).rejects.toMatchObject({
      code: 'STORE_TOO_OLD',
    });
    const newer = await openSqliteStore(folder, 'command', systemClock, {}, NEXT);
    expect((await newer.list({ limit: 9 })).map(({ key }) => key)).toEqual(['a']);
    await newer.close();
    const db = rawDatabase(folder);
    expect(db.pragma('user_version', { simple: true })).toBe(NOW + 1);
    expect(db.prepare('SELECT colour FROM jobs').pluck().all()).toEqual([null]);

    const [backup, ...others] = readdirSync(join(folder, 'backups'));
    expect(others).toEqual([]);
    expect(backup).toMatch(new RegExp(`^dogged-schema-${NOW}-\\d{4}-.*\\.db$`));
    expect(modeOf(join(folder, 'backups', backup ?? ''))).toBe(0o600);
    const kept = new SqliteDatabase(join(folder, 'backups', backup ?? ''), { readonly: true });
    expect(kept.pragma('user_version', { simple: true })).toBe(NOW);
    expect(kept.prepare('SELECT key FROM jobs').pluck().all()).toEqual(['a']);
    kept.close();

    const again = await openSqliteStore(folder, 'command', systemClock, {}, NEXT);
    await again.close();
    expect(readdirSync(join(folder, 'backups'))).toHaveLength(1);
  });

  it('stays as it was when a step fails', async () => {
    const { folder, store } = await owned();
    await store.close();
    const broken = [...MIGRATIONS, 'ALTER TABLE jobs ADD COLUMN colour TEXT; SELECT nonsense'];
    await expect(openSqliteStore(folder, 'worker', systemClock, {}, broken)).rejects.toThrow('nonsense');
    const db = rawDatabase(folder);
    expect(db.pragma('user_version', { simple: true })).toBe(NOW);
    expect(
      db.prepare("SELECT count(*) FROM pragma_table_info('jobs') WHERE name = 'colour'").pluck().get(),
    ).toBe(0);
    await (await open(folder, 'worker')).close();
  });

  it('is not changed by a command under a worker of an older program', async () => {
    const { folder } = await owned();
    const lock = await acquireStateLock(folder);
    await expect(openSqliteStore(folder, 'command', systemClock, {}, NEXT)).rejects.toMatchObject({
      code: 'STATE_IN_USE',
    });
    expect(rawDatabase(folder).pragma('user_version', { simple: true })).toBe(NOW);
    lock.release();
    const command = await openSqliteStore(folder, 'command', systemClock, {}, NEXT);
    await command.close();
    expect(rawDatabase(folder).pragma('user_version', { simple: true })).toBe(NOW + 1);
  });

  it('is made once when several handles open a new store together', async () => {
    const folder = tempFolder();
    const stores = await Promise.all(Array.from({ length: 5 }, () => open(folder, 'command')));
    const reports = await Promise.all(stores.map((store) => store.admit(batch([{ key: 'same' }]))));
    const results = reports.flatMap((report) =>
      report.committed ? report.answers.map(({ result }) => result) : [],
    );
    expect(results.sort()).toEqual([...Array(4).fill('already-queued'), 'queued']);
    const store = await ownedStore({ open: (use) => open(folder, use) });
    expect((await store.counts()).total.ready).toBe(1);
  });
});
