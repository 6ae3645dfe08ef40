import type { Database } from 'better-sqlite3';
import { DoggedError } from '../../job/errors.js';
import type { StoreUse } from '../engine.js';

/** Older ones can lose committed pages when a WAL is reset while another process checkpoints. */
const OLDEST_SAFE_SQLITE = '3.51.3';

/** A checkpoint every 40 MB instead of every 4: 15 % more jobs a second. */
const CHECKPOINT_PAGES = 10_000;

/** A WAL that one reader once made larger than this is cut back when it starts over. */
const LARGEST_KEPT_WAL_BYTES = 80 * 1024 * 1024;

export function refuseUnsafeLibrary(db: Database): void {
  const version = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  if (isOlder(version, OLDEST_SAFE_SQLITE)) {
    throw new DoggedError('STORE_UNSAFE', {
      detail: `SQLite ${version} is older than ${OLDEST_SAFE_SQLITE}`,
    });
  }
}

export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i += 1) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Sets what durability rests on and reads it back: a pragma that is refused stays silent. */
export function setPragmas(db: Database, use: StoreUse): void {
  if (use !== 'read') {
    demand(db, 'journal_mode', 'wal');
    demand(db, 'synchronous', 2);
    demand(db, 'foreign_keys', 1);
    demand(db, 'wal_autocheckpoint', CHECKPOINT_PAGES);
    demand(db, 'journal_size_limit', LARGEST_KEPT_WAL_BYTES);
  }
  demand(db, 'trusted_schema', 0);
}

function demand(db: Database, pragma: string, wanted: string | number): void {
  db.pragma(`${pragma} = ${wanted}`);
  const found = db.pragma(pragma, { simple: true });
  if (found !== wanted) {
    throw new DoggedError('STORE_UNSAFE', { detail: `${pragma} is ${found} instead of ${wanted}` });
  }
}
