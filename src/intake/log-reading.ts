import { randomInt } from 'node:crypto';
import type { Clock } from '../platform/clock.js';
import type { AdmissionRecord } from '../store/intake-contract.js';
import { Audit } from './audit.js';
import { encodeLogCursor, type LogCursor, type LogFormat } from './cursor.js';
import type { FileAccess } from './file-access.js';
import { Fingerprint } from './fingerprint.js';
import { type Judge, type Reject, rejectOf } from './judge.js';
import type { LeafList } from './leaf-list.js';
import { LineFinder } from './line-finder.js';
import type { FoundValue, LogSink } from './log-sink.js';
import { LogWalk, type WalkEnd } from './log-walk.js';
import { isUtf16, notUtf8, tooLarge } from './normalise.js';
import { isRefusal, type Refusal, refuse } from './refusal.js';
import type { Moment, Stamp } from './stamp.js';
import { SLICE_RECORDS, SliceBudget } from './step.js';

/** What the readings of one log share. */
export interface ReadingParts {
  readonly path: string;
  readonly files: FileAccess;
  readonly clock: Clock;
  readonly judge: Judge;
  readonly maxRecordBytes: number;
}

/** What one slice found. */
export interface Slice {
  readonly records: readonly AdmissionRecord[];
  readonly rejects: readonly Reject[];
  /** `more`: call again. */
  readonly end: WalkEnd | 'more';
}

const LARGEST_GENERATION = 2 ** 47;

/**
 * One reading of a log: its cursor in memory. Moves only forward, over whole values, and knows by its fingerprint whether
 * the file still begins with what it has read.
 */
export class LogReading implements LogSink {
  readonly generation: number;
  readonly print: Fingerprint;
  readonly audit: Audit;
  readonly #parts: ReadingParts;
  readonly #walk: LogWalk;
  #records: AdmissionRecord[] = [];
  #rejects: Reject[] = [];
  #brokenBecause: string | null = null;
  #fd = -1;
  readonly #lineFinder: LineFinder;

