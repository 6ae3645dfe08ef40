import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { connect } from '../../../src/store/sqlite/connection.js';
import { isOlder, setPragmas } from '../../../src/store/sqlite/pragmas.js';
import { tempFolder } from '../../support/temp-folder.js';

it.each(['worker', 'command'] as const)('a %s waits for the disk at each commit', async (use) => {
  const file = join(tempFolder(), 'x.db');
  // SQLite has other defaults for a file that is already in WAL mode.
  (await connect(file, use, systemClock)).db.close();
  const { db } = await connect(file, use, systemClock);
  onTestFinished(() => void db.close());
  const pragma = (name: string) => db.pragma(name, { simple: true });
  expect(pragma('journal_mode')).toBe('wal');
  expect(pragma('synchronous')).toBe(2);
  expect(pragma('foreign_keys')).toBe(1);
  expect(pragma('wal_autocheckpoint')).toBe(10_000);
  expect(pragma('busy_timeout')).toBe(use === 'worker' ? 25 : 5_000);
});

it('is refused where SQLite silently keeps another journal', () => {
  const db = new SqliteDatabase(':memory:');
  onTestFinished(() => void db.close());
  expect(() => setPragmas(db, 'worker')).toThrow('journal_mode is memory instead of wal');
});

it.each([
  ['3.51.2', true],
  ['3.51.3', false],
  ['3.52.0', false],
  ['4.0.0', false],
  ['3.6.23', true],
])('takes SQLite %s for too old: %s', (version, older) => {
  expect(isOlder(version, '3.51.3')).toBe(older);
});
