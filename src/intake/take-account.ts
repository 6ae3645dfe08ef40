import type { SourceConfig, TaskConfig } from '../config/config.js';
import type { Snapshot } from '../job/snapshot.js';
import { type Clock, pause } from '../platform/clock.js';
import type { AdmissionAnswer, AdmissionRecord, IntakeStore, Scope } from '../store/intake-contract.js';
import type { ReadStore } from '../store/read-contract.js';
import { type CycleTrace, onlyBatch } from '../trace/cycle-trace.js';
import { AccountBook, isOpen, type OpenRecord, type SourceAccount } from './account-book.js';
import { newCycle } from './admit.js';
import type { FileAccess } from './file-access.js';
import type { HungRecord } from './hung.js';
import { createJudge, type Judge, type RecordPlace, type Reject } from './judge.js';
import { errorCode } from './path-trouble.js';
import { createReader } from './source-reader.js';
import type { ReadingProgress, Step } from './step.js';
import { turnOfLoop } from './turn-of-loop.js';

export interface AccountParts {
  readonly source: SourceConfig;
  readonly tasks: readonly TaskConfig[];
  /** What a worker stood still on: none of it is looked at again. */
  readonly hung: readonly HungRecord[];
  readonly store: Pick<ReadStore, 'account' | 'knowsRejects'>;
  readonly clock: Clock;
  readonly files: FileAccess;
  /**
   * Between two looks at what is open. Where somebody else polls the source, longer than its poll: what is new is taken by
   * then, and only what was missed is still open.
   */
  readonly lookAgainMs: number;
  readonly onProgress: (reading: ReadingProgress | null) => void;
  /** Asked between two slices: true ends the pass early. */
  readonly isStopping: () => boolean;
}

/** What a pass may close: open records that were open in an earlier look, too. */
export interface Closing {
  readonly store: Pick<IntakeStore, 'admit'>;
  readonly open: ReadonlySet<string>;
  readonly onQueued: () => void;
}

/** A file in the midst of a write is looked at again after this. */
const LOOK_AGAIN_MS = 100;
const MOST_LOOKS = 5;
/** Reasons that a writer can still take back by finishing what it writes. */
const UNFINISHED = new Set(['unfinished', 'json', 'nul-bytes', 'not-records', 'utf8']);

/**
 * One pass over everything that stands in the files of a source now: each record is read by the source's own reader and
 * rules, from the beginning and without a cursor, and looked up in the ledger. Changes no file and no cursor; with
 * `closing`, what is confirmed open is admitted through the one door.
 */
export async function takeAccount(
  parts: AccountParts,
  closing: Closing | null = null,
): Promise<SourceAccount> {
  const { source, tasks, clock, files, onProgress, isStopping } = parts;
  const places = new WeakMap<Snapshot, RecordPlace>();
  const judge = rememberingPlaces(await createJudge(source, tasks, parts.hung), places);
  const reader = await createReader(asReadOnly(source, files, clock), judge, files, clock);
  reader.restore([]);
  const pass = new Pass(parts, closing, places);
  for (let look = 1; look <= MOST_LOOKS; look += 1) {
    for (const step of reader.poll(
      { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() },
      look === 1,
    )) {
      await pass.take(step);
      onProgress(reader.status().reading);
      await turnOfLoop();
      if (isStopping()) break;
    }
    if (reader.status().settled || isStopping()) break;
    await pause(clock, LOOK_AGAIN_MS);
  }
  onProgress(null);
  return pass.book.close(reader.status());
}

/** Tells whether two looks found the same open record. */
export function openName({
  key,
  path,
  fingerprint,
}: Pick<OpenRecord, 'key' | 'path' | 'fingerprint'>): string {
  return key === null ? `${path}\n${fingerprint}` : `${key}\n${fingerprint}`;
}

/** The lookups of one pass. */
class Pass {
  readonly book: AccountBook;
  readonly #parts: AccountParts;
  readonly #closing: Closing | null;
  /** By the payload: of a record that repeats, each occurrence is another record with the same one. */
  readonly #places: WeakMap<Snapshot, RecordPlace>;
  readonly #scope: Scope;
  readonly #cycle: string;
  #trace: CycleTrace | null = null;
  /** How often each content without a key of its own was met: the n-th has a name of its own. */
  readonly #met = new Map<string, number>();

  constructor(parts: AccountParts, closing: Closing | null, places: WeakMap<Snapshot, RecordPlace>) {
    const { source, clock } = parts;
    this.book = new AccountBook(source);
    this.#parts = parts;
    this.#closing = closing;
    this.#places = places;
    this.#scope = { workspace: source.workspace, kind: 'source', name: source.name };
    this.#cycle = newCycle(clock.wallMs());
  }