  private constructor(
    parts: ReadingParts,
    start: Pick<LogCursor, 'generation' | 'format' | 'lines' | 'auditLeaf'>,
    print: Fingerprint,
  ) {
    this.#parts = parts;
    this.generation = start.generation;
    this.print = print;
    this.#lineFinder = new LineFinder(parts.files);
    this.audit = new Audit(start.auditLeaf, parts.clock.monotonicMs());
    this.#walk = new LogWalk(
      { format: start.format, offset: print.length, lines: start.lines },
      { ...parts, sink: this, budget: new SliceBudget(parts.clock, SLICE_RECORDS) },
    );
  }

  /** Begins at the beginning, as a generation of its own: a crash in its middle counts no unkeyed record twice. */
  static fresh(parts: ReadingParts): LogReading {
    const start = { generation: randomInt(LARGEST_GENERATION), format: null, lines: 0, auditLeaf: 0 };
    return new LogReading(parts, start, new Fingerprint());
  }

  /** Begins with the file that follows on one that is read to its end: copies of unkeyed records are counted on. */
  static after(parts: ReadingParts, former: LogReading): LogReading {
    const start = { generation: former.generation, format: null, lines: 0, auditLeaf: 0 };
    return new LogReading(parts, start, new Fingerprint());
  }

  /** Goes on where a cursor stands; null when the file is not the one that the cursor was made for. */
  static resume(parts: ReadingParts, cursor: LogCursor, fd: number): LogReading | null {
    const print = Fingerprint.restore(cursor.print, parts.files, fd);
    if (print === null) return null;
    const reading = new LogReading(parts, cursor, print);
    // The process that wrote the cursor may have stopped in the midst of a round.
    reading.audit.demand(print);
    return reading;
  }

  get format(): LogFormat | null {
    return this.print.length === 0 ? null : this.#walk.format;
  }

  get lines(): number {
    return this.#walk.lines;
  }

  /** False in the midst of a value that is too large: no cursor may be kept there. */
  get standsBetweenValues(): boolean {
    return !this.#walk.isInsideValue;
  }

  /** Whether the file at `fd` still begins with what was read, as far as head and tail tell. */
  fits(fd: number, sizeBytes: number): boolean {
    if (sizeBytes < this.print.length || !this.print.matchesEdges(this.#parts.files, fd)) return false;
    this.#walk.reopened(fd);
    return true;
  }

  /** Where the value stands that `next` could not take. */
  get stuckAt(): number {
    return this.#walk.stuckAt;
  }

  /** What JSON.parse says of the value at `stuckAt`, when that is why it is stuck. */
  get brokenBecause(): string | null {
    return this.#brokenBecause;
  }

  /** Reads one slice. A guard holds it to the bytes of an earlier scan, and is ignored once it is used up. */
  next(fd: number, sizeBytes: number, guard: LeafList | null): Slice {
    this.#records = [];
    this.#rejects = [];
    this.#brokenBecause = null;
    this.#fd = fd;
    const guarding = guard !== null && this.#walk.offset < guard.length ? guard : null;
    const end = this.#walk.turn(fd, sizeBytes, guarding);
    return { records: this.#records, rejects: this.#rejects, end };
  }

  /**
   * Reads one slice and takes what has stood still for too long to be waited for: NUL bytes are rejected, a last line
   * without a newline counts as a line.
   */
  nextStale(fd: number, sizeBytes: number): Slice {
    this.#walk.takeStale = true;
    try {
      return this.next(fd, sizeBytes, null);
    } finally {
      this.#walk.takeStale = false;
    }
  }

  /** The cursor of this moment, for the store. */
  cursor(stamp: Stamp, at: Moment, reached: boolean, quarantined: boolean): string {
    return encodeLogCursor({
      generation: this.generation,
      stamp,
      observedAtMs: at.wallMs,
      format: this.format,
      lines: this.lines,
      print: this.print.save(),
      auditLeaf: this.audit.position,
      reached,
      quarantined,
    });
  }

  /** An array's lines are counted only when somebody asks. */
  lineOf(offset: number): number | null {
    return this.#lineFinder.lineOf(this.#fd, offset);
  }

  value(found: FoundValue, standsAlone: boolean): boolean {
    const { judge, clock, path } = this.#parts;
    const { bytes, isAscii, scanned, offset, line } = found;
    const raw = { bytes, isAscii, scanned, path, offset, line, fallbackKey: null };
    const judged = judge(raw, this.generation, clock.wallMs());
    if (!isRefusal(judged)) {
      this.#records.push(judged);
      return true;
    }
    if (judged.refused === 'json' && !standsAlone) {
      this.#brokenBecause = judged.detail;
      return false;
    }
    this.#refuse(judged, found, found.bytes.length);
    return true;
  }

  tooLarge(found: FoundValue, lengthBytes: number): void {
    this.#refuse(tooLarge(lengthBytes, this.#parts.maxRecordBytes), found, lengthBytes);
  }

  nulBytes(found: FoundValue): void {
    const refusal = refuse(
      'nul-bytes',
      `${found.bytes.length} bytes with NUL among them: a power cut or a truncated file leaves such a stretch`,
      'restore the lost records from where they came, and append them',
    );
    // Every second byte of plain text in UTF-16 is NUL.
    this.#refuse(isUtf16(found.bytes) ? notUtf8(found.bytes) : refusal, found, found.bytes.length);
  }

  passed(bytes: Buffer): void {
    this.print.advance(bytes);
  }

  #refuse(refusal: Refusal, { bytes, offset, line }: FoundValue, lengthBytes: number): void {
    const place = { path: this.#parts.path, line: line ?? this.lineOf(offset), offset, lengthBytes };
    this.#rejects.push(rejectOf(refusal, place, bytes));
  }
}
