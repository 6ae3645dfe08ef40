import type { JobId, JobState } from '../job/job.js';
import type { Snapshot } from '../job/snapshot.js';
import type { BatchTrace } from '../trace/cycle-trace.js';
import type { Traced } from './trace-contract.js';

/* The first part of the store's contract (`contract.ts`): what intake hands over, and what it is told. */

/** Where keys are unique: a source of a workspace, or a task of a workspace for jobs added by hand. */
export interface Scope {
  readonly workspace: string;
  readonly kind: 'source' | 'task';
  readonly name: string;
}

/** What a source remembers about one path. The store keeps `body` as it is and never looks into it. */
export interface CursorRecord {
  readonly path: string;
  /** Raised by each write: the compare-and-set that keeps two readers of one source from both moving it. */
  readonly epoch: number;
  readonly body: string;
}

/** A folder may have 100,000 cursors: to read them at once would hold the loop, and fill the memory for good. */
export interface CursorPage {
  /** '' for the first page: no path is empty. */
  readonly afterPath: string;
  readonly limit: number;
}

interface CursorWrite {
  readonly path: string;
  /** The epoch that was read; 0 for a path without a cursor. */
  readonly expectedEpoch: number;
  /** null forgets the path: its records stay known for ever, only the reading position goes. */
  readonly body: string | null;
}

/** Which of two versions of a record is the newer, and whether a newer one runs again. */
export interface RecordVersion {
  /** Ledger hash of the compact bytes, or of the configured version field. */
  readonly hash: Buffer;
  /** The configured version field as a number (a date as epoch milliseconds): an older one never reruns. */
  readonly order: number | null;
}

export interface AdmissionRecord {
  /** For a record without a key: the hex ledger hash of its content; the store adds `#2`, `#3` … to repetitions. */
  readonly key: string;
  /**
   * null for a keyed record. For an unkeyed one: which reading of the file it belongs to. Within one generation the
   * n-th record of the same content is the n-th occurrence, and only occurrences that the ledger has not seen are
   * new. A reading that starts over takes a fresh random number, so a crash in its middle counts nothing twice.
   */
  readonly occurrenceIn: number | null;
  readonly version: RecordVersion;
  /**
   * What new content of a known record does. `replan`: it stands in a plan, which is held against what really ran
   * (`plan-verdict.ts`).
   */
  readonly onChange: 'ignore' | 'rerun' | 'replan';
  readonly payload: Snapshot;
  readonly task: string;
  readonly priority: number;
  readonly runAtMs: number;
  readonly expiresAtMs: number | null;
  /** Only where a route or a caller sets one; else the task's own time-out holds. */
  readonly timeoutMs: number | null;
  /** Value of the task's group field, as text; null when the task has no groups or the record lacks the field. */
  readonly group: string | null;
  readonly maxAttempts: number;
}

/** A record that could not become a job, with what a person needs to mend it. */
export interface RejectedRecord {
  readonly path: string;
  readonly line: number | null;
  readonly offset: number | null;
  readonly lengthBytes: number | null;
  readonly key: string | null;
  /** One of a small set of words, by which refusals are counted: `schema`, `json`, `too-large` … */
  readonly reason: string;
  readonly detail: string;
  readonly remedy: string;
  /** Ledger hash of the refused bytes: the same refusal is stored once, however often it is read. */
  readonly digest: Buffer;
}

export interface AdmissionBatch {
  readonly scope: Scope;
  /** Id of the poll that found these records: ties them together in the trace. */
  readonly cycle: string;
  /** With it the hand-offs are checked, and the cycle's account is kept in the same transaction. */
  readonly trace?: BatchTrace;
  readonly records: readonly AdmissionRecord[];
  readonly rejects: readonly RejectedRecord[];
  /** Paths that are being read anew from their beginning: their former rejects are closed by this batch. */
  readonly rereadPaths: readonly string[];
  readonly cursors: readonly CursorWrite[];
  /** Comes with the last records of a plan that was read as a whole. */
  readonly plan?: PlanRest;
  readonly nowMs: number;
}

/** What a plan says beside its records: what is no longer in it. */
export interface PlanRest {
  /** The keys of all its records. A planned job of this scope that waits under any other key is withdrawn. */
  readonly keys: readonly string[];
  /** Repeating records of it: the jobs of their occurrences (`series@time`) are not withdrawn either. */
  readonly series: readonly string[];
  /** Occurrences that nobody was there to start: those that still wait expire. */
  readonly missed: readonly { readonly key: string; readonly reason: string }[];
}

/** What became of a job that its plan no longer has, or whose time was missed. */
export interface GoneRecord {
  readonly key: string;
  readonly id: JobId;
  /** `left-running`: what runs is left to run; told once an attempt. */
  readonly result: 'withdrawn' | 'left-running' | 'missed';
}

/**
 * So many new versions of one key may run within an hour. More are a loop, not work: the record feeds itself, or its content
 * never comes to rest.
 */
export const VERSIONS_AN_HOUR = 20;

/** Why a record did or did not become a job. The first five change something. */
export type AdmissionResult =
  | 'queued'
  /** A pending job of this key took over the newer payload: still one row. */
  | 'superseded'
  /**
   * As `queued` or `superseded`, but not to run before an hour is over since the first of too many versions of this key
   * (`VERSIONS_AN_HOUR`). Newer ones take its place meanwhile, so that nothing is lost and the last one runs.
   */
  | 'held'
  /** Of a plan, and its end had passed when it was first seen: a job that ended as expired, and never ran. */
  | 'expired'
  /**
   * Of a plan, and changed while its job runs, which is left to run. A job of the new version waits for its end: unless that
   * attempt fails, or the new version starts later, it is cancelled then.
   */
  | 'changed-running'
  /** Of a plan, and its job runs: the evidence stands in the answer, and in the history of the job. */
  | 'already-running'
  /** This version is known and its job has not ended. */
  | 'already-queued'
  /** This version is known and its job has ended, in whichever way; of a plan, also another version of what has run. */
  | 'already-done'
  /** Known key, new content, and the source says `onChange: ignore`. */
  | 'changed-ignored'
  /** Known key, and the version field says that this one is not newer. */
  | 'older-ignored';

export interface AdmissionAnswer {
  readonly result: AdmissionResult;
  /** null only when the job was pruned. */
  readonly id: JobId | null;
  readonly state: JobState;
  /** Present when the job was opened or replaced by this same cycle: the key stands more than once in what was read. */
  readonly repeats?: true;
  /** Of a plan, for what is passed over: on what evidence, for people. */
  readonly evidence?: string;
}

export type AdmissionReport =
  | ({
      readonly committed: true;
      readonly answers: readonly AdmissionAnswer[];
      /** Only for a batch with a `plan`. */
      readonly gone?: readonly GoneRecord[];
    } & Traced)
  /** Another reader moved one of these cursors first: nothing was written; read again. */
  | { readonly committed: false; readonly conflictPath: string };

export interface IntakeStore {
  /** The only door for jobs. Throws WORKSPACE_INVALID before anything malformed is stored, and BrokenHandOff. Cursors, ledger, rejects and jobs move together in one transaction, or not at all. */
  admit(batch: AdmissionBatch): Promise<AdmissionReport>;
  /** In the order of their paths; with a page, those after a path, at most so many. */
  cursors(scope: Scope, page?: CursorPage): Promise<readonly CursorRecord[]>;
}
