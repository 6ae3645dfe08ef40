import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { syncFolder } from '../../platform/atomic-file.js';

/**
 * Writes the database as it is now to `file`, whole and durable or not at all: one consistent read, so writers go on.
 * `part` is a name in the same folder that nobody else uses. With `never`, throws EEXIST where something has that name; and
 * whatever `check` throws of the copy before it gets its name.
 */
export function writeCopy(
  db: Database,
  file: string,
  part: string,
  overwrite: 'replace' | 'never',
  check: (part: string) => void = () => undefined,
): void {
  try {
    // The backup API starts over at each write of another process; this is one consistent read.
    db.prepare('VACUUM INTO ?').run(part);
    chmodSync(part, 0o600);
    check(part);
    // SQLite does not: after a power cut the only copy could be half there.
    sync(part);
    if (overwrite === 'never') moveWithoutOverwriting(part, file);
    else renameSync(part, file);
    syncFolder(dirname(file));
  } catch (error) {
    // Where the disk is full, half a copy must not keep it so.
    rmSync(part, { force: true });
    throw error;
  }
}

/** Makes what was written to `file` survive a power cut. */
export function sync(file: string): void {
  const fd = openSync(file, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** A link refuses a name that is taken; a rename would take it away. */
function moveWithoutOverwriting(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!NO_LINKS.has(code)) throw error;
    // A memory stick with FAT knows no links: between look and rename somebody could take the name.
    if (existsSync(to)) throw Object.assign(new Error(`${to} is there already`), { code: 'EEXIST' });
    renameSync(from, to);
    return;
  }
  rmSync(from);
}
