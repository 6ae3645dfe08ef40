import type { ScheduleSource } from '../../config/config.js';
import { sha256 } from '../../job/snapshot.js';
import type { AdmissionRecord } from '../../store/intake-contract.js';
import { type Judge, type Reject, rejectOf } from '../judge.js';
import { isRefusal, type Refusal, refuse } from '../refusal.js';
import { commonEnds } from './common-ends.js';
import type { PlanEntry, PlanShape } from './entries.js';
import type { RepeatingRecord } from './repeats.js';

/** What a plan holds, as far as it differs from the one before. */
export interface ReadPlan {
  /** Those that are new or changed. */
  readonly records: readonly AdmissionRecord[];
  /** All that repeat. */
  readonly repeating: ReadonlyMap<string, RepeatingRecord>;
  /** How many stand there with the very bytes that they had in the plan before. */
  readonly unchanged: number;
  /** Keys of refused records: what was planned for them before stays planned, also by a worker that never read it. */
  readonly refusedKeys: ReadonlySet<string>;
  /** Something of the plan before is not in it, or comes again and again now. */
  readonly lacksSome: boolean;
  /** null: the same as those of the plan before. */
  readonly rejects: readonly Reject[] | null;
}

/** What an entry has come to. */
interface Judged {
  readonly key: string;
  readonly repeating: RepeatingRecord | null;
  /** null for one that repeats, and for one that the plan before had. */
  readonly record: AdmissionRecord | null;
}

interface Plan {
  readonly bytes: Buffer;
  readonly entries: readonly PlanEntry[];
  /** By entry. null: refused. */
  readonly judged: readonly (Judged | null)[];
  /** What counts under each key, also what stood there before where it is refused now. */
  readonly byKey: Map<string, Judged>;
  /** Of those that are refused, and stand nowhere else. */
  readonly refusedKeys: ReadonlySet<string>;
  /** Digests of what was refused; '' for nothing. */
  readonly refused: string;
}

interface Refused {
  readonly refusal: Refusal;
  readonly entry: PlanEntry;
}

const ENTRIES_A_SLICE = 200;

/** Judges the records of plan after plan, and of each plan only what the one before did not have. */
export class PlanRecords {
  readonly #source: ScheduleSource;
  readonly #judge: Judge;
  #before: Plan | null = null;

  constructor(source: ScheduleSource, judge: Judge) {
    this.#source = source;
    this.#judge = judge;
  }

  /** Of all records that do not repeat, and of what is refused. */
  keys(): readonly string[] {
    const { byKey = [], refusedKeys = [] } = this.#before ?? {};
    return [...[...byKey].flatMap(([key, { repeating }]) => (repeating === null ? key : [])), ...refusedKeys];
  }

  /** The next plan is the first. */
  forget(): void {
    this.#before = null;
  }

  /** Yields between slices. */
  *read(entries: readonly PlanEntry[], bytes: Buffer, nowMs: number): Generator<void, ReadPlan> {
    const before = this.#before;
    const quick = before?.refused === '' ? yield* this.#readStretch(before, entries, bytes, nowMs) : null;
    return quick ?? (yield* this.#readAll(entries, bytes, nowMs));
  }

  /** Looks only at what lies between the ends that both plans have in common. null: it takes a look at all. */
  *#readStretch(
    before: Plan,
    entries: readonly PlanEntry[],
    bytes: Buffer,
    nowMs: number,
  ): Generator<void, ReadPlan | null> {
    const { head, tail } = commonEntries(before, entries, bytes);
    const goneTo = before.entries.length - tail;
    const known = knownEntries(before, head, goneTo);
    const gone = new Map(before.judged.slice(head, goneTo).map((one) => [one?.key, one]));
    const found = new Map<string, Judged>();
    for (const [n, entry] of entries.slice(head, entries.length - tail).entries()) {
      if (n % ENTRIES_A_SLICE === ENTRIES_A_SLICE - 1) yield;
      const one = known.get(digestOf(bytes, entry)) ?? this.#judgeEntry(entry, bytes, nowMs);
      if (isRefusal(one) || found.has(one.key)) return null;
      if (before.byKey.has(one.key) && !gone.has(one.key)) return null;
      found.set(one.key, one);
    }
    const { byKey } = before;
    for (const key of gone.keys()) if (key !== undefined) byKey.delete(key);
    for (const [key, one] of found) byKey.set(key, withoutRecord(one));
    const stretch = [...found.values()].map(withoutRecord);
    const judged = [...before.judged.slice(0, head), ...stretch, ...before.judged.slice(goneTo)];
    const records = [...found.values()].flatMap(({ record }) => record ?? []);
    const lacksSome = [...gone.values()].some((one) => isLacking(one, found));
    const plan = { bytes, entries, judged, byKey, refusedKeys: NO_KEYS, refused: '' };
    return this.#hold(plan, { records, lacksSome, rejects: null });
  }

