import { createHash } from 'node:crypto';
import { sha256 } from '../job/snapshot.js';
import type { Clock } from '../platform/clock.js';
import type { AdmissionRecord } from '../store/intake-contract.js';
import type { FileAccess } from './file-access.js';
import { skipSpace, ValueScanner } from './json-scanner.js';
import { type Judge, type Reject, rejectOf } from './judge.js';
import type { LeafList } from './leaf-list.js';
import { LineFinder } from './line-finder.js';
import { scanLog } from './log-scan.js';
import type { FoundValue, LogSink } from './log-sink.js';
import { LogWalk } from './log-walk.js';
import { isUtf16, notUtf8, tooLarge } from './normalise.js';
import type { OpenFile } from './open-file.js';
import { isRefusal, type Refusal, refuse } from './refusal.js';
import { SLICE_RECORDS, SliceBudget } from './step.js';
import { bomLength, readWindow, WINDOW_BYTES } from './window.js';

/** What one file of a directory source holds, before any of it is taken. */
export type DocumentShape =
  | { readonly kind: 'empty' }
  /** One object, at these offsets. */
  | { readonly kind: 'object'; readonly start: number; readonly end: number }
  | { readonly kind: 'array'; readonly leaves: LeafList }
  /** Ends too early: it is being written, or was cut off. */
  | { readonly kind: 'unfinished' }
  /** Holds what cannot be one object or one array, from this offset on. */
  | { readonly kind: 'broken'; readonly at: number; readonly refusal: Refusal };

export interface DocumentParts {
  readonly path: string;
  /** Name of the file: the key of its record when the source has none. */
  readonly name: string;
  readonly files: FileAccess;
  readonly clock: Clock;
  readonly judge: Judge;
  readonly maxRecordBytes: number;
}

const NUL = 0x00;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;

/** First 12 bytes of the content's SHA-256: short, since 100,000 of them are kept. Yields between slices. */
export function* digestFile(files: FileAccess, { fd, sizeBytes }: OpenFile): Generator<void, string> {
  if (sizeBytes <= WINDOW_BYTES) return shortDigest(sha256(readWindow(files, fd, 0, sizeBytes)));
  const hash = createHash('sha256');
  for (let at = 0; at < sizeBytes; ) {
    const bytes = readWindow(files, fd, at, Math.min(WINDOW_BYTES, sizeBytes - at));
    if (bytes.length === 0) break;
    hash.update(bytes);
    at += bytes.length;
    yield;
  }
  return shortDigest(hash.digest());
}

function shortDigest(digest: Buffer): string {
  return digest.toString('base64', 0, 12);
}

/** Tells what a file holds from its structure alone. Yields between slices. */
export function* inspect(parts: DocumentParts, file: OpenFile): Generator<void, DocumentShape> {
  const beginning = readWindow(parts.files, file.fd, 0, Math.min(WINDOW_BYTES, file.sizeBytes));
  const start = skipSpace(beginning, bomLength(beginning));
  if (start === beginning.length) return { kind: 'empty' };
  switch (beginning[start]) {
    case OPEN_ARRAY: {
      const scan = yield* scanLog(parts, file.fd, file.sizeBytes, null);
      if (scan.end === 'whole') return { kind: 'array', leaves: scan.leaves };
      if (scan.end !== 'broken') return { kind: 'unfinished' };
      return { kind: 'broken', at: scan.stuckAt, refusal: afterValue() };
    }
    case OPEN_OBJECT:
      return yield* inspectObject(parts, file, start);
    case NUL:
      return { kind: 'broken', at: start, refusal: onlyNuls() };
    default:
      return { kind: 'broken', at: start, refusal: isUtf16(beginning) ? notUtf8(beginning) : notRecords() };
  }
}

function* inspectObject(
  { files }: DocumentParts,
  file: OpenFile,
  start: number,
): Generator<void, DocumentShape> {
  const scanner = new ValueScanner();
  scanner.begin();
  let end = -1;
  for (let at = start; at < file.sizeBytes; ) {
    const bytes = readWindow(files, file.fd, at, Math.min(WINDOW_BYTES, file.sizeBytes - at));
    if (bytes.length === 0) break;
    const from = end === -1 ? scanner.scan(bytes, 0) : 0;
    if (from !== -1) {
      if (end === -1) end = at + from;
      const rest = skipSpace(bytes, from);
      if (rest < bytes.length) return { kind: 'broken', at: at + rest, refusal: afterValue() };
    }
    at += bytes.length;
    if (at < file.sizeBytes) yield;
  }
  return end === -1 ? { kind: 'unfinished' } : { kind: 'object', start, end };
}

function afterValue(): Refusal {
  return refuse(
    'json',
    'more follows after the end of what should be the only value',
    'keep one object or one array in a file; several lines of JSON are for a log source',
  );
}

