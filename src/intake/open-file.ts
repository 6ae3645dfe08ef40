import type { BigIntStats } from 'node:fs';
import { dirname, sep } from 'node:path';
import type { FileAccess, PathName } from './file-access.js';
import { folderMissing, isGone } from './path-trouble.js';
import { type Stamp, stampOf } from './stamp.js';

/** A path that is there, but is not ours to read or to move; the text is for people. */
export class NotReadable extends Error {
  override readonly name = 'NotReadable';
  /** A folder or a FIFO in a folder of files is passed over; of a link its user must hear. */
  readonly isPassedOver: boolean;

  constructor(message: string, isPassedOver: boolean) {
    super(message);
    this.isPassedOver = isPassedOver;
  }
}

export interface OpenFile {
  readonly fd: number;
  readonly stamp: Stamp;
  readonly sizeBytes: number;
  /** When this inode became this file, where the file system knows: tells a reused number from the file that had it. */
  readonly bornNs: bigint;
}

export interface ResolvedFile {
  readonly path: PathName;
  readonly stats: BigIntStats;
}

/**
 * Where a path really is: itself, or what a symbolic link points at. Throws NotReadable for a link that is not allowed or
 * leaves `root`, and for whatever is not a regular file; throws the file system's error otherwise.
 */
export function resolveFile(
  files: FileAccess,
  path: PathName,
  rule: { readonly followSymlinks: boolean; readonly root: string },
): ResolvedFile {
  const stats = files.lstat(path);
  if (stats.isFile()) return { path, stats };
  if (!stats.isSymbolicLink()) throw new NotReadable(`it is ${kindOf(stats)}, not a file`, true);
  if (!rule.followSymlinks) {
    throw new NotReadable('it is a symbolic link: set followSymlinks if it may be followed', false);
  }
  const target = files.realPath(path);
  const root = files.realPath(rule.root);
  if (dirname(target) !== root && !target.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw new NotReadable('it is a symbolic link that leaves the folder of its source', false);
  }
  const targetStats = files.lstat(target);
  if (!targetStats.isFile()) {
    throw new NotReadable(`it links to ${kindOf(targetStats)}, not to a file`, false);
  }
  return { path: target, stats: targetStats };
}

/** Opens what `resolveFile` found; what is no regular file by now (a FIFO that took its place) is refused unread. */
export function openFile(files: FileAccess, path: PathName): OpenFile {
  const fd = files.open(path);
  try {
    const stats = files.fstat(fd);
    if (!stats.isFile()) throw new NotReadable(`it is ${kindOf(stats)}, not a file`, true);
    return { fd, stamp: stampOf(stats), sizeBytes: Number(stats.size), bornNs: stats.birthtimeNs };
  } catch (error) {
    files.close(fd);
    throw error;
  }
}

/** Throws NotReadable, with what to do, when there is no such folder; throws the file system's error otherwise. */
export function folderStamp(files: FileAccess, folder: PathName): Stamp {
  try {
    return stampOf(files.stat(folder));
  } catch (error) {
    if (isGone(error)) throw new NotReadable(folderMissing(String(folder)), false);
    throw error;
  }
}

function kindOf(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isSocket()) return 'a socket';
  if (stats.isSymbolicLink()) return 'a symbolic link';
  return 'a device';
}

/** The same file with its bytes as they are now: several looks at it see one content, whatever a writer does meanwhile. */
export function holdStill(files: FileAccess, file: OpenFile): FileAccess {
  const content = Buffer.allocUnsafe(file.sizeBytes);
  const length = files.read(file.fd, content, file.sizeBytes, 0);
  return {
    ...files,
    read: (_, into, wanted, position) =>
      content.copy(into, 0, position, Math.max(position, Math.min(length, position + wanted))),
  };
}
