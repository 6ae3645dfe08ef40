import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { syncFolder } from '../platform/atomic-file.js';
import { failpoint } from '../platform/failpoint.js';
import { errorCode, isGone } from './path-trouble.js';
import { type Stamp, sameInode, stampOf } from './stamp.js';

/** Folder beside the files of a source into which `after: archive` moves them. */
const ARCHIVE_FOLDER = 'archived';
/** Where a file stands for the moment in which we make sure of it. Its name is hidden: nothing in it is read. */
const ASIDE_FOLDER = '.dogged-aside';

/**
 * Does with a file what `after` says, once every record of it is admitted. `stamp` is the one under which it was read: a
 * file that has changed since, up to the last moment, is put back and left alone. Returns whether the file is gone.
 *
 * Never overwrites: a name that is taken in the archive gets a number. Throws what the file system says; `returnAside`
 * then finds what was left on the way.
 */
export function afterAdmission(path: string, stamp: Stamp, after: 'archive' | 'delete'): boolean {
  if (!isSameFile(path, stamp)) return false;
  const folder = dirname(path);
  const aside = join(folder, ASIDE_FOLDER, parse(path).base);
  makeFolder(dirname(aside));
  failpoint('after.before-rename');
  renameSync(path, aside);
  failpoint('after.after-rename');
  // Renaming sets ctime, so only the rest of the stamp can be compared from here on.
  const isUnchanged = isSameFile(aside, stamp);
  failpoint('after.before-end');
  if (!isUnchanged) moveInto(folder, aside);
  else if (after === 'delete') unlinkSync(aside);
  else {
    const archive = join(folder, ARCHIVE_FOLDER);
    makeFolder(archive);
    moveInto(archive, aside);
    syncFolder(archive);
  }
  rmdirSync(dirname(aside));
  syncFolder(folder);
  return isUnchanged;
}

/**
 * Puts back what a worker that was killed had set aside: perhaps somebody wrote to it in the last moment. Names that are
 * taken by now get a number. Throws what the file system says.
 */
export function returnAside(folder: string): void {
  const aside = join(folder, ASIDE_FOLDER);
  const names = namesIn(aside);
  if (names === null) return;
  for (const name of names) moveInto(folder, join(aside, name));
  rmdirSync(aside);
}

/** null when there is no such folder. */
function namesIn(folder: string): string[] | null {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function isSameFile(path: string, stamp: Stamp): boolean {
  const now = stampOf(lstatSync(path, { bigint: true }));
  return sameInode(now, stamp) && now.size === stamp.size && now.mtimeNs === stamp.mtimeNs;
}

/** Not recursive: on a read-only mount Node would then say ENOENT, as if the file were gone. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

/** Under its own name, or under a number where that is taken. Nothing is overwritten, whoever writes there meanwhile. */
function moveInto(folder: string, file: string): void {
  const { name, ext } = parse(file);
  for (let n = 0; ; n += 1) {
    const target = join(folder, n === 0 ? `${name}${ext}` : `${name}.${n}${ext}`);
    if (isMoved(file, target)) return;
  }
}

/** False when the name is taken. A rename would replace what is there; a link does not. */
function isMoved(file: string, target: string): boolean {
  try {
    linkSync(file, target);
  } catch (error) {
    const code = errorCode(error);
    if (code === null || NO_LINKS.has(code)) return isRenamed(file, target);
    if (code !== 'EEXIST') throw error;
    // A worker that was killed here had made the link already.
    if (!isSameInode(file, target)) return false;
  }
  unlinkSync(file);
  return true;
}

/** What file systems without links (FAT) say. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Without links the name is first taken by an empty file of our own. */
function isRenamed(file: string, target: string): boolean {
  try {
    closeSync(openSync(target, 'wx', 0o600));
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  renameSync(file, target);
  return true;
}

function isSameInode(file: string, other: string): boolean {
  const [a, b] = [file, other].map((path) => stampOf(lstatSync(path, { bigint: true })));
  return a !== undefined && b !== undefined && sameInode(a, b);
}
