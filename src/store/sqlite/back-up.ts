import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import { sizeText } from '../../platform/duration-text.js';
import type { StoredBackup } from '../care.js';
import { connect, isBusy, named } from './connection.js';
import { findDamage } from './soundness.js';
import { writeCopy } from './write-copy.js';

/**
 * Copies the store of a state folder to `file`, whether a worker runs or not: one consistent state, checked, durable, under
 * a name that was free. At least `leaveFreeBytes` of the disk stay free. Throws STORE_MISSING, STORE_BUSY, STORE_DAMAGED,
 * BACKUP_UNWRITTEN.
 */
export async function backUpTo(
  stateFolder: string,
  file: string,
  leaveFreeBytes: number,
  clock: Clock,
): Promise<StoredBackup> {
  const source = join(stateFolder, 'dogged.db');
  const refuse = (detail: string, cause?: unknown) =>
    new DoggedError('BACKUP_UNWRITTEN', { file, detail }, { cause });
  const connection = await connect(source, 'read', clock);
  try {
    if (existsSync(file)) throw refuse('there is a file of that name, and nothing is overwritten');
    const missing = missingRoom(source, dirname(file), leaveFreeBytes);
    if (missing !== null) throw refuse(missing);
    const madeAtMs = clock.wallMs();
    const part = `${file}.${process.pid}.part`;
    const check = (copy: string) => {
      const damage = findDamage(copy);
      if (damage !== null) throw refuse(`the copy is not sound: ${damage}`);
    };
    await connection.retry(() => writeCopy(connection.db, file, part, 'never', check));
    return { file, madeAtMs, sizeBytes: statSync(file).size };
  } catch (error) {
    if (error instanceof DoggedError && error.code !== 'STORE_UNWRITABLE') throw error;
    if (isBusy(error)) throw named(error, source);
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw refuse('there is a file of that name, and nothing is overwritten', error);
    if (code === 'ENOENT') throw refuse('its folder is not there', error);
    throw refuse(error instanceof SqliteDatabase.SqliteError ? `${message} (${code})` : message, error);
  } finally {
    connection.db.close();
  }
}

/** Half a copy would be written for nothing, and would take the worker's last room meanwhile. */
function missingRoom(source: string, folder: string, leaveFreeBytes: number): string | null {
  if (!existsSync(folder)) return 'its folder is not there';
  const needBytes = sizeOf(source) + sizeOf(`${source}-wal`);
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= needBytes + leaveFreeBytes) return null;
  const stays = leaveFreeBytes === 0 ? '' : `, and ${sizeText(leaveFreeBytes)} are to stay free`;
  return `it may need ${sizeText(needBytes)}${stays}, but the disk has ${sizeText(freeBytes)}`;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
