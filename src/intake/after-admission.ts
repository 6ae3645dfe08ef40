import { closeSync, lstatSync, mkdirSync, openSync, renameSync, unlinkSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { syncFolder } from '../platform/atomic-file.js';
import { errorCode } from './path-trouble.js';
import { type Stamp, sameInode, stampOf } from './stamp.js';

/** Folder beside the files of a source into which `after: archive` moves them. */
const ARCHIVE_FOLDER = 'archived';

/**
 * Does with a file what `after` says, once every record of it is admitted. `stamp` is the one under which it was read: a
 * file that has changed since, up to the last moment, is put back and left alone. Returns whether the file is gone.
 *
 * Never overwrites: a name that is taken in the archive gets a number. Throws what the file system says.
 */
export function afterAdmission(path: string, stamp: Stamp, after: 'archive' | 'delete'): boolean {
  if (!isSameFile(path, stamp)) return false;
  const aside =
    after === 'archive' ? reserveName(join(dirname(path), ARCHIVE_FOLDER), path) : hiddenName(path);
  renameSync(path, aside);
  // Renaming sets ctime, so only the rest of the stamp can be compared from here on.
  if (!isSameFile(aside, stamp)) {
    putBack(aside, path);
    return false;
  }
  if (after === 'delete') unlinkSync(aside);
  else syncFolder(dirname(aside));
  syncFolder(dirname(path));
  return true;
}

function isSameFile(path: string, stamp: Stamp): boolean {
  const now = stampOf(lstatSync(path, { bigint: true }));
  return sameInode(now, stamp) && now.size === stamp.size && now.mtimeNs === stamp.mtimeNs;
}

/** A rename replaces what is there, so the name is first taken by an empty file of our own. */
function reserveName(folder: string, path: string): string {
  mkdirSync(folder, { recursive: true });
  const { name, ext } = parse(path);
  for (let n = 0; ; n += 1) {
    const candidate = join(folder, n === 0 ? `${name}${ext}` : `${name}.${n}${ext}`);
    try {
      closeSync(openSync(candidate, 'wx', 0o600));
      return candidate;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}

/** Temporary names are never read, so a crash in between leaves no second record. */
function hiddenName(path: string): string {
  const { dir, base } = parse(path);
  return join(dir, `.${base}.${process.pid}.tmp`);
}

/** Somebody wrote to the file in the instant before the rename. If its name is taken by a newer one, it gets a number. */
function putBack(aside: string, path: string): void {
  renameSync(aside, reserveName(dirname(path), path));
}
