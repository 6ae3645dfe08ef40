import type { SavedFingerprint } from './fingerprint.js';
import { decodeStamp, encodeStamp, type Stamp } from './stamp.js';

/** Told apart by the first byte: `[` begins an array. */
export type LogFormat = 'ndjson' | 'array';

/**
 * How far a log has been admitted. Stored in the same transaction as the jobs of what lies before `print.length`.
 * An array's cursor stands after the last byte of the last element, never after the closing bracket.
 */
export interface LogCursor {
  /** Names one reading from the beginning on: the n-th copy of an unkeyed record is the n-th of its generation. */
  readonly generation: number;
  readonly stamp: Stamp;
  /** Wall time at which the content was read under this stamp. */
  readonly observedAtMs: number;
  /** null while nothing is consumed: an array's cursor stays before its `[` until its first element is. */
  readonly format: LogFormat | null;
  /** Lines before the cursor (NDJSON only). */
  readonly lines: number;
  /** Its `length` is the offset. */
  readonly print: SavedFingerprint;
  /** Leaf at which the audit goes on. */
  readonly auditLeaf: number;
  /** False in the middle of a reading, and while something unfinished stands at the end: the stamp then proves nothing. */
  readonly reached: boolean;
  /** What stands at the cursor was rejected, and has not been taken since. */
  readonly quarantined: boolean;
}

/** What is known about one file of a directory source. */
export interface FileCursor {
  readonly stamp: Stamp;
  readonly observedAtMs: number;
  /** Of the content: see `digestFile`. */
  readonly digest: string;
  /** False when some of it was rejected: such a file is neither archived nor deleted. */
  readonly whole: boolean;
}

const VERSION = 1;

export function encodeLogCursor(cursor: LogCursor): string {
  return JSON.stringify({ v: VERSION, ...cursor, stamp: encodeStamp(cursor.stamp) });
}

/**
 * null for a body that this program does not understand: the log is then read from its beginning, which the ledger
 * makes harmless.
 */
export function decodeLogCursor(body: string): LogCursor | null {
  const fields = parseBody(body);
  const stamp = stampIn(fields);
  const print = fields['print'] as SavedFingerprint | undefined;
  const { generation, observedAtMs, format, lines, auditLeaf, reached, quarantined } =
    fields as Partial<LogCursor>;
  if (
    stamp === null ||
    typeof generation !== 'number' ||
    typeof observedAtMs !== 'number' ||
    (format !== null && format !== 'ndjson' && format !== 'array') ||
    typeof lines !== 'number' ||
    typeof auditLeaf !== 'number' ||
    typeof reached !== 'boolean' ||
    typeof quarantined !== 'boolean' ||
    !isSavedFingerprint(print)
  ) {
    return null;
  }
  return { generation, stamp, observedAtMs, format, lines, print, auditLeaf, reached, quarantined };
}

/** What is kept of a log of which nothing was taken yet. No `LogCursor`: there is nothing to go on with. */
export function encodeFirstLook(stamp: Stamp): string {
  return JSON.stringify({ v: VERSION, stamp: encodeStamp(stamp) });
}

/** Of a `LogCursor` or of a first look; null for a body that this program does not understand. */
export function decodeLookStamp(body: string): Stamp | null {
  return stampIn(parseBody(body));
}

export function encodeFileCursor({ stamp, observedAtMs, digest, whole }: FileCursor): string {
  return JSON.stringify({ v: VERSION, stamp: encodeStamp(stamp), observedAtMs, digest, whole });
}

/** null as in `decodeLogCursor`. */
export function decodeFileCursor(body: string): FileCursor | null {
  const fields = parseBody(body);
  const stamp = stampIn(fields);
  const { observedAtMs, digest, whole } = fields as Partial<FileCursor>;
  if (
    stamp === null ||
    typeof observedAtMs !== 'number' ||
    typeof digest !== 'string' ||
    typeof whole !== 'boolean'
  ) {
    return null;
  }
  return { stamp, observedAtMs, digest, whole };
}

/** Empty for what this version of the program did not write. */
export function parseBody(body: string): Record<string, unknown> {
  try {
    const fields: unknown = JSON.parse(body);
    if (typeof fields === 'object' && fields !== null && 'v' in fields && fields.v === VERSION) {
      return fields as Record<string, unknown>;
    }
    return {};
  } catch {
    return {};
  }
}

function stampIn(fields: Record<string, unknown>): Stamp | null {
  return typeof fields['stamp'] === 'string' ? decodeStamp(fields['stamp']) : null;
}

function isSavedFingerprint(print: SavedFingerprint | undefined): print is SavedFingerprint {
  return (
    typeof print === 'object' &&
    print !== null &&
    Number.isSafeInteger(print.length) &&
    Number.isSafeInteger(print.level) &&
    [print.head, print.tail, print.blocks, print.rest].every((hash) => typeof hash === 'string')
  );
}
