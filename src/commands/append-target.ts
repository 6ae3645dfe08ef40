import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { DoggedError } from '../job/errors.js';
import { isSpace, withoutBom } from './append-text.js';

/* What a file must be so that a record may be appended to it. */

/** An array is rewritten for each record; beyond this JSON lines are the right form. */
const LARGEST_ARRAY_BYTES = 256 * 1024 * 1024;
/** So much of an existing file is looked at to see that it holds JSON lines at all. */
const SAMPLE_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
const OPENING_BRACKET = 0x5b;
/** Files that are made as JSON lines; all others become an array. */
const LINE_ENDINGS = new Set(['.ndjson', '.jsonl', '.log']);

/** Links on the way are followed, so that all who name the same file meet at the same lock; the file itself may be none. */
export function realPath(givenFile: string): string {
  try {
    return join(realpathSync(dirname(givenFile)), basename(givenFile));
  } catch (error) {
    throw refused(givenFile, `there is no folder ${dirname(givenFile)}`, error);
  }
}

/** The file itself, for reading and appending; null when there is none. A link, a folder, a pipe or a device is refused. */
export function openExisting(file: string): number | null {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw refused(file, 'it is a symbolic link; name the file that it leads to');
    if (code === 'EISDIR') throw refused(file, 'it is a folder');
    throw refused(file, `it cannot be opened for writing (${code})`);
  }
  const stat = fstatSync(fd);
  const problem = !stat.isFile()
    ? 'it is not a regular file'
    : stat.nlink > 1
      ? `it has ${stat.nlink} names (hard links), and the others would no longer see it change`
      : null;
  if (problem === null) return fd;
  closeSync(fd);
  throw refused(file, problem);
}

export type TargetLook =
  | {
      readonly kind: 'empty' | 'lines' | 'array' /** Nothing stands behind its last line end. */;
      readonly isFinished: boolean;
    }
  | { readonly kind: 'other'; readonly problem: string };

/** What the file holds, from its beginning and its last byte: a log may be larger than memory. */
export function lookAt(fd: number): TargetLook {
  const sizeBytes = fstatSync(fd).size;
  const head = Buffer.alloc(Math.min(sizeBytes, SAMPLE_BYTES));
  readSync(fd, head, 0, head.length, 0);
  const last = Buffer.alloc(1);
  const isFinished =
    sizeBytes === 0 || (readSync(fd, last, 0, 1, sizeBytes - 1) === 1 && last[0] === LINE_FEED);
  const text = withoutBom(head);
  const first = text.find((byte) => !isSpace(byte));
  if (first === undefined && sizeBytes <= SAMPLE_BYTES) return { kind: 'empty', isFinished };
  if (first === OPENING_BRACKET) return { kind: 'array', isFinished };
  if (holdsLine(text, sizeBytes)) return { kind: 'lines', isFinished };
  return { kind: 'other', problem: 'it is neither a JSON array nor JSON lines' };
}

/** One good line among the first is enough: a log with a broken line in it must still take new ones. */
function holdsLine(head: Buffer, sizeBytes: number): boolean {
  const text = head.toString();
  const cut = sizeBytes > SAMPLE_BYTES ? text.lastIndexOf('\n') : text.length;
  // Without a line end, the first line is longer than what was read.
  if (cut < 0) return text.startsWith('{');
  return text.slice(0, cut).split('\n').some(isJson);
}

export function makesLines(file: string): boolean {
  return LINE_ENDINGS.has(extname(file).toLowerCase());
}

export function arrayProblem(content: Buffer): string | null {
  if (content.length > LARGEST_ARRAY_BYTES) {
    return 'it is an array of more than 256 MB, which would be rewritten for each record; keep JSON lines (.ndjson) instead';
  }
  try {
    JSON.parse(withoutBom(content).toString());
    return null;
  } catch (error) {
    return `it begins like an array and is not valid JSON (${(error as Error).message})`;
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** APPEND_REFUSED: the file is as it was. */
export function refused(file: string, detail: string, cause?: unknown): DoggedError {
  return new DoggedError('APPEND_REFUSED', { file, detail }, { cause });
}
