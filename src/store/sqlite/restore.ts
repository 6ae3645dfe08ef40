import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { syncFolder } from '../../platform/atomic-file.js';
import type { Restoration } from '../care.js';
import { listBackups } from './backup-folder.js';
import { removeDamageNote, writeDamageNote } from './damage-note.js';
import { openDatabase } from './driver.js';
import { MIGRATIONS, migrate, schemaVersion } from './migrations/migrate.js';
import { writeRestoration } from './restoration.js';
import { findDamage } from './soundness.js';
import { sync } from './write-copy.js';

/** Files of SQLite beside a database. The shared memory is worth nothing by itself, but goes along. */
const BESIDE = ['-wal', '-shm'];

/**
 * Puts the newest sound backup, or else an empty database, in the place of a damaged one, which is moved aside with its WAL
 * and never deleted. The caller holds the lock of the state folder, and nobody has the database open in this process. Broken
 * off anywhere, it is finished by `finishMove`. Throws what the file system says; the damaged one is then where it was.
 */
export function restore(stateFolder: string, detail: string, nowMs: number): Restoration {
  const replacement = partOf(stateFolder);
  const stamp = new Date(nowMs).toISOString().replace(/[:.]/g, '-');
  const damagedAs = `dogged.db.damaged-${stamp}`;
  const { from, madeAtMs } = writeReplacement(stateFolder, replacement);
  writeDamageNote(stateFolder, { detail, alarms: 1, pending: true, move: { damagedAs, from } });
  const restoration: Restoration = { atMs: nowMs, detail, damagedAs, from, madeAtMs, acknowledged: false };
  // Told before it is done: a crash between the two must not make it a quiet one.
  writeRestoration(stateFolder, restoration);
  finishMove(stateFolder, damagedAs);
  return restoration;
}

/** Every step asks whether it was done already. */
export function finishMove(stateFolder: string, damagedAs: string): void {
  const database = join(stateFolder, 'dogged.db');
  const aside = join(stateFolder, damagedAs);
  const replacement = partOf(stateFolder);
  if (!existsSync(aside) && existsSync(database)) renameSync(database, aside);
  // Without the replacement it is in place already, and a WAL beside it is its own.
  if (existsSync(replacement)) {
    for (const suffix of BESIDE) {
      if (existsSync(database + suffix)) renameSync(database + suffix, aside + suffix);
    }
    syncFolder(stateFolder);
    renameSync(replacement, database);
  }
  syncFolder(stateFolder);
  removeDamageNote(stateFolder);
}

function partOf(stateFolder: string): string {
  return join(stateFolder, 'dogged.db.restored.part');
}

function writeReplacement(
  stateFolder: string,
  replacement: string,
): { from: string | null; madeAtMs: number | null } {
  for (const { file, madeAtMs } of listBackups(stateFolder, 'all')) {
    removeDatabase(replacement);
    copyFileSync(file, replacement);
    if (findDamage(replacement) !== null || !forgetCursors(replacement)) continue;
    sync(replacement);
    return { from: basename(file), madeAtMs };
  }
  removeDatabase(replacement);
  writeEmpty(stateFolder, replacement);
  sync(replacement);
  return { from: null, madeAtMs: null };
}

/** All that the files hold is then held against the older ledger. False for what is no store that we know. */
function forgetCursors(file: string): boolean {
  chmodSync(file, 0o600);
  return withDatabase(file, (db) => {
    const schema = schemaVersion(db);
    if (schema === 0 || schema > MIGRATIONS.length) return false;
    db.exec('DELETE FROM cursors');
    return true;
  });
}

function writeEmpty(stateFolder: string, file: string): void {
  const storeId = readStoreId(join(stateFolder, 'dogged.db'));
  withDatabase(file, (db) => {
    migrate(db, 0);
    // By this mark the processes that a dead worker left are known.
    if (storeId !== null) db.prepare('UPDATE meta SET store_id = ?, clean_stop = 0').run(storeId);
  });
  chmodSync(file, 0o600);
}

function readStoreId(damaged: string): string | null {
  try {
    return withDatabase(
      damaged,
      (db) => db.prepare('SELECT store_id FROM meta').pluck().get() as string,
      true,
    );
  } catch {
    // The page on which it stands is among the damaged ones.
    return null;
  }
}

function withDatabase<T>(file: string, work: (db: Database) => T, readonly = false): T {
  const db = openDatabase(file, { timeout: 1_000, readonly });
  try {
    return work(db);
  } finally {
    db.close();
  }
}

function removeDatabase(file: string): void {
  for (const suffix of ['', '-journal', ...BESIDE]) rmSync(file + suffix, { force: true });
}
