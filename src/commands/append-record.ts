import { closeSync, readFileSync } from 'node:fs';
import { DoggedError } from '../job/errors.js';
import { compactJson } from '../job/snapshot.js';
import { type Clock, pause } from '../platform/clock.js';
import { type AppendLock, acquireAppendLock } from './append-lock.js';
import { arrayProblem, lookAt, makesLines, openExisting, realPath, refused } from './append-target.js';
import { addToArray, arrayHolds, linesHold } from './append-text.js';
import { appendLine, create, replace, stampOf } from './append-write.js';

/** How long to wait for other appenders: a hundred of them, each rewriting a large array, on an SD card. */
const LOCK_WAIT_MS = 30_000;
/** How long a file that is empty or half-written is given to become whole: its writer is probably at it. */
const SETTLE_MS = 1_000;
const LOOK_AGAIN_MS = 50;
/** A writer that changes the file without a pause is given way for so long. */
const GIVE_WAY_MS = 30_000;

export type AppendResult = 'appended' | 'present';

export interface AppendOptions {
  /** Leaves the file as it is when it holds the very same record, white space aside. */
  readonly once: boolean;
}

/**
 * Appends one record, compact JSON, to a JSON array or to JSON lines; the first byte tells which.
 *
 * All or nothing: a reader, a crash or a full disk sees the file with the whole record or without it, and processes that
 * append through here wait for one another. An array is replaced by rename and keeps its mode, its owner and its layout;
 * to lines the record is added in place. A file that is missing is made.
 *
 * Throws APPEND_REFUSED, and leaves the file as it was, when the file is no such file, stays half-written for a second,
 * or is a link; APPEND_BUSY when others hold it for too long. A program that writes the file without this lock is
 * noticed up to the moment of the rename; what it writes in that moment, nobody can save.
 */
export async function appendRecord(
  givenFile: string,
  record: Buffer,
  options: AppendOptions,
  clock: Clock,
): Promise<AppendResult> {
  const file = realPath(givenFile);
  const lock = await acquireAppendLock(file, clock, LOCK_WAIT_MS).catch((error: NodeJS.ErrnoException) => {
    throw refused(file, `its folder cannot be written (${error.code ?? error.message})`, error);
  });
  if ('heldByPid' in lock) {
    throw new DoggedError('APPEND_BUSY', { file, pid: lock.heldByPid, waitedMs: LOCK_WAIT_MS });
  }
  try {
    const startMs = clock.monotonicMs();
    for (;;) {
      const waitedMs = clock.monotonicMs() - startMs;
      const result = tryAppend(file, record, options, lock, waitedMs < SETTLE_MS);
      if (result !== 'again') return result;
      if (waitedMs > GIVE_WAY_MS) throw refused(file, 'another program changes it without a pause');
      await pause(clock, LOOK_AGAIN_MS);
    }
  } finally {
    lock.release();
  }
}

/** `again`: the file is being written by somebody, or was changed under our hands. */
function tryAppend(
  file: string,
  record: Buffer,
  { once }: AppendOptions,
  lock: AppendLock,
  settling: boolean,
): AppendResult | 'again' {
  const fd = openExisting(file);
  if (fd === null) {
    const content = makesLines(file) ? Buffer.concat([record, Buffer.from('\n')]) : firstArray(record);
    return create(file, content, lock) ? 'appended' : 'again';
  }
  try {
    const stamp = stampOf(fd);
    const look = lookAt(fd);
    switch (look.kind) {
      case 'empty':
        if (settling) return 'again';
        return makesLines(file)
          ? appendLine(file, fd, look.isFinished, record)
          : replace(file, fd, stamp, firstArray(record), lock);
      case 'lines':
        if (!look.isFinished && settling) return 'again';
        if (once && linesHold(readFileSync(fd), record)) return 'present';
        return appendLine(file, fd, look.isFinished, record);
      case 'array': {
        const content = readFileSync(fd);
        const problem = arrayProblem(content);
        if (problem !== null && settling) return 'again';
        if (problem !== null) throw refused(file, problem);
        if (once && arrayHolds(content, record)) return 'present';
        return replace(file, fd, stamp, addToArray(content, record), lock);
      }
      case 'other':
        if (settling) return 'again';
        throw refused(file, look.problem);
    }
  } finally {
    closeSync(fd);
  }
}

function firstArray(record: Buffer): Buffer {
  return addToArray(Buffer.from('[]\n'), record);
}

/** The compact bytes of the one JSON value in this text. Throws PAYLOAD_INVALID. */
export function readRecord(text: string): Buffer {
  const bare = text.replace(/^\ufeff/, '');
  try {
    JSON.parse(bare);
  } catch (error) {
    throw new DoggedError('PAYLOAD_INVALID', { detail: (error as Error).message }, { cause: error });
  }
  return compactJson(Buffer.from(bare));
}
