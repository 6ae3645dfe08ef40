import { dirname } from 'node:path';
import type { LogSource } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { CursorRecord } from '../store/contract.js';
import { decodeLogCursor, type LogCursor } from './cursor.js';
import { type FileAccess, racyRuleOf } from './file-access.js';
import type { Judge } from './judge.js';
import type { LeafList } from './leaf-list.js';
import { LogReading, type ReadingParts, type Slice } from './log-reading.js';
import { type LogScan, peekFormat, scanLog } from './log-scan.js';
import type { WalkEnd } from './log-walk.js';
import { NotReadable, type OpenFile, openFile, resolveFile } from './open-file.js';
import { describeTrouble, isGone, PathTrouble } from './path-trouble.js';
import { staleReject } from './stale.js';
import {
  type Moment,
  type RacyRule,
  type Sighting,
  type Stamp,
  sameInode,
  sameStamp,
  sight,
  stampOf,
} from './stamp.js';
import { PAUSE, pausing, type ReaderStatus, type SourceReader, type Step } from './step.js';

/** Something in the log cannot be taken yet. */
interface Wait {
  readonly why: 'empty' | 'settling' | WalkEnd;
  readonly stamp: Stamp;
  /** Monotonic time since which the file has looked like this. */
  readonly sinceMs: number;
}

/** A log that has mended what was rejected is read again from its beginning up to this size, which closes its rejects. */
const REREAD_BYTES = 16 * 1024 * 1024;

/**
 * One log file. Three ways to read it, cheapest first: nothing has changed; it begins with what was read, so only
 * what was appended is read; anything else is read from its beginning, and the ledger tells what is new.
 */
export class LogReader implements SourceReader {
  readonly #source: LogSource;
  readonly #parts: ReadingParts;
  readonly #files: FileAccess;
  readonly #clock: Clock;
  /** What the store remembers, until the file is there to go on with it. */
  #stored: LogCursor | null = null;
  #reading: LogReading | null = null;
  /** The stamp under which the last look ended well; null asks for another look. */
  #sighting: Sighting | null = null;
  /** Stamp of what was read last: a new inode is a new file, the same one was written in place. */
  #lastStamp: Stamp | null = null;
  /** A document that must be the same at the next look before it is taken. */
  #candidate: LogScan | null = null;
  #wait: Wait | null = null;
  #quarantined = false;
  /** Whether the stored cursor says that everything under its stamp was read. */
  #storedReached = false;
  /** The consumed part has changed although head and tail have not. */
  #rewritten = false;
  #trouble: PathTrouble | null = null;

  constructor(source: LogSource, judge: Judge, files: FileAccess, clock: Clock) {
    this.#source = source;
    this.#files = files;
    this.#clock = clock;
    this.#parts = { path: source.path, files, clock, judge, maxRecordBytes: source.maxRecordBytes };
  }

