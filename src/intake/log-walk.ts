import { isAscii } from 'node:buffer';
import { ArrayWalk } from './array-walk.js';
import type { LogFormat } from './cursor.js';
import type { FileAccess } from './file-access.js';
import { EDGE_BYTES, LEAF_BYTES } from './fingerprint.js';
import { isJsonSpace, skipSpace, type ValueScanner } from './json-scanner.js';
import type { LeafList } from './leaf-list.js';
import { formatOf } from './log-format.js';
import type { FoundValue, LogSink } from './log-sink.js';
import type { SliceBudget } from './step.js';
import { bomLength, readWindow, WINDOW_BYTES } from './window.js';

const NEWLINE = 0x0a;
const _OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

export type WalkEnd =
  /** Nothing but white space follows: an array is closed, the last line ended. */
  | 'whole'
  /** Something at the cursor is not finished yet. */
  | 'open'
  /** A stretch of NUL bytes stands at the cursor: a crash may have left it, or a writer may yet fill it. */
  | 'nul'
  /** What stands at the cursor cannot belong to an array. */
  | 'broken'
  /** The bytes are not those of the guard. */
  | 'changed';

/** A value that is too large to be held: only where it ends is found out. */
interface Oversized {
  /** How it begins. */
  readonly bytes: Buffer;
  readonly offset: number;
  readonly line: number | null;
  /** null in NDJSON, where the next newline ends it. */
  readonly scanner: ValueScanner | null;
  /** Everything before this was looked at. */
  to: number;
  /** The last bytes before `to`: whether they are still there tells whether looking on from there makes sense. */
  tail: Buffer;
  /** Where the value ends, once that is known. */
  end: number | null;
}

interface Taken {
  /** `short`: all values that stand as a whole are taken. `spent`: the slice is used up before that. */
  readonly end: 'short' | 'spent' | 'closed' | 'nul' | 'broken';
  /** How many of the bytes are done with. */
  readonly consumed: number;
  /** First byte of the value that is not there as a whole, or -1. */
  readonly pendingAt: number;
  readonly scanner: ValueScanner | null;
}

/**
 * Walks forward over the values of one log, a bounded slice at a time, in flat memory. Stands between two values
 * whenever a turn ends: what is not there as a whole is read again by the next turn.
 */
export class LogWalk {
  format: LogFormat | null;
  offset: number;
  /** Lines before `offset`; counted for NDJSON only. */
  lines: number;
  /** Where the value stands that is unfinished or broken, after a turn that ended with one. */
  stuckAt = 0;
  /** What has stood still for long enough to be taken as it is: NUL bytes, a last line without its newline. */
  takeStale = false;
  readonly #files: FileAccess;
  readonly #sink: LogSink;
  readonly #budget: SliceBudget;
  readonly #maxRecordBytes: number;
  #windowBytes = WINDOW_BYTES;
  #oversized: Oversized | null = null;

  constructor(
    start: { readonly format: LogFormat | null; readonly offset: number; readonly lines: number },
    parts: {
      readonly files: FileAccess;
      readonly sink: LogSink;
      readonly budget: SliceBudget;
      readonly maxRecordBytes: number;
    },
  ) {
    this.format = start.format;
    this.offset = start.offset;
    this.lines = start.lines;
    this.#files = parts.files;
    this.#sink = parts.sink;
    this.#budget = parts.budget;
    this.#maxRecordBytes = parts.maxRecordBytes;
  }

  /** True while a value that is too large is being passed over: no place to keep a cursor. */
  get isInsideValue(): boolean {
    return this.#oversized !== null;
  }

