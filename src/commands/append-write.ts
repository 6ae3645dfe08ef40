import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../platform/atomic-file.js';
import { failpoint } from '../platform/failpoint.js';
import type { AppendLock } from './append-lock.js';
import { refused } from './append-target.js';

/* The three ways in which a record gets to the disk: all of it, or none. */

const LINE_END = Buffer.from('\n');
/** What the user's umask leaves of it. */
const NEW_FILE_MODE = 0o666;
const OWNER_ONLY = 0o600;

/** One write. What a full disk cuts off is taken back, as long as nobody has written behind it. */
export function appendLine(file: string, fd: number, isFinished: boolean, record: Buffer): 'appended' {
  // What a dead writer left unfinished stays a line of its own, and is reported where it is read.
  const line = Buffer.concat([isFinished ? Buffer.alloc(0) : LINE_END, record, LINE_END]);
  const sizeBytes = fstatSync(fd).size;
  let written = 0;
  try {
    written = writeSync(fd, line);
  } catch (error) {
    throw refused(file, (error as Error).message, error);
  }
  if (written < line.length) {
    if (fstatSync(fd).size === sizeBytes + written) ftruncateSync(fd, sizeBytes);
    throw refused(file, `only ${written} of ${line.length} bytes could be written: is the disk full?`);
  }
  fsyncSync(fd);
  return 'appended';
}

/** Puts new content in the place of exactly the file that was read; `again` when that one has changed meanwhile. */
export function replace(
  file: string,
  fd: number,
  stamp: string,
  content: Buffer,
  { tempFile }: AppendLock,
): 'appended' | 'again' {
  const { mode, uid, gid } = fstatSync(fd);
  writeTemp(file, tempFile, content, OWNER_ONLY, (temp) => {
    const made = fstatSync(temp);
    if (made.uid !== uid || made.gid !== gid) fchownSync(temp, uid, gid);
    fchmodSync(temp, mode & 0o7777);
  });
  failpoint('append.before-rename');
  const now = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (stampOf(fd) !== stamp || now === undefined || stampText(now) !== stamp) return 'again';
  renameSync(tempFile, file);
  syncFolder(dirname(file));
  return 'appended';
}

/** False when somebody else has just made the file. */
export function create(file: string, content: Buffer, { tempFile }: AppendLock): boolean {
  writeTemp(file, tempFile, content, NEW_FILE_MODE);
  failpoint('append.before-rename');
  try {
    linkSync(tempFile, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw refused(file, (error as Error).message, error);
  } finally {
    rmSync(tempFile, { force: true });
  }
  syncFolder(dirname(file));
  return true;
}

function writeTemp(
  file: string,
  tempFile: string,
  content: Buffer,
  mode: number,
  prepare?: (fd: number) => void,
): void {
  try {
    const temp = openSync(tempFile, 'w', mode);
    try {
      prepare?.(temp);
      for (let done = 0; done < content.length; ) done += writeSync(temp, content, done);
      fsyncSync(temp);
    } finally {
      closeSync(temp);
    }
  } catch (error) {
    const { syscall, message } = error as NodeJS.ErrnoException;
    throw refused(
      file,
      syscall === 'fchown' ? 'it belongs to somebody else, and would change its owner' : message,
      error,
    );
  }
}

interface BigStat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Changes whenever the file does. */
export function stampOf(fd: number): string {
  return stampText(fstatSync(fd, { bigint: true }));
}

function stampText({ dev, ino, size, mtimeNs, ctimeNs }: BigStat): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
