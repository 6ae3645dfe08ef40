import type { SourceConfig } from '../config/config.js';
import type { JobState } from '../job/job.js';
import type { AdmissionAnswer, AdmissionRecord, AdmissionResult } from '../store/intake-contract.js';
import type { RecordAccount } from '../store/read-contract.js';
import type { RecordPlace } from './judge.js';

/** A record on disk that the store does not account for. */
export interface OpenRecord {
  /** null for a refusal of bytes that have no key. */
  readonly key: string | null;
  readonly path: string;
  readonly line: number | null;
  readonly offset: number;
  /** `never-admitted`, `changed`, or `refused: schema` for a refusal that is not in the list of rejects. */
  readonly reason: string;
  /** Tells whether two looks saw the same: hex of the version, or of the refused bytes. */
  readonly fingerprint: string;
}

/** What stands in the files of one source, held against the store. */
export interface SourceAccount {
  /** All that was seen, refused ones included. */
  readonly records: number;
  readonly states: Readonly<Record<JobState, number>>;
  readonly results: Readonly<Partial<Record<AdmissionResult, number>>>;
  readonly rejected: number;
  readonly reasons: Readonly<Record<string, number>>;
  /** The first of what nobody accounts for. */
  readonly open: readonly OpenRecord[];
  /** All of it. */
  readonly openCount: number;
  /** Files that are being written: what they hold is no record yet. */
  readonly waitingFiles: number;
  readonly waitingPath: string | null;
  /** Why not all of the source could be read, for people; null when it could. */
  readonly problem: string | null;
}

/** So many are listed: more names help nobody, and a source that was never polled may have millions. */
const MOST_LISTED = 10_000;

/** What was found under one path; forgotten when the path is read anew. */
interface PathAccount {
  readonly counts: Map<string, number>;
  /** By key: what looks changed, and where the job of its former version stands. */
  readonly changed: Map<string, { readonly open: OpenRecord; readonly state: JobState }>;
  readonly open: OpenRecord[];
  openCount: number;
  isWaiting: boolean;
}

/** Whether an admission would bring a job that is not there. */
export function isOpen({ wouldBe, state }: RecordAccount): boolean {
  return state === null || wouldBe === 'queued' || wouldBe === 'superseded' || wouldBe === 'changed-running';
}

/** Adds up what one pass over a source finds, path by path. */
export class AccountBook {
  readonly #paths = new Map<string, PathAccount>();
  /** Key → path where the ledger's version of it was met, where a key may stand several times with several contents. */
  readonly #matched: Map<string, string> | null;

  constructor(source: SourceConfig) {
    const mayDiffer =
      source.kind !== 'schedule' &&
      source.onChange === 'rerun' &&
      source.key !== null &&
      source.version === null;
    this.#matched = mayDiffer ? new Map() : null;
  }

  /** A path is read from its beginning. */
  begin(path: string): void {
    this.#paths.delete(path);
  }

  addRecord(record: AdmissionRecord, place: RecordPlace, { wouldBe, state }: RecordAccount): void {
    const entry = this.#at(place.path);
    const { key, version } = record;
    // Of a key with several contents the last one counts.
    outdate(entry, key);
    if (state !== null && !isOpen({ wouldBe, state })) {
      this.#matched?.set(key, place.path);
      raise(entry.counts, `state ${state}`);
      raise(entry.counts, `result ${wouldBe}`);
      return;
    }
    const { path, line, offset } = place;
    const open = { key, path, line, offset, fingerprint: version.hash.toString('hex') };
    if (state === null) addOpen(entry, { ...open, reason: 'never-admitted' });
    else entry.changed.set(key, { open: { ...open, reason: 'changed' }, state });
  }

  /** A later record of this key is about to be admitted. */
  replace(path: string, key: string): void {
    outdate(this.#at(path), key);
  }

  addReject(path: string, reason: string): void {
    raise(this.#at(path).counts, `reason ${reason}`);
  }

  addOpenReject(open: OpenRecord): void {
    addOpen(this.#at(open.path), open);
  }

  /** What stands there may not be finished: it is neither a record nor a reject yet. */
  wait(path: string): void {
    this.#at(path).isWaiting = true;
  }

  /** A record that was open and has just been admitted. */
  addAdmitted(path: string, { result, state }: AdmissionAnswer): void {
    raise(this.#at(path).counts, `state ${state}`);
    raise(this.#at(path).counts, `result ${result}`);
  }

  close(reader: { readonly waitingPath: string | null; readonly problem: string | null }): SourceAccount {
    const counts = new Map<string, number>();
    const open: OpenRecord[] = [];
    let openCount = 0;
    const waiting: string[] = [];
    for (const [path, entry] of this.#paths) {
      // In another file of the folder the key stands as the ledger has it.
      for (const key of [...entry.changed.keys()]) {
        if ((this.#matched?.get(key) ?? path) !== path) outdate(entry, key);
      }
      for (const [name, count] of entry.counts) counts.set(name, (counts.get(name) ?? 0) + count);
      const changed = [...entry.changed.values()].map((change) => change.open);
      open.push(...[...entry.open, ...changed].slice(0, MOST_LISTED - open.length));
      openCount += entry.openCount + changed.length;
      if (entry.isWaiting) waiting.push(path);
    }
    if (reader.waitingPath !== null && !waiting.includes(reader.waitingPath))
      waiting.push(reader.waitingPath);
    const results = named(counts, 'result ');
    const reasons = named(counts, 'reason ');
    const rejected = total(reasons);
    return {
      records: total(results) + rejected + openCount,
      states: { ...NO_STATES, ...named(counts, 'state ') },
      results,
      rejected,
      reasons,
      open,
      openCount,
      waitingFiles: waiting.length,
      waitingPath: waiting[0] ?? null,
      problem: reader.problem,
    };
  }

  #at(path: string): PathAccount {
    let entry = this.#paths.get(path);
    if (entry === undefined) {
      entry = { counts: new Map(), changed: new Map(), open: [], openCount: 0, isWaiting: false };
      this.#paths.set(path, entry);
    }
    return entry;
  }
}

const NO_STATES: Readonly<Record<JobState, number>> = {
  pending: 0,
  running: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  expired: 0,
};

function raise(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function named(counts: ReadonlyMap<string, number>, prefix: string): Record<string, number> {
  const found = [...counts].filter(([name, count]) => name.startsWith(prefix) && count > 0);
  return Object.fromEntries(found.map(([name, count]) => [name.slice(prefix.length), count]));
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function addOpen(entry: PathAccount, open: OpenRecord): void {
  entry.openCount += 1;
  if (entry.open.length < MOST_LISTED) entry.open.push(open);
}

function outdate(entry: PathAccount, key: string): void {
  const former = entry.changed.get(key);
  if (former === undefined) return;
  entry.changed.delete(key);
  raise(entry.counts, `state ${former.state}`);
  raise(entry.counts, 'result older-ignored');
}
