import { decodeLogCursor, encodeLogCursor, type LogCursor } from './cursor.js';
import type { LeafList } from './leaf-list.js';
import { LogReading, type ReadingParts, type Slice } from './log-reading.js';
import type { LogWait } from './log-wait.js';
import type { WalkEnd } from './log-walk.js';
import type { OpenFile } from './open-file.js';
import type { Moment, Stamp } from './stamp.js';
import { PAUSE, progressOf, type ReadingProgress, type Step } from './step.js';

/** How far a log has been read: the reading that goes on, and the steps by which the store follows it. */
export class LogProgress {
  readonly #parts: ReadingParts;
  readonly #wait: LogWait;
  /** What the store remembers, until a file is there to go on with it. */
  #stored: LogCursor | null;
  #reading: LogReading | null = null;
  /** What is being drained just now: from where, and how far it goes. */
  #drained: { readonly reading: LogReading; readonly from: number; readonly total: number } | null = null;
  /** Whether the stored cursor says that everything under its stamp was read. */
  #storedReached: boolean;

  constructor(parts: ReadingParts, wait: LogWait, stored: LogCursor | null) {
    this.#parts = parts;
    this.#wait = wait;
    this.#stored = stored;
    this.#storedReached = stored?.reached ?? false;
  }

  static parse(body: string | undefined): LogCursor | null {
    return body === undefined ? null : decodeLogCursor(body);
  }

  /** Nothing of this log has ever been taken. */
  get isAtStart(): boolean {
    return this.#reading === null && this.#stored === null;
  }

  /** How far a backlog has been read that is being read just now. */
  get progress(): ReadingProgress | null {
    if (this.#drained === null) return null;
    const { reading, from, total } = this.#drained;
    return progressOf('bytes', { from, done: reading.print.length, total });
  }

  /** It was read, and held nothing yet that could be taken. */
  get isEmpty(): boolean {
    return (this.#reading?.print.length ?? this.#stored?.print.length) === 0;
  }

  /** What was consumed is to be looked at; always so after a restart, which forgets how far that had come. */
  get isAuditDue(): boolean {
    return this.#reading === null ? this.#stored !== null : this.#reading.audit.isDue;
  }

  get reading(): LogReading | null {
    return this.#reading;
  }

  /** The reading that this file goes on with; null when it was rewritten, replaced or never seen. */
  fitting(file: OpenFile): LogReading | null {
    if (this.#reading !== null) {
      return this.#reading.fits(file.fd, file.sizeBytes) ? this.#reading : null;
    }
    if (this.#stored === null || file.sizeBytes < this.#stored.print.length) return null;
    this.#reading = LogReading.resume(this.#parts, this.#stored, file.fd);
    return this.#reading;
  }

  /** A reading from the beginning; it takes the place of the present one with its first slice. */
  fresh(): LogReading {
    return LogReading.fresh(this.#parts);
  }

  /** As `fresh`, for a file that follows on the one that was read. */
  next(): LogReading {
    return this.#reading === null ? this.fresh() : LogReading.after(this.#parts, this.#reading);
  }

  /** Reads and hands over slice by slice until nothing more stands there as a whole. */
  *drain(reading: LogReading, file: OpenFile, at: Moment, guard: LeafList | null): Generator<Step, WalkEnd> {
    this.#drained = { reading, from: reading.print.length, total: file.sizeBytes };
    try {
      for (;;) {
        const slice = reading.next(file.fd, file.sizeBytes, guard);
        if (slice.end === 'changed') return 'changed';
        yield this.#step(reading, slice, file, at);
        if (slice.end !== 'more') return slice.end;
      }
    } finally {
      this.#drained = null;
    }
  }

  /** As `drain`, and takes what nobody is going to finish. */
  *drainStale(reading: LogReading, file: OpenFile, at: Moment): Generator<Step, WalkEnd> {
    for (;;) {
      const slice = reading.nextStale(file.fd, file.sizeBytes);
      yield this.#step(reading, slice, file, at);
      if (slice.end !== 'more') return slice.end;
    }
  }

  cursor(reading: LogReading, file: OpenFile, at: Moment, reached: boolean): Step['cursors'] {
    const body = reading.cursor(file.stamp, at, reached, this.#wait.hasRejected);
    return [{ path: this.#parts.path, body }];
  }

  /** The cursor as it stands, for a file that is to be read again from its beginning when it is there again. */
  distrusted(stamp: Stamp, at: Moment): Step['cursors'] {
    const stored = this.#stored && encodeLogCursor({ ...this.#stored, reached: false, quarantined: true });
    const body = this.#reading?.cursor(stamp, at, false, true) ?? stored;
    return body === null ? [] : [{ path: this.#parts.path, body }];
  }

  /** A reading is adopted with its first slice: the rejects of the one before are closed in the same transaction. */
  #step(reading: LogReading, slice: Slice, file: OpenFile, at: Moment): Step {
    const isFresh = reading !== this.#reading;
    const isReread = isFresh && reading.generation !== this.#reading?.generation;
    if (isFresh) {
      this.#reading = reading;
      this.#stored = null;
      this.#storedReached = false;
      this.#wait.end();
    }
    const found = slice.records.length + slice.rejects.length > 0;
    const reached = slice.end === 'whole';
    if (!reading.standsBetweenValues || (!found && !isFresh && reached === this.#storedReached)) return PAUSE;
    this.#storedReached = reached;
    return {
      records: slice.records,
      rejects: slice.rejects,
      rereadPaths: isReread ? [this.#parts.path] : [],
      cursors: this.cursor(reading, file, at, reached),
    };
  }
}