  /** To be called when the file was opened again: a half-seen oversized value is looked at afresh if it has changed. */
  reopened(fd: number): void {
    const seen = this.#oversized;
    if (seen === null || seen.end !== null) return;
    const now = readWindow(this.#files, fd, seen.to - seen.tail.length, seen.tail.length);
    if (!now.equals(seen.tail)) this.#oversized = null;
  }

  /**
   * One slice. With a guard, takes only bytes that are the same as when the guard was made, and nothing past them: the
   * caller drops a guard that is used up. `size` is that of the file when it was opened: nothing after it is looked at.
   */
  turn(fd: number, size: number, guard: LeafList | null): WalkEnd | 'more' {
    this.#budget.begin();
    if (this.#oversized !== null) return this.#passOversized(fd, size, this.#oversized);
    const limit = guard?.length ?? size;
    const inLeaf = guard === null ? 0 : this.offset % LEAF_BYTES;
    const start = this.offset - inLeaf;
    const wanted = Math.max(0, Math.min(limit - start, this.#windowBytes));
    const window = readWindow(this.#files, fd, start, wanted);
    if (guard !== null && (window.length < wanted || !guard.matches(start, window))) return 'changed';
    const bytes = window.subarray(inLeaf);
    // Truncated since it was opened, or a mount that gives less than it says: what follows is not known.
    const isShort = window.length < wanted;
    const isLast = start + wanted >= limit && !isShort;

    const taken = this.#take(bytes, isLast);
    this.stuckAt = this.offset + Math.max(taken.pendingAt, taken.consumed);
    this.#sink.passed(bytes.subarray(0, taken.consumed));
    this.offset += taken.consumed;
    if (taken.consumed > 0) this.#windowBytes = WINDOW_BYTES;
    if (taken.end === 'spent') return 'more';
    if (taken.end === 'nul' || taken.end === 'broken') return taken.end;
    if (isShort) return 'open';
    if (!isLast && taken.consumed > 0) return 'more';
    if (guard !== null && isLast) return taken.consumed === bytes.length ? 'more' : 'changed';
    return this.#goOn(bytes, taken, isLast);
  }

  /** Nothing more stands there as a whole. Ends, or looks at more bytes at once, or gives up holding the value. */
  #goOn(bytes: Buffer, taken: Taken, isLast: boolean): WalkEnd | 'more' {
    if (bytes.length - taken.consumed > this.#maxRecordBytes) {
      if (taken.pendingAt === -1) return taken.end === 'closed' && isLast ? 'whole' : 'broken';
      this.#beginOversized(bytes, taken);
      return isLast ? 'open' : 'more';
    }
    if (!isLast) {
      this.#windowBytes *= 2;
      return 'more';
    }
    if (this.format === 'array') return taken.end === 'closed' ? 'whole' : 'open';
    return this.format === 'ndjson' && taken.pendingAt === -1 ? 'whole' : 'open';
  }

  #take(bytes: Buffer, isLast: boolean): Taken {
    const first = this.offset === 0 ? bomLength(bytes) : 0;
    if (this.offset === 0) this.format = formatOf(bytes);
    // White space tells nothing: a bracket may follow.
    if (this.format === null) return { end: 'short', consumed: 0, pendingAt: -1, scanner: null };
    return this.format === 'array' ? this.#takeElements(bytes, first) : this.#takeLines(bytes, first, isLast);
  }

  #takeElements(bytes: Buffer, first: number): Taken {
    const walk = new ArrayWalk(this.offset > 0);
    const { scanner } = walk;
    const allAscii = isAscii(bytes);
    for (let consumed = 0; ; consumed = walk.end) {
      if (consumed > 0 && this.#budget.spend()) return { end: 'spent', consumed, pendingAt: -1, scanner };
      switch (walk.step(bytes, consumed || first)) {
        case 'element': {
          const { start, end } = walk;
          const found = {
            bytes: bytes.subarray(start, end),
            offset: this.offset + start,
            line: null,
            isAscii: allAscii,
            scanned: scanner,
          };
          if (!this.#sink.value(found, false)) return { end: 'broken', consumed, pendingAt: start, scanner };
          break;
        }
        case 'more':
          return { end: 'short', consumed, pendingAt: walk.start, scanner };
        case 'closed': {
          const onlySpace = skipSpace(bytes, walk.end) === bytes.length;
          return { end: onlySpace ? 'closed' : 'broken', consumed, pendingAt: -1, scanner };
        }
        case 'broken':
          return { end: 'broken', consumed, pendingAt: walk.start, scanner };
      }
    }
  }

  #takeLines(bytes: Buffer, first: number, isLast: boolean): Taken {
    const hasNul = bytes.includes(0);
    const allAscii = isAscii(bytes);
    let consumed = 0;
    for (let at = first; ; at = consumed) {
      const found = bytes.indexOf(NEWLINE, at);
      const unended = found === -1;
      const newline = unended ? bytes.length : found;
      if (unended && !(isLast && this.takeStale && at < newline)) {
        const pendingAt = skipSpace(bytes, at);
        return {
          end: 'short',
          consumed,
          pendingAt: pendingAt < bytes.length ? pendingAt : -1,
          scanner: null,
        };
      }
      const line = trim(bytes, at, newline);
      if (line.length > 0) {
        const offset = this.offset + line.byteOffset - bytes.byteOffset;
        const value = { bytes: line, offset, line: this.lines + 1, isAscii: allAscii };
        if (!hasNul || !line.includes(0)) {
          // A last line that is no JSON is not finished: it is not passed over.
          if (!this.#sink.value(value, !unended))
            return { end: 'short', consumed, pendingAt: at, scanner: null };
        } else if (this.takeStale) this.#passNuls(value);
        else return { end: 'nul', consumed, pendingAt: at, scanner: null };
      }
      if (!unended) this.lines += 1;
      consumed = Math.min(newline + 1, bytes.length);
      if (this.#budget.spend()) return { end: 'spent', consumed, pendingAt: -1, scanner: null };
    }
  }

  /** No JSON holds a NUL, so an object that follows the last one in its line is a record of its own. */
  #passNuls(found: FoundValue): void {
    const { bytes, offset, line } = found;
    const rest = bytes.lastIndexOf(0) + 1;
    if (bytes[rest] !== OPEN_OBJECT) {
      this.#sink.nulBytes(found);
      return;
    }
    this.#sink.nulBytes({ bytes: bytes.subarray(0, rest), offset, line });
    this.#sink.value({ bytes: bytes.subarray(rest), offset: offset + rest, line }, true);
  }

  #beginOversized(bytes: Buffer, { consumed, pendingAt, scanner }: Taken): void {
    const offset = this.offset + pendingAt - consumed;
    this.#windowBytes = WINDOW_BYTES;
    this.#oversized = {
      bytes: Buffer.from(bytes.subarray(pendingAt, pendingAt + LEAF_BYTES)),
      offset,
      line: this.format === 'ndjson' ? this.lines + 1 : null,
      scanner,
      to: this.offset - consumed + bytes.length,
      tail: Buffer.from(bytes.subarray(-EDGE_BYTES)),
      end: null,
    };
  }

  #passOversized(fd: number, size: number, value: Oversized): WalkEnd | 'more' {
    if (value.end === null) {
      if (size === value.to) return 'open';
      const bytes = readWindow(
        this.#files,
        fd,
        value.to,
        Math.max(0, Math.min(WINDOW_BYTES, size - value.to)),
      );
      if (bytes.length === 0) {
        // Truncated meanwhile: what stands there now is looked at afresh.
        this.#oversized = null;
        return size < value.to ? 'more' : 'open';
      }
      const end = value.scanner === null ? bytes.indexOf(NEWLINE) : value.scanner.scan(bytes, 0);
      if (end === -1) {
        value.to += bytes.length;
        value.tail = Buffer.from(bytes.subarray(-EDGE_BYTES));
        return value.to < size ? 'more' : 'open';
      }
      value.end = value.to + end;
      return 'more';
    }
    // Passed over slice by slice, for the sake of the hashes.
    const bytes = readWindow(this.#files, fd, this.offset, Math.min(WINDOW_BYTES, value.end - this.offset));
    if (bytes.length === 0) {
      // Truncated meanwhile.
      this.#oversized = null;
      return 'open';
    }
    this.#sink.passed(bytes);
    this.offset += bytes.length;
    if (this.offset === value.end) {
      this.#sink.tooLarge(value, value.end - value.offset);
      this.#oversized = null;
    }
    return 'more';
  }
}

/** Without the white space around it: a carriage return before the newline is some. */
function trim(bytes: Buffer, from: number, to: number): Buffer {
  let start = from;
  let end = to;
  while (start < end && isJsonSpace(bytes[start])) start += 1;
  while (end > start && isJsonSpace(bytes[end - 1])) end -= 1;
  return bytes.subarray(start, end);
}