  *#readAll(entries: readonly PlanEntry[], bytes: Buffer, nowMs: number): Generator<void, ReadPlan> {
    const before = this.#before;
    const known =
      before === null ? new Map<string, Judged>() : knownEntries(before, 0, before.entries.length);
    const judged: (Judged | null)[] = [];
    const lastOf = new Map<string, number>();
    const refused: Refused[] = [];
    for (const [n, entry] of entries.entries()) {
      if (n % ENTRIES_A_SLICE === ENTRIES_A_SLICE - 1) yield;
      const one = known.get(digestOf(bytes, entry)) ?? this.#judgeEntry(entry, bytes, nowMs);
      if (isRefusal(one)) {
        refused.push({ refusal: one, entry });
        judged.push(null);
        continue;
      }
      const former = lastOf.get(one.key);
      if (former !== undefined) {
        refused.push({ refusal: repeated(one.key), entry: entries[former] as PlanEntry });
        judged[former] = null;
      }
      lastOf.set(one.key, n);
      judged.push(one);
    }
    const byKey = new Map<string, Judged>();
    for (const one of judged) if (one !== null) byKey.set(one.key, withoutRecord(one));
    const refusedKeys = new Set(
      refused.flatMap(({ refusal: { key } }) => (key && !byKey.has(key) ? key : [])),
    );
    for (const key of refusedKeys) {
      const held = before?.byKey.get(key);
      if (held !== undefined) byKey.set(key, held);
    }
    const rejects = refused.map(({ refusal, entry }) => this.#reject(refusal, entry, bytes));
    const digests = rejects.map(({ digest }) => digest.toString('hex')).join(' ');
    const records = judged.flatMap((one) => one?.record ?? []);
    const lacksSome =
      before === null ||
      [...before.byKey.values()].some((one) => isLacking(one, byKey)) ||
      [...before.refusedKeys].some((key) => !refusedKeys.has(key));
    const plan = {
      bytes,
      entries,
      judged: judged.map((one) => one && withoutRecord(one)),
      byKey,
      refusedKeys,
      refused: digests,
    };
    return this.#hold(plan, { records, lacksSome, rejects: digests === before?.refused ? null : rejects });
  }

