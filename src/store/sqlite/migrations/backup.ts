import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { DoggedError } from '../../../job/errors.js';
import { isBusy } from '../connection.js';
import { writeCopy } from '../write-copy.js';

/**
 * Copies the database as it is now into `backups/` beside it, whole and durable or not at all, and returns the path. Asked
 * again at the same time of day it replaces that copy. Throws BACKUP_FAILED, and SQLite's own error while it is locked.
 */
export function backUp(db: Database, version: number, nowMs: number): string {
  const folder = join(dirname(db.name), 'backups');
  const stamp = new Date(nowMs).toISOString().replace(/[:.]/g, '-');
  const file = join(folder, `dogged-schema-${version}-${stamp}.db`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    removeParts(folder);
    writeCopy(db, file, `${file}.part`, 'replace');
    return file;
  } catch (error) {
    if (isBusy(error)) throw error;
    throw new DoggedError('BACKUP_FAILED', { folder, detail: (error as Error).message }, { cause: error });
  }
}

/** What a try left that was cut off. Nobody else is at it: an upgrade needs the lock of the state folder. */
function removeParts(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (/^dogged-schema-.*\.part$/.test(name)) rmSync(join(folder, name));
  }
}