  async take(step: Step): Promise<void> {
    for (const path of step.rereadPaths) {
      this.book.begin(path);
      this.#met.clear();
    }
    if (step.records.length > 0) await this.#takeRecords(step.records);
    if (step.rejects.length > 0) await this.#takeRejects(step.rejects);
  }

  async #takeRecords(given: readonly AdmissionRecord[]): Promise<void> {
    const records = given.map((record) => (record.occurrenceIn === null ? record : this.#named(record)));
    const accounts = await this.#parts.store.account(this.#scope, records, this.#parts.clock.wallMs());
    const confirmed: { readonly record: AdmissionRecord; readonly path: string }[] = [];
    for (const [i, record] of records.entries()) {
      const account = accounts[i];
      const place = this.#places.get(record.payload);
      if (account === undefined || place === undefined) throw new Error('an account has lost a record');
      const name = openName({
        key: record.key,
        path: place.path,
        fingerprint: record.version.hash.toString('hex'),
      });
      if (this.#closing?.open.has(name) && isOpen(account)) {
        this.book.replace(place.path, record.key);
        confirmed.push({ record, path: place.path });
      } else this.book.addRecord(record, place, account);
    }
    const answers = await this.#admit(
      confirmed.map(({ record }) => record),
      [],
    );
    for (const [i, answer] of answers.entries()) this.book.addAdmitted(confirmed[i]?.path ?? '', answer);
  }

  async #takeRejects(rejects: readonly Reject[]): Promise<void> {
    const known = await this.#parts.store.knowsRejects(this.#scope, rejects);
    const confirmed: Reject[] = [];
    for (const [i, reject] of rejects.entries()) {
      const { path, key, line, offset, reason, digest } = reject;
      const fingerprint = digest.toString('hex');
      const open = { key, path, line, offset: offset ?? 0, reason: `refused: ${reason}`, fingerprint };
      if (known[i]) this.book.addReject(path, reason);
      else if (UNFINISHED.has(reason) && this.#isYoung(path)) this.book.wait(path);
      else if (this.#closing?.open.has(openName(open))) {
        confirmed.push(reject);
        this.book.addReject(path, reason);
      } else this.book.addOpenReject(open);
    }
    await this.#admit([], confirmed);
  }

  async #admit(
    records: readonly AdmissionRecord[],
    rejects: readonly Reject[],
  ): Promise<readonly AdmissionAnswer[]> {
    if (this.#closing === null || records.length + rejects.length === 0) return [];
    const nowMs = this.#parts.clock.wallMs();
    const report = await this.#closing.store.admit({
      scope: this.#scope,
      cycle: this.#cycle,
      trace: onlyBatch(records, nowMs, this.#trace),
      records,
      rejects: rejects.map(({ copy: _, ...reject }) => reject),
      rereadPaths: [],
      cursors: [],
      nowMs,
    });
    if (!report.committed) throw new Error('a batch without cursors cannot conflict');
    this.#trace = report.trace ?? this.#trace;
    this.#closing.onQueued();
    return report.answers;
  }

  /** As the ledger names it: the n-th record of one content in a file. */
  #named(record: AdmissionRecord): AdmissionRecord {
    const n = (this.#met.get(record.key) ?? 0) + 1;
    this.#met.set(record.key, n);
    return { ...record, occurrenceIn: null, key: n === 1 ? record.key : `${record.key}#${n}` };
  }

  #isYoung(path: string): boolean {
    const { source, files, clock } = this.#parts;
    return isYounger(files, path, source.quarantineAfterMs + 2 * source.pollMs, clock.wallMs());
  }
}

/**
 * The source as it is read for an account: no file is moved or removed, and what has stood unfinished for long is judged
 * at once, as the worker has judged it; what is younger is left alone, as the worker leaves it.
 */
function asReadOnly(source: SourceConfig, files: FileAccess, clock: Clock): SourceConfig {
  if (source.kind === 'directory') return { ...source, after: 'keep', quarantineAfterMs: 0 };
  const isYoung = isYounger(files, source.path, source.quarantineAfterMs, clock.wallMs());
  return { ...source, quarantineAfterMs: isYoung ? Number.POSITIVE_INFINITY : 0 };
}

/** A file whose time stamp lies in the future counts as young. */
function isYounger(files: FileAccess, path: string, ageMs: number, nowMs: number): boolean {
  try {
    return nowMs - Number(files.lstat(path).mtimeNs / 1_000_000n) < ageMs;
  } catch (error) {
    if (errorCode(error) === null) throw error;
    // What cannot be looked at now is told of by the reader, with its reason.
    return true;
  }
}

function rememberingPlaces(judge: Judge, places: WeakMap<Snapshot, RecordPlace>): Judge {
  return (raw, generation, nowMs) => {
    const judged = judge(raw, generation, nowMs);
    if (!('refused' in judged)) {
      const { path, offset, line } = raw;
      places.set(judged.payload, { path, offset, line });
    }
    return judged;
  };
}
