import { skipSpace, ValueScanner } from '../json-scanner.js';
import { isUtf16, notUtf8 } from '../normalise.js';
import { type Refusal, refuse } from '../refusal.js';
import { bomLength } from '../window.js';

/** One record of a plan, as it stands in the file. */
export interface PlanEntry {
  /** Its name where the plan is an object, else null: it then says its key itself. */
  readonly name: string | null;
  /** Offset of the name, or of the value where there is none. */
  readonly begin: number;
  readonly start: number;
  readonly end: number;
  readonly maxDepth: number;
  readonly hasSpace: boolean;
}

export type PlanShape =
  | { readonly kind: 'entries'; readonly entries: readonly PlanEntry[] }
  | { readonly kind: 'empty' }
  /** Ends too early: it is being written, or was cut off. */
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'broken'; readonly at: number; readonly refusal: Refusal };

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;
const QUOTE = 0x22;

const ENTRIES_A_SLICE = 2_000;

/** Finds the records of a plan: the elements of one array, or the values of one object keyed by id. Yields between slices. */
export function* splitPlan(bytes: Buffer): Generator<void, PlanShape> {
  const start = skipSpace(bytes, bomLength(bytes));
  if (start === bytes.length) return { kind: 'empty' };
  const opener = bytes[start];
  if (opener !== OPEN_ARRAY && opener !== OPEN_OBJECT) {
    return { kind: 'broken', at: start, refusal: isUtf16(bytes) ? notUtf8(bytes) : noPlan() };
  }
  const closer = opener === OPEN_ARRAY ? CLOSE_ARRAY : CLOSE_OBJECT;
  const entries: PlanEntry[] = [];
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === closer) return ended(bytes, at + 1, entries);
  for (;;) {
    const entry = opener === OPEN_ARRAY ? elementAt(bytes, at) : memberAt(bytes, at);
    if (entry === 'unfinished') return { kind: 'unfinished' };
    if (entry === 'broken') return broken(at);
    entries.push(entry);
    at = skipSpace(bytes, entry.end);
    if (at === bytes.length) return { kind: 'unfinished' };
    if (bytes[at] === closer) return ended(bytes, at + 1, entries);
    if (bytes[at] !== COMMA) return broken(at);
    at = skipSpace(bytes, at + 1);
    if (entries.length % ENTRIES_A_SLICE === 0) yield;
  }
}

const scanner = new ValueScanner();

function elementAt(bytes: Buffer, at: number): PlanEntry | 'unfinished' | 'broken' {
  scanner.begin();
  const end = scanner.scan(bytes, at);
  if (end === at) return 'broken';
  if (end === -1) return 'unfinished';
  const { maxDepth, hasSpace } = scanner;
  return { name: null, begin: at, start: at, end, maxDepth, hasSpace };
}

function memberAt(bytes: Buffer, at: number): PlanEntry | 'unfinished' | 'broken' {
  if (at === bytes.length) return 'unfinished';
  if (bytes[at] !== QUOTE) return 'broken';
  scanner.begin();
  const nameEnd = scanner.scan(bytes, at);
  if (nameEnd === -1) return 'unfinished';
  const colon = skipSpace(bytes, nameEnd);
  if (colon === bytes.length) return 'unfinished';
  const name = textIn(bytes, at, nameEnd);
  if (bytes[colon] !== COLON || name === null) return 'broken';
  const value = elementAt(bytes, skipSpace(bytes, colon + 1));
  return typeof value === 'string' ? value : { ...value, name, begin: at };
}

/** null for what is no valid JSON text. */
function textIn(bytes: Buffer, from: number, to: number): string | null {
  try {
    return JSON.parse(bytes.toString('utf8', from, to)) as string;
  } catch {
    return null;
  }
}

function ended(bytes: Buffer, at: number, entries: readonly PlanEntry[]): PlanShape {
  const rest = skipSpace(bytes, at);
  return rest === bytes.length ? { kind: 'entries', entries } : broken(rest);
}

function broken(at: number): PlanShape {
  const refusal = refuse('json', 'what stands here cannot follow in a plan', 'mend the JSON here');
  return { kind: 'broken', at, refusal };
}

function noPlan(): Refusal {
  return refuse(
    'not-records',
    'it is neither an array nor an object',
    'write one array of records, or one object that is keyed by id',
  );
}
