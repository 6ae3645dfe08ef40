import { basename, dirname, extname, join } from 'node:path';
import type { FileAccess } from './file-access.js';
import { fileName } from './file-names.js';
import { isGone } from './path-trouble.js';
import { isOfNothing, type Stamp, sameInode, stampOf, stampOfNothing } from './stamp.js';

/** A file that holds some of what the log was. */
export interface Generation {
  readonly path: string;
  readonly stamp: Stamp;
}

/** What became of that which stood under the name of a log when it was read last. */
export interface Rotation {
  /** Files to read before the present one, oldest first. */
  readonly generations: readonly Generation[];
  /** The first of them goes on where the log was left; else none of them was ever looked at. */
  readonly goesOn: boolean;
  /** The first of them is the very file that was read last, under another name. */
  readonly wasMoved: boolean;
  /** The present file follows on the last of them: it holds none of their records over again. */
  readonly isContinued: boolean;
  /** What shows that something was rotated out of reach, deleted or packed: what it held past the cursor may be lost. */
  readonly gap: Generation | null;
}

const NOT_ROTATED: Rotation = {
  generations: [],
  goesOn: false,
  wasMoved: false,
  isContinued: false,
  gap: null,
};

const NAMES_A_SLICE = 2_000;
/** What `logrotate` and its kin append: a number or a date, and perhaps the suffix of a packed file. */
const SUFFIX = /^[.-](\d[\dT:_.-]*?)(\.(?:gz|xz|bz2|zst))?$/;

interface Sibling extends Generation {
  /** The number or date of a rotated name; null for any other name. */
  readonly mark: string | null;
  readonly isPacked: boolean;
}

/**
 * Looks among the neighbours of a log for what it was before: the file that was moved away, by its inode, or a copy that
 * was made before the log was truncated, by its content (`fits`). Yields between slices.
 */
export function* findRotation(
  files: FileAccess,
  log: string,
  seen: {
    readonly last: Stamp;
    /** What stands under its name now is the file that was read last. */
    readonly isSame: boolean;
    /** That file, which may have been rotated as well since it was opened. */
    readonly present: Stamp | null;
    /** The generation that was read last: neither it nor what is older is read again. */
    readonly done: Stamp | null;
  },
  fits: (path: string, isSameInode: boolean) => boolean,
): Generator<void, Rotation> {
  const { last, isSame, present, done } = seen;
  const all = yield* listCalm(files, log);
  const isItself = ({ stamp }: Sibling) => present !== null && sameInode(stamp, present);
  const siblings = all.filter((sibling) => !isItself(sibling));
  const named = all.filter((sibling) => sibling.mark !== null).sort(oldestFirst);
  // Rotated since it was opened: what is newer than the present one comes after it, with a later look.
  const rotated = named.slice(0, firstIndex(named, isItself));
  const moved = isSame ? undefined : siblings.find(({ stamp }) => sameInode(stamp, last));
  if (moved !== undefined && fits(moved.path, true)) {
    const later = rotated.includes(moved) ? rotated.slice(rotated.indexOf(moved) + 1) : [];
    return {
      generations: unpacked([moved, ...later]),
      goesOn: true,
      wasMoved: true,
      // A name such as `log.bak` may be a copy that the program keeps while it writes all its records again.
      isContinued: moved.mark !== null,
      gap: firstPacked(later),
    };
  }
  const isDone = ({ stamp }: Sibling) => done !== null && isUnchanged(stamp, done);
  const unread = rotated.slice(rotated.findLastIndex(isDone) + 1);
  const isCopy = ({ path, stamp, isPacked }: Sibling) =>
    !isPacked && stamp.mtimeNs > last.ctimeNs && fits(path, false);
  const copies = unread.slice(lastIndex(unread, isCopy));
  // What was last written before we looked holds nothing new, unless it is the very file and was rewritten since. The
  // log's own mtime is no measure of that: programs set it.
  const isUnseen = (sibling: Sibling) => sibling === moved || sibling.stamp.mtimeNs >= last.ctimeNs;
  const unseen = unread.slice(firstIndex(unread, isUnseen));
  const [first] = unseen;
  if (first === undefined) return NOT_ROTATED;
  // Emptied while it was being read, it may begin with what comes after a generation that nobody has looked at. What fits
  // before the last copy is an earlier copy of the same.
  const goesOn = copies.length > 0 && unseen.slice(0, -copies.length).every(isCopy);
  const later = goesOn ? copies : unseen;
  // What the log was when we read it last was replaced, or rotated out of reach: then its end is missing.
  const isAccounted = copies.length > 0 || first === moved || isSame || isOfNothing(last);
  const gap = isAccounted ? firstPacked(later) : first;
  return { ...NOT_ROTATED, generations: unpacked(later), goesOn, gap };
}

