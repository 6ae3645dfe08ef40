import { isAscii, isUtf8 } from 'node:buffer';
import { compactJson, LEDGER_HASH_BYTES, ledgerHash, type Snapshot, takeSnapshot } from '../job/snapshot.js';
import type { RecordVersion } from '../store/intake-contract.js';
import { fieldPath, fieldText, fieldValue } from './json-field.js';
import { ValueScanner } from './json-scanner.js';
import { type Refusal, refuse } from './refusal.js';

/** The bytes of one record, as they stand in the file. They belong to the reader and are overwritten when it goes on. */
export interface RawRecord {
  readonly bytes: Buffer;
  /** True where a reader knows already that all bytes are ASCII; else it is found out here. */
  readonly isAscii?: boolean | undefined;
  /** What the scanner saw on its way; without it the bytes are scanned here. */
  readonly scanned?: { readonly maxDepth: number; readonly hasSpace: boolean } | undefined;
  /** The key of a record whose source names no key field; null: its content is its key. */
  readonly fallbackKey: string | null;
  /** Where the record does not say its key itself, but what it stands in does: that one, whatever field the source names. */
  readonly givenKey?: string | undefined;
}

export interface NormaliseRule {
  readonly key: string | null;
  readonly version: string | null;
  readonly maxRecordBytes: number;
  readonly maxDepth: number;
}

export interface NormalisedRecord {
  readonly key: string;
  /** True when the content itself is the key, so that equal records are told apart by their number. */
  readonly keyedByContent: boolean;
  readonly version: RecordVersion;
  readonly payload: Snapshot;
  /** The parsed payload, for gate and route only: what is handed over is `payload`, never this printed again. */
  readonly value: unknown;
}

/**
 * Makes `{ key, version, payload }` of bytes, or says why not. Bytes that are not valid JSON are refused as `json`; all
 * other reasons mean well-formed bytes that we do not take.
 */
export function createNormaliser(rule: NormaliseRule): (raw: RawRecord) => NormalisedRecord | Refusal {
  const keyPath = rule.key === null ? null : fieldPath(rule.key);
  const versionPath = rule.version === null ? null : fieldPath(rule.version);
  const scanner = new ValueScanner();

  const findKey = (raw: RawRecord, value: unknown, payload: Snapshot) =>
    keyPath === null ? contentKey(raw, payload) : keyOf(value, payload.bytes, keyPath, rule.key);

  return function normalise(raw) {
    const { bytes } = raw;
    if (bytes.length > rule.maxRecordBytes) return tooLarge(bytes.length, rule.maxRecordBytes);
    const ascii = raw.isAscii || isAscii(bytes);
    if (!ascii && !isUtf8(bytes)) return notUtf8(bytes);
    const scanned = raw.scanned ?? scan(scanner, bytes);
    if (scanned.maxDepth > rule.maxDepth) {
      return refuse(
        'too-deep',
        `it is nested ${scanned.maxDepth} levels deep, more than ${rule.maxDepth}`,
        'make it flatter, or raise maxDepth of the source',
      );
    }
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString(ascii ? 'latin1' : 'utf8'));
    } catch (error) {
      return holdsNonFinite(bytes) ? notFinite() : notJson(error);
    }
    const unsafe = findUnsafe(value);
    if (unsafe !== null) return unsafe;

    const compact = scanned.hasSpace ? compactJson(bytes) : bytes;
    const payload = takeSnapshot(compact);
    const key = raw.givenKey ?? findKey(raw, value, payload);
    if (typeof key !== 'string') return key;
    const version = versionOf(value, payload, versionPath, rule.version, key);
    if ('refused' in version) return version;
    return {
      key,
      keyedByContent: keyPath === null && raw.fallbackKey === null && raw.givenKey === undefined,
      version,
      payload,
      value,
    };
  };
}

/** `bytes` begin where the record or its file does. */
export function notUtf8(bytes: Buffer): Refusal {
  const remedy = 'write the file in UTF-8';
  return isUtf16(bytes)
    ? refuse('utf8', 'it is UTF-16, and must be UTF-8', remedy)
    : refuse('utf8', 'it holds bytes that are not UTF-8', remedy);
}

/** By its byte order mark, which no UTF-8 can begin with. */
export function isUtf16(bytes: Buffer): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

export function tooLarge(lengthBytes: number, maxRecordBytes: number): Refusal {
  return refuse(
    'too-large',
    `it has ${lengthBytes} bytes, more than ${maxRecordBytes}`,
    'make it smaller, or raise maxRecord of the source',
  );
}