  #hold(plan: Plan, read: Omit<ReadPlan, 'repeating' | 'unchanged' | 'refusedKeys'>): ReadPlan {
    const repeating = new Map<string, RepeatingRecord>();
    for (const [key, one] of plan.byKey) if (one.repeating !== null) repeating.set(key, one.repeating);
    this.#before = plan;
    const once = plan.judged.filter((one) => one !== null && one.repeating === null).length;
    const { refusedKeys } = plan;
    return { ...read, repeating, refusedKeys, unchanged: once - read.records.length };
  }

  /** Refuses all of a file that holds no plan. */
  refuseWhole(shape: Extract<PlanShape, { kind: 'unfinished' | 'broken' }>, bytes: Buffer): Reject {
    const [at, refusal] =
      shape.kind === 'broken'
        ? [shape.at, shape.refusal]
        : [0, refuse('unfinished', 'it ends before its plan does', 'write the file again as a whole')];
    // So that the next plan closes this one, whatever it holds.
    if (this.#before !== null) this.#before = { ...this.#before, refused: 'all of it' };
    return this.#reject(refusal, { begin: at, end: bytes.length }, bytes);
  }

  #judgeEntry(entry: PlanEntry, bytes: Buffer, nowMs: number): Judged | Refusal {
    const { name, start, end, maxDepth, hasSpace } = entry;
    const raw = {
      bytes: bytes.subarray(start, end),
      scanned: { maxDepth, hasSpace },
      fallbackKey: null,
      givenKey: name ?? undefined,
    };
    const record = this.#judge({ ...raw, path: this.#source.path, offset: start, line: null }, 0, nowMs);
    if (isRefusal(record)) return record.key === null ? { ...record, key: name } : record;
    const { recurrence, ...plain } = record;
    const { key } = record;
    const timed = { ...plain, version: versionOf(plain) };
    return recurrence === undefined
      ? { key, repeating: null, record: timed }
      : { key, repeating: { record: timed, recurrence }, record: null };
  }

  #reject(refusal: Refusal, { begin, end }: Pick<PlanEntry, 'begin' | 'end'>, bytes: Buffer): Reject {
    let line = 1;
    for (let at = bytes.indexOf(NEWLINE); at !== -1 && at < begin; at = bytes.indexOf(NEWLINE, at + 1))
      line += 1;
    const place = { path: this.#source.path, line, offset: begin, lengthBytes: end - begin };
    return rejectOf(refusal, place, bytes.subarray(begin, end));
  }
}

const NEWLINE = 0x0a;
const NO_KEYS: ReadonlySet<string> = new Set();

/** What an entry of the plan before has opened may have to go: of one that repeats now, the job under its own key. */
function isLacking(one: Judged | null | undefined, byKey: ReadonlyMap<string, Judged>): boolean {
  if (!one) return false;
  const now = byKey.get(one.key);
  return now === undefined || (now.repeating === null) !== (one.repeating === null);
}

/** How many entries are the same at the beginning of two plans, and at their end. */
function commonEntries(
  before: Plan,
  entries: readonly PlanEntry[],
  bytes: Buffer,
): { readonly head: number; readonly tail: number } {
  const same = commonEnds(before.bytes, bytes);
  const most = Math.min(before.entries.length, entries.length);
  let head = 0;
  while (head < most && (entries[head] as PlanEntry).end < same.head) head += 1;
  let tail = 0;
  const tailFrom = bytes.length - same.tail;
  while (tail < most - head && (entries[entries.length - 1 - tail] as PlanEntry).begin >= tailFrom) tail += 1;
  return { head, tail };
}

/** Entries of a plan that were taken, by their digests: wherever they stand in the next one, they are known. */
function knownEntries({ bytes, entries, judged }: Plan, from: number, to: number): Map<string, Judged> {
  const known = new Map<string, Judged>();
  for (let n = from; n < to; n += 1) {
    const one = judged[n];
    if (one) known.set(digestOf(bytes, entries[n] as PlanEntry), one);
  }
  return known;
}

function digestOf(bytes: Buffer, { begin, end }: PlanEntry): string {
  return sha256(bytes.subarray(begin, end)).toString('base64', 0, 12);
}

function withoutRecord({ key, repeating }: Judged): Judged {
  return { key, repeating, record: null };
}

/** A version that a field names says nothing of the times, and they count as well. */
function versionOf({ version, runAtMs, expiresAtMs }: AdmissionRecord): AdmissionRecord['version'] {
  if (version.order === null) return version;
  const hash = sha256(`${version.hash.toString('hex')} ${runAtMs} ${expiresAtMs}`);
  return { ...version, hash: hash.subarray(0, version.hash.length) };
}

function repeated(key: string): Refusal {
  return refuse(
    'repeated-id',
    'its id stands again further on, and there it counts',
    'give each record an id of its own',
    key,
  );
}