  restore(cursors: readonly CursorRecord[]): void {
    const record = cursors.find((cursor) => cursor.path === this.#source.path);
    const stored = record === undefined ? null : decodeLogCursor(record.body);
    this.#stored = stored;
    this.#reading = null;
    this.#lastStamp = stored?.stamp ?? null;
    this.#quarantined = stored?.quarantined ?? false;
    this.#candidate = null;
    this.#wait = null;
    this.#rewritten = false;
    this.#sighting = null;
    this.#storedReached = stored?.reached ?? false;
    if (stored?.reached) {
      const then = { wallMs: stored.observedAtMs, monotonicMs: this.#clock.monotonicMs() };
      this.#sighting = sight(null, stored.stamp, then, this.#racyRule());
    }
  }

  *poll(at: Moment): Generator<Step, void> {
    if (this.#trouble !== null && !this.#trouble.isDue(at.monotonicMs)) return;
    try {
      yield* this.#look(at);
      this.#trouble = null;
    } catch (error) {
      // The records of a file that is gone stay known; when it comes back it is compared with them.
      if (isGone(error)) {
        this.#trouble = null;
        this.#wait = null;
        return;
      }
      const text = error instanceof NotReadable ? error.message : describeTrouble(error);
      this.#trouble = new PathTrouble(text, this.#trouble, this.#source.pollMs, this.#clock);
    }
  }

  status(): ReaderStatus {
    const waits = this.#wait !== null && !this.#quarantined;
    return {
      problem: this.#trouble === null ? null : `${this.#source.path}: ${this.#trouble.text}`,
      waitingFiles: waits ? 1 : 0,
      settled: this.#trouble !== null || !waits,
    };
  }

  *#look(at: Moment): Generator<Step, void> {
    const { path, stats } = resolveFile(this.#files, this.#source.path, {
      followSymlinks: this.#source.followSymlinks,
      root: dirname(this.#source.path),
    });
    if (!this.#isWorthOpening(stampOf(stats), at)) return;
    const file = openFile(this.#files, path);
    try {
      yield* this.#read(file, at);
      // Written to while we read: what was taken is sound, but there is more to see.
      const calm = sameStamp(stampOf(this.#files.fstat(file.fd)), file.stamp);
      this.#sighting = calm ? sight(this.#sighting, file.stamp, at, this.#racyRule()) : null;
      this.#lastStamp = file.stamp;
    } finally {
      this.#files.close(file.fd);
    }
  }

  #isWorthOpening(stamp: Stamp, at: Moment): boolean {
    if (this.#sighting === null || !sameStamp(this.#sighting.stamp, stamp)) return true;
    if (this.#sighting.racy || this.#rewritten || this.#reading?.audit.isDue) return true;
    if (this.#wait === null || this.#quarantined) return false;
    return this.#wait.why === 'settling' || this.#isStale(this.#wait, at);
  }

  *#read(file: OpenFile, at: Moment): Generator<Step, void> {
    if (file.sizeBytes === 0) {
      this.#candidate = null;
      this.#waitFor(this.#isAtStart() ? null : 'empty', file, at);
      // Emptied and left so: nothing will be rejected, and nothing more is expected.
      if (this.#wait !== null && this.#isStale(this.#wait, at)) this.#quarantined = true;
      return;
    }
    const reading = this.#rewritten ? null : this.#fittingReading(file);
    if (reading === null) {
      yield* this.#startOver(file, at);
    } else {
      const known = this.#sighting !== null && sameStamp(this.#sighting.stamp, file.stamp);
      if (!known || this.#sighting?.racy) reading.audit.demand(reading.print);
      this.#candidate = null;
      this.#settle(yield* this.#drain(reading, file, at, null), file, at);
      const audit = reading.audit.run(this.#files, file.fd, reading.print, at.monotonicMs);
      if ((yield* pausing(audit)) === 'changed') this.#rewritten = true;
      if (this.#rewritten) yield* this.#startOver(file, at);
    }
    if (this.#wait !== null && !this.#quarantined && this.#isStale(this.#wait, at)) {
      yield* this.#takeStale(file, at);
    }
  }

  /** The reading that this file goes on with; null when it was rewritten, replaced or never seen. */
  #fittingReading(file: OpenFile): LogReading | null {
    if (this.#reading !== null) {
      return this.#reading.fits(file.fd, file.sizeBytes) ? this.#reading : null;
    }
    if (this.#stored === null || file.sizeBytes < this.#stored.print.length) return null;
    this.#reading = LogReading.resume(this.#parts, this.#stored, file.fd);
    return this.#reading;
  }

  /** Reads a document from its beginning: at once when nobody can be in the midst of writing it, else at a second look. */
  *#startOver(file: OpenFile, at: Moment): Generator<Step, void> {
    const former = this.#candidate;
    this.#candidate = null;
    const isFirst = this.#isAtStart();
    const isNew = isFirst || this.#lastStamp === null || !sameInode(this.#lastStamp, file.stamp);
    if (isNew && peekFormat(this.#files, file.fd) === 'ndjson') {
      this.#settle(yield* this.#drain(LogReading.fresh(this.#parts), file, at, null), file, at);
      return;
    }
    const scan = yield* pausing(scanLog(this.#parts, file.fd, file.sizeBytes, former));
    // A line is whole by itself, an array by its bracket; of an array never seen before, what stands there is enough.
    const canTake = scan.end === 'whole' || (scan.leaves.length > 0 && (isFirst || scan.format === 'ndjson'));
    const isSettled = (isNew && scan.end === 'whole') || scan.leaves.beginsWithFormer;
    if (canTake && isSettled) {
      const end = yield* this.#drain(LogReading.fresh(this.#parts), file, at, scan.leaves);
      this.#settle(end, file, at);
      return;
    }
    this.#candidate = scan;
    if (scan.format === null) this.#waitFor('empty', file, at);
    else this.#waitFor(canTake ? 'settling' : scan.end, file, at);
  }

  /** Reads and hands over slice by slice until nothing more stands there as a whole. */
  *#drain(reading: LogReading, file: OpenFile, at: Moment, guard: LeafList | null): Generator<Step, WalkEnd> {
    for (;;) {
      const slice = reading.next(file.fd, file.sizeBytes, guard);
      if (slice.end === 'changed') return 'changed';
      yield this.#step(reading, slice, file, at);
      if (slice.end !== 'more') return slice.end;
    }
  }

  /** Adopts the reading with its first slice: its former rejects are closed in the same transaction. */
  #step(reading: LogReading, slice: Slice, file: OpenFile, at: Moment): Step {
    const isFresh = reading !== this.#reading;
    if (isFresh) {
      this.#reading = reading;
      this.#stored = null;
      this.#rewritten = false;
      this.#quarantined = false;
      this.#storedReached = false;
    }
    const found = slice.records.length + slice.rejects.length > 0;
    const reached = slice.end === 'whole';
    if (!reading.standsBetweenValues || (!found && !isFresh && reached === this.#storedReached)) return PAUSE;
    this.#storedReached = reached;
    return {
      records: slice.records,
      rejects: slice.rejects,
      rereadPaths: isFresh ? [this.#source.path] : [],
      cursors: [
        { path: this.#source.path, body: reading.cursor(file.stamp, at, reached, this.#quarantined) },
      ],
    };
  }

  /**
   * What has stood still for too long is taken as it is, and what cannot be taken is rejected. It is read again when the
   * file changes.
   */
  *#takeStale(file: OpenFile, at: Moment): Generator<Step, void> {
    let reading = this.#reading;
    if (reading === null || this.#candidate !== null) {
      reading = LogReading.fresh(this.#parts);
      const end = yield* this.#drain(reading, file, at, this.#candidate?.leaves ?? null);
      if (end === 'changed') return;
      this.#candidate = null;
    }
    let slice: Slice;
    do {
      slice = reading.nextStale(file.fd, file.sizeBytes);
      yield this.#step(reading, slice, file, at);
    } while (slice.end === 'more');
    if (slice.end === 'whole') {
      this.#settle('whole', file, at);
      return;
    }
    this.#quarantined = true;
    const reject = staleReject(this.#parts, reading, slice.end, file);
    yield {
      records: [],
      rejects: [reject],
      rereadPaths: [],
      cursors: [{ path: this.#source.path, body: reading.cursor(file.stamp, at, true, true) }],
    };
  }

  #settle(end: WalkEnd, file: OpenFile, at: Moment): void {
    if (end !== 'whole') {
      this.#waitFor(end === 'changed' ? 'settling' : end, file, at);
      return;
    }
    this.#wait = null;
    // Mended: read again from the beginning, which closes the rejects that are no longer true.
    if (this.#quarantined && file.sizeBytes <= REREAD_BYTES) this.#rewritten = true;
    this.#quarantined = false;
  }

  #waitFor(why: Wait['why'] | null, file: OpenFile, at: Moment): void {
    if (why === null) {
      this.#wait = null;
      return;
    }
    const same = this.#wait !== null && sameStamp(this.#wait.stamp, file.stamp);
    if (!same) this.#quarantined = false;
    const sinceMs = same && this.#wait !== null ? this.#wait.sinceMs : at.monotonicMs;
    this.#wait = { why, stamp: file.stamp, sinceMs };
  }

  #isStale(wait: Wait, at: Moment): boolean {
    return at.monotonicMs - wait.sinceMs >= this.#source.quarantineAfterMs;
  }

  /** Nothing of this log has ever been taken. */
  #isAtStart(): boolean {
    return this.#reading === null && this.#stored === null;
  }

  #racyRule(): RacyRule {
    return racyRuleOf(this.#files, dirname(this.#source.path), this.#source.network);
  }
}