function scan(scanner: ValueScanner, bytes: Buffer): { maxDepth: number; hasSpace: boolean } {
  scanner.begin();
  const end = scanner.scan(bytes, 0);
  // What follows the value is white space, or JSON.parse refuses it.
  return { maxDepth: scanner.maxDepth, hasSpace: scanner.hasSpace || (end !== -1 && end < bytes.length) };
}

function notJson(error: unknown): Refusal {
  const said = error instanceof Error ? error.message : String(error);
  return refuse('json', said, 'mend the JSON; what stands there now is not valid');
}

function notFinite(): Refusal {
  return refuse(
    'not-finite',
    'it holds NaN, Infinity or a number too large for JSON',
    'write null or a finite number (in Python: json.dumps(..., allow_nan=False))',
  );
}

/** The words that Python and others write for numbers that JSON does not have. */
const NON_FINITE = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/gs;

function holdsNonFinite(bytes: Buffer): boolean {
  let found = false;
  const mended = bytes.toString('utf8').replace(NON_FINITE, (token) => {
    if (token.startsWith('"')) return token;
    found = true;
    return '0';
  });
  if (!found) return false;
  try {
    JSON.parse(mended);
    return true;
  } catch {
    return false;
  }
}

const UNSAFE_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor']);
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Walks without recursion: the depth is the user's to configure. */
function findUnsafe(root: unknown): Refusal | null {
  if (typeof root === 'number') return Number.isFinite(root) ? null : notFinite();
  if (typeof root !== 'object' || root === null) return null;
  const open: object[] = [root];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const value of Array.isArray(at) ? at : Object.values(at)) {
      if (typeof value === 'object' && value !== null) open.push(value);
      else if (typeof value === 'number' && !Number.isFinite(value)) return notFinite();
    }
    if (Array.isArray(at)) continue;
    for (const name in at) if (UNSAFE_NAMES.has(name) || LONE_SURROGATE.test(name)) return unsafeName(name);
  }
  return null;
}

function unsafeName(name: string): Refusal {
  return refuse(
    'unsafe-key',
    `a field is named ${JSON.stringify(name)}`,
    'rename the field: this name can harm programs that read it',
  );
}

function contentKey(raw: RawRecord, payload: Snapshot): string {
  return raw.fallbackKey ?? payload.hash.toString('hex', 0, LEDGER_HASH_BYTES);
}

function keyOf(
  value: unknown,
  compact: Buffer,
  path: readonly string[],
  field: string | null,
): string | Refusal {
  const found = fieldValue(value, path);
  if (typeof found === 'string' && found !== '') {
    if (!LONE_SURROGATE.test(found)) return found;
    return refuse('unsafe-key', 'its key holds half a surrogate pair', `mend the text in "${field}"`);
  }
  if (typeof found === 'number') {
    // Two ids beyond 2^53 may be one number once they are parsed.
    if (Number.isSafeInteger(found)) return String(found);
    return fieldText(compact, path) ?? String(found);
  }
  if (typeof value !== 'object' || value === null || (Array.isArray(value) && found === undefined)) {
    return refuse(
      'no-key',
      `it is ${describe(value)}, and only an object can have the key of this source, "${field}"`,
      `write an object that has "${field}"`,
    );
  }
  if (found === undefined) {
    return refuse('no-key', `it has no "${field}", which is the key of this source`, `add "${field}"`);
  }
  return refuse(
    'no-key',
    `its key "${field}" is ${describe(found)}`,
    `give "${field}" a text or a number of its own`,
  );
}

function describe(value: unknown): string {
  if (value === '') return 'empty';
  if (value === null) return 'null';
  if (typeof value === 'string') return 'a text';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function versionOf(
  value: unknown,
  payload: Snapshot,
  path: readonly string[] | null,
  field: string | null,
  key: string,
): RecordVersion | Refusal {
  if (path === null) return { hash: payload.hash.subarray(0, LEDGER_HASH_BYTES), order: null };
  const found = fieldValue(value, path);
  const order =
    typeof found === 'number' ? found : typeof found === 'string' ? Date.parse(found) : Number.NaN;
  if (Number.isFinite(order)) return { hash: ledgerHash(fieldText(payload.bytes, path) ?? ''), order };
  return refuse(
    'no-version',
    found === undefined
      ? `it has no "${field}", which is the version of this source`
      : `its version "${field}" is neither a number nor a date`,
    `give "${field}" a number or an ISO 8601 date`,
    key,
  );
}
