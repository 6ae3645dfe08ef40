import SqliteDatabase from 'better-sqlite3';
import { openDatabase } from './driver.js';

/** So many of the faults that SQLite finds are told: a torn file has thousands. */
const FAULTS_TOLD = 5;

/**
 * Reads every page of a database and says what is wrong with it; null when it is sound. Throws what stands in the way of
 * the check itself, such as a lock or a disk that does not answer.
 */
export function findDamage(file: string): string | null {
  try {
    const db = openDatabase(file, { timeout: 5_000, readonly: true });
    try {
      const faults = db.prepare(`PRAGMA quick_check(${FAULTS_TOLD})`).pluck().all() as string[];
      return faults.length === 1 && faults[0] === 'ok' ? null : faults.join('; ').replaceAll('\n', ' ');
    } finally {
      db.close();
    }
  } catch (error) {
    if (isDamage(error)) return (error as Error).message;
    throw error;
  }
}

/** SQLite's own word that the file is not what it should be. */
function isDamage(error: unknown): boolean {
  return error instanceof SqliteDatabase.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
}
