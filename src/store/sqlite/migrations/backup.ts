import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { DoggedError } from '../../../job/errors.js';
import { syncFolder } from '../../../platform/atomic-file.js';
import { isBusy } from '../connection.js';

/**
 * Copies the database as it is now into `backups/` beside it, whole and durable or not at all, and returns the path. Asked
 * again at the same time of day it replaces that copy. Throws BACKUP_FAILED, and SQLite's own error while it is locked.
 */
export function backUp(db: Database, version: number, nowMs: number): string {
  const folder = join(dirname(db.name), 'backups');
  const stamp = new Date(nowMs).toISOString().replace(/[:.]/g, '-');
  const file = join(folder, `dogged-schema-${version}-${stamp}.db`);
  const part = `${file}.part`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    removeParts(folder);
    // The backup API starts over at each write of another process; this is one consistent read.
    db.prepare('VACUUM INTO ?').run(part);
    chmodSync(part, 0o600);
    // SQLite does not: after a power cut the only copy could be half there.
    sync(part);
    renameSync(part, file);
    syncFolder(folder);
    return file;
  } catch (error) {
    // Where the disk is full, half a copy must not keep it so.
    if (existsSync(part)) rmSync(part);
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

function sync(file: string): void {
  const fd = openSync(file, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
