import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import SqliteDatabase from 'better-sqlite3';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { backUpStore, type StoreCare } from '../../../src/store/care.js';
import { admit } from '../../conformance/given.js';
import { builtCli } from '../../support/built-program.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';
import { owned, rawDatabase } from './given.js';

const GIB = 1024 ** 3;

/** The compiled one: it starts a program of its own. */
async function careFor(stateFolder: string, leaveFreeBytes = 0): Promise<StoreCare> {
  const module = await import(pathToFileURL(join(dirname(builtCli()), 'store', 'care.js')).href);
  return module.careFor(stateFolder, leaveFreeBytes, systemClock);
}

function jobsIn(file: string): unknown {
  const db = new SqliteDatabase(file, { readonly: true });
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    return db.prepare('SELECT count(*) FROM jobs').pluck().get();
  } finally {
    db.close();
  }
}

test('a backup holds what was committed when it was made, though it stood in the WAL alone', async () => {
  const { store, folder } = await owned();
  await admit(store, [{ key: 'a' }, { key: 'b' }]);
  const file = join(tempFolder(), 'copy.db');
  const made = await backUpStore(folder, file, systemClock);
  await admit(store, [{ key: 'c' }]);
  expect(made).toMatchObject({ file, sizeBytes: statSync(file).size });
  expect(jobsIn(file)).toBe(2);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(dirname(file))).toEqual(['copy.db']);
});

test('a name that is taken is refused, and what has it stays as it was', async () => {
  const { folder } = await owned();
  const file = join(tempFolder(), 'mine.db');
  writeFileSync(file, 'mine');
  await expect(backUpStore(folder, file, systemClock)).rejects.toMatchObject({ code: 'BACKUP_UNWRITTEN' });
  expect(readFileSync(file, 'utf8')).toBe('mine');
  expect(readdirSync(dirname(file))).toEqual(['mine.db']);
});

test('without a folder, a disk with room or a database it is refused with the reason, and nothing is left', async () => {
  const { folder } = await owned();
  const target = tempFolder();
  await expect(backUpStore(folder, join(target, 'no', 'copy.db'), systemClock)).rejects.toThrow('folder');
  await expect(backUpStore(tempFolder(), join(target, 'copy.db'), systemClock)).rejects.toMatchObject({
    code: 'STORE_MISSING',
  });
  const care = await careFor(folder, 1_000_000 * GIB);
  await expect(care.backUp(3, new AbortController().signal)).rejects.toMatchObject({
    code: 'BACKUP_UNWRITTEN',
    message: expect.stringMatching(/to stay free, but the disk has/),
  });
  expect(readdirSync(target)).toEqual([]);
  expect(readdirSync(join(folder, 'backups'))).toEqual([]);
});

test('a damaged database is no backup, and is called damaged', async () => {
  const { store, folder } = await owned();
  await admit(
    store,
    Array.from({ length: 200 }, (_, i) => ({ key: `k${i}` })),
  );
  rawDatabase(folder).pragma('wal_checkpoint(TRUNCATE)');
  const broken = tempFolder();
  copyFileSync(join(folder, 'dogged.db'), join(broken, 'dogged.db'));
  const bytes = readFileSync(join(broken, 'dogged.db'));
  bytes.fill(0xff, 4096 * 3, 4096 * 12);
  writeFileSync(join(broken, 'dogged.db'), bytes);
  const target = tempFolder();
  await expect(backUpStore(broken, join(target, 'copy.db'), systemClock)).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
  });
  expect(readdirSync(target)).toEqual([]);
});

test('the newest are kept, and what is not of this kind is left alone', async () => {
  const { folder } = await owned();
  const backups = join(folder, 'backups');
  mkdirSync(backups);
  const others = ['dogged-schema-1-2026-01-01T00-00-00-000Z.db', 'mine.db'];
  const old = ['dogged-2026-01-01T00-00-00-000Z.db', 'dogged-2026-01-02T00-00-00-000Z.db'];
  for (const name of [...others, ...old]) writeFileSync(join(backups, name), '');
  writeFileSync(join(backups, 'dogged-2026-01-03T00-00-00-000Z.db.999999999.part'), 'half');
  const care = await careFor(folder);
  const { file, removed } = await care.backUp(2, new AbortController().signal);
  expect(removed).toBe(1);
  expect(readdirSync(backups).sort()).toEqual(
    [...others, 'dogged-2026-01-02T00-00-00-000Z.db', file.slice(backups.length + 1)].sort(),
  );
  expect(jobsIn(file)).toBe(0);
});

test('the one that was just made stays, also when the clock says that it is the oldest', async () => {
  const { folder } = await owned();
  const backups = join(folder, 'backups');
  mkdirSync(backups);
  writeFileSync(join(backups, 'dogged-2099-01-01T00-00-00-000Z.db'), '');
  const care = await careFor(folder);
  const { file } = await care.backUp(1, new AbortController().signal);
  expect(care.backups().map((backup) => backup.file)).toEqual([file]);
});

test('a stop ends a copy in the making, and its beginnings are removed by the next one', async () => {
  const { folder, store } = await owned();
  await admit(store, [{ key: 'a' }]);
  const care = await careFor(folder);
  const stop = new AbortController();
  const making = care.backUp(3, stop.signal);
  await until(() => existsSync(join(folder, 'backups')));
  stop.abort();
  await expect(making).rejects.toMatchObject({ name: 'AbortError' });
  await care.backUp(3, new AbortController().signal);
  expect(readdirSync(join(folder, 'backups')).every((name) => name.endsWith('Z.db'))).toBe(true);
});