/** The stamp of a log that is not there: whatever stands beside it now was there before, and is none of its generations. */
export function* stampOfAbsent(files: FileAccess, log: string, folder: Stamp): Generator<void, Stamp> {
  const siblings = yield* listSiblings(files, log);
  const isLater = (a: bigint, b: bigint) => (a > b ? a : b);
  const afterAllNs = siblings.map(({ stamp }) => stamp.ctimeNs + 1n).reduce(isLater, folder.ctimeNs);
  return stampOfNothing(folder.dev, afterAllNs);
}

/** Renaming a file moves its ctime. */
function isUnchanged(a: Stamp, b: Stamp): boolean {
  return sameInode(a, b) && a.size === b.size && a.mtimeNs === b.mtimeNs;
}

function firstPacked(siblings: readonly Sibling[]): Generation | null {
  return siblings.find(({ isPacked }) => isPacked) ?? null;
}

function unpacked(siblings: readonly Sibling[]): readonly Generation[] {
  return siblings.filter(({ isPacked }) => !isPacked);
}

/** The length where there is none, as in `firstIndex`. */
function lastIndex<T>(list: readonly T[], matches: (item: T) => boolean): number {
  const index = list.findLastIndex(matches);
  return index === -1 ? list.length : index;
}

/** The length where there is none: nothing follows. */
function firstIndex<T>(list: readonly T[], matches: (item: T) => boolean): number {
  const index = list.findIndex(matches);
  return index === -1 ? list.length : index;
}

function oldestFirst(a: Sibling, b: Sibling): number {
  return isNewer(b.mark ?? '', a.mark ?? '') ? -1 : 1;
}

/** `log.1` is newer than `log.2`, but `log-20260102` is newer than `log-20260101`. */
function isNewer(mark: string, than: string): boolean {
  const [a, b] = [Number(mark), Number(than)];
  const areNumbers = mark.length < 6 && than.length < 6 && Number.isInteger(a) && Number.isInteger(b);
  return areNumbers ? a < b : mark > than;
}

/** So often a folder is listed until two lists are the same: names that are shifted meanwhile are missed or met twice. */
const MOST_LISTS = 10;

function* listCalm(files: FileAccess, log: string): Generator<void, Sibling[]> {
  let former = '';
  for (let n = 0; ; n += 1) {
    const siblings = yield* listSiblings(files, log);
    const list = siblings.map(({ path, stamp }) => `${stamp.dev}:${stamp.ino} ${path}`).join('\n');
    if (list === former || n === MOST_LISTS) return siblings;
    former = list;
  }
}

function* listSiblings(files: FileAccess, log: string): Generator<void, Sibling[]> {
  const folder = dirname(log);
  const own = basename(log);
  const stem = basename(log, extname(log));
  const siblings: Sibling[] = [];
  const names = files.list(folder);
  try {
    let looked = 0;
    for (let name = names.next(); name !== null; name = names.next()) {
      looked += 1;
      if (looked % NAMES_A_SLICE === 0) yield;
      const { text, bytes } = fileName(name);
      if (bytes !== null || text === own || !text.startsWith(stem)) continue;
      const path = join(folder, text);
      const stamp = regularStamp(files, path);
      if (stamp === null) continue;
      const suffix = SUFFIX.exec(rotatedPart(text, own, stem, extname(log)));
      siblings.push({ path, stamp, mark: suffix?.[1] ?? null, isPacked: suffix?.[2] !== undefined });
    }
  } finally {
    names.close();
  }
  return siblings;
}

/** `.1` of `log.json.1`, and of `log.1.json` too. */
function rotatedPart(name: string, own: string, stem: string, extension: string): string {
  if (name.startsWith(own)) return name.slice(own.length);
  const rest = name.slice(stem.length);
  return extension !== '' && rest.endsWith(extension) ? rest.slice(0, -extension.length) : '';
}

function regularStamp(files: FileAccess, path: string): Stamp | null {
  try {
    const stats = files.lstat(path);
    return stats.isFile() ? stampOf(stats) : null;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}
