import type { LogSource } from '../config/config.js';
import type { FileAccess } from './file-access.js';
import type { LogProgress } from './log-progress.js';
import type { LogReading } from './log-reading.js';
import { findRotation, type Rotation } from './log-rotation.js';
import type { WalkEnd } from './log-walk.js';
import { type OpenFile, openFile } from './open-file.js';
import { gapReject } from './stale.js';
import { type Moment, type Stamp, sameInode } from './stamp.js';
import { PAUSE, pausing, type Step } from './step.js';

/**
 * The files that a log has been, one after the other: which of them was read last, and what came between that and the
 * present one. Whatever was moved or copied away is read to its end before the present file is.
 */
export class LogGenerations {
  /** Stamp of what was read last: a new inode is a new file, the same one was written in place. */
  lastStamp: Stamp | null;
  /** What was read last was moved away, and nothing has taken its place yet: it may still be written to. */
  followsMoved = false;
  readonly #source: LogSource;
  readonly #files: FileAccess;
  readonly #progress: LogProgress;

  constructor(source: LogSource, files: FileAccess, progress: LogProgress, lastStamp: Stamp | null) {
    this.#source = source;
    this.#files = files;
    this.#progress = progress;
    this.lastStamp = lastStamp;
  }

  /**
   * Reads to its end what this log was before it was rotated. When the present file follows on that, it is read as well,
   * and how that ended is the answer; else null. Without a present one, whoever rotated may still be writing to the old one.
   */
  *read(present: OpenFile | null, at: Moment): Generator<Step, WalkEnd | null> {
    const last = this.lastStamp;
    if (last === null) return null;
    const rotation = yield* this.find(last, present);
    if (rotation.gap !== null) yield { ...PAUSE, rejects: [gapReject(rotation.gap, last)] };
    const isCopied = rotation.areCopies && present === null;
    for (const [n, path] of rotation.paths.entries()) {
      const opened = openFile(this.#files, path);
      // While nothing follows it, a copy is read for the log that was emptied: what is written there next is the log's.
      const file = isCopied ? { ...opened, stamp: last } : opened;
      try {
        const reading = n === 0 ? yield* this.#firstOf(rotation, file) : this.#progress.next();
        if (reading === null) return null;
        yield* this.#progress.drain(reading, file, at, null);
        const isOver = present !== null || n < rotation.paths.length - 1;
        if (isOver) yield* this.#progress.drainStale(reading, file, at);
        this.lastStamp = file.stamp;
      } finally {
        this.#files.close(file.fd);
      }
    }
    this.followsMoved = present === null && !isCopied && rotation.paths.length > 0;
    if (present === null || !rotation.isContinued) return null;
    return yield* this.#progress.drain(this.#progress.next(), present, at, null);
  }

  /** What became of the file that was read last. */
  *find(last: Stamp, present: OpenFile | null): Generator<Step, Rotation> {
    const stamps = { last, present: present?.stamp ?? null };
    const fits = (path: string, isSameInode: boolean) =>
      this.#opened(path, (file) => {
        const reading = this.#progress.fitting(file);
        // Everything begins with nothing: only an inode can tell that a file of which nothing was read is the same.
        return reading !== null && (isSameInode || reading.print.length > 0);
      });
    return yield* pausing(findRotation(this.#files, this.#source.path, stamps, fits));
  }

  /**
   * A new file that may well begin like the old one: without keys, or where nothing of the old one was taken, so that
   * every file begins like it. Then it is the old one's being there that tells.
   */
  *isNext(file: OpenFile): Generator<Step, boolean> {
    const last = this.lastStamp;
    if (last === null || sameInode(last, file.stamp)) return false;
    if (this.#source.key !== null && !this.#progress.isEmpty) return false;
    return (yield* this.find(last, file)).isContinued;
  }

  /** Nobody looks at a rotated file again: what was consumed of it must be unchanged as a whole to be gone on with. */
  *#firstOf(rotation: Rotation, file: OpenFile): Generator<Step, LogReading | null> {
    if (!rotation.goesOn) return this.#progress.fresh();
    const reading = this.#progress.fitting(file);
    if (reading === null) return null;
    const audit = reading.audit.runWhole(this.#files, file.fd, reading.print);
    return (yield* pausing(audit)) === 'same' ? reading : this.#progress.fresh();
  }

  #opened<T>(path: string, use: (file: OpenFile) => T): T {
    const file = openFile(this.#files, path);
    try {
      return use(file);
    } finally {
      this.#files.close(file.fd);
    }
  }
}