function onlyNuls(): Refusal {
  return refuse(
    'nul-bytes',
    'it begins with NUL bytes: a power cut leaves such a file',
    'write the file again as a whole',
  );
}

function notRecords(): Refusal {
  return refuse(
    'not-records',
    'it holds neither an object nor an array',
    'write one object, or one array of them',
  );
}

/** A slice of taking a document. */
export interface DocumentSlice {
  readonly records: readonly AdmissionRecord[];
  readonly rejects: readonly Reject[];
  /** `changed`: these are not the bytes that were inspected; nothing of this slice counts. `broken`: invalid JSON at `at`. */
  readonly end: 'more' | 'whole' | 'changed' | 'broken';
  readonly at: number;
  readonly refusal: Refusal | null;
}

/** Takes the records of a document that was inspected: normalise → gate → route, slice by slice. */
export class DocumentTaking implements LogSink {
  readonly #parts: DocumentParts;
  readonly #file: OpenFile;
  readonly #walk: LogWalk;
  #records: AdmissionRecord[] = [];
  #rejects: Reject[] = [];
  #index = 0;
  #broken: Refusal | null = null;

  constructor(parts: DocumentParts, file: OpenFile) {
    this.#parts = parts;
    this.#file = file;
    const budget = new SliceBudget(parts.clock, SLICE_RECORDS);
    this.#walk = new LogWalk({ format: null, offset: 0, lines: 0 }, { ...parts, sink: this, budget });
  }

  next(shape: Extract<DocumentShape, { kind: 'object' | 'array' }>): DocumentSlice {
    this.#records = [];
    this.#rejects = [];
    this.#broken = null;
    if (shape.kind === 'object') return this.#takeObject(shape.start, shape.end);
    if (this.#walk.offset >= shape.leaves.length) return this.#slice('whole', this.#walk.offset);
    const end = this.#walk.turn(this.#file.fd, this.#file.sizeBytes, shape.leaves);
    switch (end) {
      case 'more':
        return this.#slice(this.#walk.offset >= shape.leaves.length ? 'whole' : 'more', this.#walk.offset);
      case 'broken':
        return this.#slice('broken', this.#walk.stuckAt);
      default:
        return this.#slice('changed', this.#walk.offset);
    }
  }

  value(found: FoundValue): boolean {
    const { judge, clock, name, path } = this.#parts;
    const fallbackKey = `${name}#${this.#index}`;
    const judged = judge({ ...found, path, fallbackKey }, 0, clock.wallMs());
    if (!isRefusal(judged)) this.#records.push(judged);
    else if (judged.refused === 'json') {
      this.#broken = judged;
      return false;
    } else this.#refuse(judged, found, found.bytes.length);
    this.#index += 1;
    return true;
  }

  tooLarge(found: FoundValue, lengthBytes: number): void {
    this.#index += 1;
    this.#refuse(tooLarge(lengthBytes, this.#parts.maxRecordBytes), found, lengthBytes);
  }

  nulBytes(): void {
    throw new Error('an array has no lines of NUL bytes');
  }

  passed(): void {
    // The whole document was hashed before it was taken.
  }

  #takeObject(start: number, end: number): DocumentSlice {
    const { judge, clock, name, path, files, maxRecordBytes } = this.#parts;
    const length = end - start;
    const bytes = readWindow(files, this.#file.fd, start, Math.min(length, maxRecordBytes + 1));
    const found = { bytes, offset: start, line: null };
    if (length > maxRecordBytes) {
      this.#refuse(tooLarge(length, maxRecordBytes), found, length);
      return this.#slice('whole', end);
    }
    const judged = judge({ ...found, path, fallbackKey: name }, 0, clock.wallMs());
    if (!isRefusal(judged)) this.#records.push(judged);
    else if (judged.refused === 'json') {
      this.#broken = judged;
      return this.#slice('broken', start);
    } else this.#refuse(judged, found, length);
    return this.#slice('whole', end);
  }

  #slice(end: DocumentSlice['end'], at: number): DocumentSlice {
    return { records: this.#records, rejects: this.#rejects, end, at, refusal: this.#broken };
  }

  #refuse(refusal: Refusal, found: FoundValue, lengthBytes: number): void {
    this.#rejects.push(rejectIn(this.#parts, this.#file, refusal, found.offset, lengthBytes));
  }
}

/** Refuses a stretch of a document. */
export function rejectIn(
  { files, path }: DocumentParts,
  file: OpenFile,
  refusal: Refusal,
  offset: number,
  lengthBytes: number,
): Reject {
  const line = new LineFinder(files).lineOf(file.fd, offset);
  // A walk may be in the midst of the shared window.
  const bytes = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, lengthBytes));
  const length = files.read(file.fd, bytes, bytes.length, offset);
  return rejectOf(refusal, { path, line, offset, lengthBytes }, bytes.subarray(0, length));
}
