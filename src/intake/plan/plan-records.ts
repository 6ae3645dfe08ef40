import type { ScheduleSource } from '../../config/config.js';
import { sha256 } from '../../job/snapshot.js';
import type { AdmissionRecord } from '../../store/intake-contract.js';
import { type Judge, type Reject, rejectOf } from '../judge.js';
import { isRefusal, type Refusal, refuse } from '../refusal.js';
import type { PlanEntry, PlanShape } from './entries.js';
import type { RepeatingRecord } from './repeats.js';

/** What a plan holds, as far as it differs from the one before. */
export interface ReadPlan {
  /** Those that are new or changed. */
  readonly records: readonly AdmissionRecord[];
  /** All that repeat. */
  readonly repeating: ReadonlyMap<string, RepeatingRecord>;
  /** Keys of all that do not repeat. What is refused now and was taken before keeps its place. */
  readonly keys: readonly string[];
  /** Something of the plan before is not in it. */
  readonly lacksSome: boolean;
  /** null: the same as those of the plan before. */
  readonly rejects: readonly Reject[] | null;
}

/** An entry that was judged: its bytes need not be looked at again. */
interface JudgedEntry {
  readonly key: string;
  readonly repeating: RepeatingRecord | null;
  /** null for one that repeats. */
  readonly record: AdmissionRecord | null;
}

interface FoundEntry extends JudgedEntry {
  readonly entry: PlanEntry;
  readonly digest: string;
  /** The plan before had it, with these very bytes. */
  readonly isKnown: boolean;
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
  /** What the plan before holds, by the digest of the entry's bytes. */
  #known = new Map<string, Omit<JudgedEntry, 'record'>>();
  #keys: readonly string[] = [];
  #repeating: ReadonlyMap<string, RepeatingRecord> = new Map();
  /** Digests of what the plan before had refused; null before the first. */
  #refused: string | null = null;

  constructor(source: ScheduleSource, judge: Judge) {
    this.#source = source;
    this.#judge = judge;
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  /** The next plan is the first. */
  forget(): void {
    this.#known = new Map();
    this.#keys = [];
    this.#repeating = new Map();
    this.#refused = null;
  }

  /** Yields between slices. */
  *read(entries: readonly PlanEntry[], bytes: Buffer, nowMs: number): Generator<void, ReadPlan> {
    const found = new Map<string, FoundEntry>();
    const refused: Refused[] = [];
    for (const [n, entry] of entries.entries()) {
      if (n % ENTRIES_A_SLICE === ENTRIES_A_SLICE - 1) yield;
      const digest = digestOf(bytes, entry);
      const known = this.#known.get(digest);
      const judged = known === undefined ? this.#judgeEntry(entry, bytes, nowMs) : { ...known, record: null };
      if (isRefusal(judged)) {
        refused.push({ refusal: judged, entry });
        continue;
      }
      const { key } = judged;
      const former = found.get(key);
      if (former !== undefined) refused.push({ refusal: repeated(key), entry: former.entry });
      found.set(key, { ...judged, entry, digest, isKnown: known !== undefined });
    }
    return this.#compare(found, refused, bytes);
  }

  /** Refuses all of a file that holds no plan. */
  refuseWhole(shape: Extract<PlanShape, { kind: 'unfinished' | 'broken' }>, bytes: Buffer): Reject {
    const [at, refusal] =
      shape.kind === 'broken'
        ? [shape.at, shape.refusal]
        : [0, refuse('unfinished', 'it ends before its plan does', 'write the file again as a whole')];
    // So that the next plan closes this one, whatever it holds.
    this.#refused = null;
    return this.#reject(refusal, { begin: at, end: bytes.length }, bytes);
  }

  #judgeEntry(entry: PlanEntry, bytes: Buffer, nowMs: number): JudgedEntry | Refusal {
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

  #compare(found: ReadonlyMap<string, FoundEntry>, refused: readonly Refused[], bytes: Buffer): ReadPlan {
    const all = [...found.values()];
    const keys = all.flatMap(({ key, repeating }) => (repeating === null ? key : []));
    const repeating = new Map(all.flatMap(({ key, repeating: one }) => (one === null ? [] : [[key, one]])));
    for (const { refusal } of refused) {
      const { key } = refusal;
      if (key === null || found.has(key)) continue;
      const former = this.#repeating.get(key);
      if (former === undefined) keys.push(key);
      else repeating.set(key, former);
    }
    const now = new Set(keys);
    const lacksSome =
      this.#refused === null ||
      this.#keys.some((key) => !now.has(key)) ||
      [...this.#repeating.keys()].some((key) => !repeating.has(key));
    const rejects = refused.map(({ refusal, entry }) => this.#reject(refusal, entry, bytes));
    const digests = rejects.map(({ digest }) => digest.toString('hex')).join(' ');
    const isSameRefused = digests === this.#refused;
    this.#known = new Map(all.map(({ digest, key, repeating: one }) => [digest, { key, repeating: one }]));
    this.#keys = keys;
    this.#repeating = repeating;
    this.#refused = digests;
    const records = all.flatMap(({ record, isKnown }) => (isKnown ? [] : (record ?? [])));
    return { records, repeating, keys, lacksSome, rejects: isSameRefused ? null : rejects };
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

function digestOf(bytes: Buffer, { begin, end }: PlanEntry): string {
  return sha256(bytes.subarray(begin, end)).toString('base64', 0, 12);
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
