import type { JobId, JobState } from '../job/job.js';
import type { AttemptReport, Next } from '../job/outcome.js';
import type { Snapshot } from '../job/snapshot.js';
import type { BatchTrace } from '../trace/cycle-trace.js';
import type { BreakerMove, StoredBreaker } from './breaker-contract.js';
import type { Traced } from './trace-contract.js';

export type { BreakerMove, StoredBreaker } from './breaker-contract.js';

/*
 * One contract in five parts, so that each caller sees only its own: intake admits, dispatch claims and ends, upkeep mends and
 * obeys people, views read (`read-contract.ts`) and trace (`trace-contract.ts`). Every engine passes the same conformance core.
 *
 * Promised everywhere: idempotent by key, atomic per call, fenced by token. What only some engines can do is
 * declared in `Capabilities` (`engine.ts`). Times are wall-clock milliseconds unless a name says otherwise.
 */

// ------------------------------------------------------------------------------------------------- intake

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
  readonly onChange: 'ignore' | 'rerun';
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
  readonly nowMs: number;
}

/**
 * So many new versions of one key may run within an hour. More are a loop, not work: the record feeds itself, or its content
 * never comes to rest.
 */
export const VERSIONS_AN_HOUR = 20;

/** Why a record did or did not become a job. Only `queued`, `superseded` and `held` change anything. */
export type AdmissionResult =
  | 'queued'
  /** A pending job of this key took over the newer payload: still one row. */
  | 'superseded'
  /**
   * As `queued` or `superseded`, but not to run before an hour is over since the first of too many versions of this key
   * (`VERSIONS_AN_HOUR`). Newer ones take its place meanwhile, so that nothing is lost and the last one runs.
   */
  | 'held'
  /** This version is known and its job has not ended. */
  | 'already-queued'
  /** This version is known and its job has ended, in whichever way. */
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
}

export type AdmissionReport =
  | ({ readonly committed: true; readonly answers: readonly AdmissionAnswer[] } & Traced)
  /** Another reader moved one of these cursors first: nothing was written; read again. */
  | { readonly committed: false; readonly conflictPath: string };

export interface IntakeStore {
  /** The only door for jobs. Throws WORKSPACE_INVALID before anything malformed is stored, and BrokenHandOff. Cursors, ledger, rejects and jobs move together in one transaction, or not at all. */
  admit(batch: AdmissionBatch): Promise<AdmissionReport>;
  /** In the order of their paths; with a page, those after a path, at most so many. */
  cursors(scope: Scope, page?: CursorPage): Promise<readonly CursorRecord[]>;
}

// ------------------------------------------------------------------------------------------------- claims

/** One job, taken by one worker for one attempt. `epoch` and `attempt` together are its fencing token. */
export interface Claim {
  readonly id: JobId;
  readonly workspace: string;
  readonly task: string;
  /** null for a job that was added by hand. */
  readonly source: string | null;
  readonly key: string;
  readonly cycle: string;
  readonly epoch: number;
  readonly attempt: number;
  readonly charged: number;
  readonly crashes: number;
  readonly maxAttempts: number;
  readonly payload: Snapshot;
  readonly timeoutMs: number | null;
  readonly priority: number;
  readonly group: string | null;
  readonly runAtMs: number;
  readonly lateByMs: number;
}

export interface End {
  readonly claim: Pick<Claim, 'id' | 'epoch' | 'attempt'>;
  readonly report: AttemptReport;
  readonly next: Next;
}

export interface EligibleTask {
  readonly task: string;
  /** How many more of its jobs may run now; never more than the free slots. */
  readonly room: number;
  /** The dependency whose half-open breaker lets one job through: one of all tasks that name it here. */
  readonly trialOf?: string;
}

export interface Turn {
  readonly ends: readonly End[];
  readonly freeSlots: number;
  /** Tasks that may run now. A paused task is passed over by the store itself. */
  readonly eligible: readonly EligibleTask[];
  /** In the order in which they came about. Left out: no breaker moved. */
  readonly breakers?: readonly BreakerMove[];
  readonly nowMs: number;
}

export interface TurnResult {
  /** In the order of `ends`. `lost`: the token no longer held the running job, and nothing changed. */
  readonly ends: readonly ('recorded' | 'lost')[];
  readonly claims: readonly Claim[];
  /** When the next scheduled job becomes due, or null: never sleep past it. */
  readonly nextDueAtMs: number | null;
  /** Jobs of ours whose cancel somebody asked for. */
  readonly cancelRequests: readonly JobId[];
  /**
   * The job that must run alone (`ALONE_FROM_CRASHES`) and whose turn has come; else null. Among `claims`: it is the only
   * one, and the caller asks for no other until it has ended. Not among them: it waits until all that runs has ended,
   * and nothing that stands behind it in the line was claimed.
   */
  readonly alone: JobId | null;
}

export interface ClaimStore {
  /**
   * One loop turn of the dispatcher in one transaction: records the ends and the moves of breakers, promotes what became
   * due, expires what came too late, takes at most `freeSlots` jobs by rank. Each claim's attempt is committed when this returns,
   * so nothing is spawned that the store does not know. A worker that was fenced by another owner gets no claims, and
   * all its ends are lost. Needs ownership.
   */
  turn(turn: Turn): Promise<TurnResult>;
  /** Extends the leases of running claims; returns those that are lost. Engines without leases return none. */
  renew(claims: readonly Pick<Claim, 'id' | 'epoch' | 'attempt'>[]): Promise<readonly JobId[]>;
  /** True when another process has written since the last call: a cheap reason to take a turn. */
  changedElsewhere(): boolean;
}

// ------------------------------------------------------------------------------------------------- upkeep

export interface Owner {
  readonly bootId: string;
  readonly pid: number;
  readonly startTicks: number;
  readonly nonce: string;
}

/** What a task's queue needs to know inside a transaction; written by the worker at start, from the config. */
export interface TaskSettings {
  readonly task: string;
  readonly groupLimit: number | null;
  /** Used when a redrive gives a new budget. */
  readonly maxAttempts: number;
  /** The dependency whose breaker holds this task's jobs back. Left out: one of the task's own name. */
  readonly breaker?: string;
}

export interface Ownership {
  /** Random id of this store, made once: part of the mark that our children carry. */
  readonly storeId: string;
  readonly epoch: number;
  /** False when the last owner did not release the store: its attempts wait for rescue. */
  readonly cleanStop: boolean;
  readonly previousOwner: Owner | null;
}

/** A running job whose worker is no more. */
export interface Orphan {
  readonly claim: Claim;
  readonly startedAtMs: number;
}

export type CancelAnswer = 'cancelled' | 'requested' | 'ended' | 'unknown';
export type RedriveAnswer = 'queued' | 'not-ended' | 'not-allowed' | 'unknown';

export interface HeldElsewhere {
  readonly forMs: number;
  readonly pids: readonly number[];
}

export interface UpkeepStore {
  /** Takes the store for a worker: a new epoch, which fences every older token. Rebuilds held permits and tallies after an unclean stop. */
  takeOwnership(owner: Owner, nowMs: number): Promise<Ownership>;
  /** Says that the owner stopped in order. Does nothing when the epoch is no longer ours. */
  releaseOwnership(epoch: number, nowMs: number): Promise<void>;
  configureTasks(workspaces: readonly string[], tasks: readonly TaskSettings[]): Promise<void>;
  /** Every breaker that is open, or has failures to its name: what a worker takes up at its start. */
  breakers(): Promise<readonly StoredBreaker[]>;
  /** Running jobs of older epochs. Proved gone by the caller before it ends them through `rescue`. */
  orphans(): Promise<readonly Orphan[]>;
  /** Ends attempts of older epochs, whose worker is proved gone. Same rules as an end in `turn`. */
  rescue(ends: readonly End[], nowMs: number): Promise<readonly ('recorded' | 'lost')[]>;
  /** A real commit to a one-row table: proof that the database can be written. Throws OWNER_CHANGED when fenced. */
  pulse(epoch: number, nowMs: number): Promise<void>;
  /** Another process keeps this one from writing, and for how long; null when none does. `pids` may be empty. */
  heldElsewhere(): HeldElsewhere | null;
  cancel(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly CancelAnswer[]>;
  /**
   * A new budget for jobs that ended badly; leaves its mark in the history. `not-allowed`: only failed and cancelled jobs
   * can have one, only while no newer version of their record has a job, and not after their end has passed.
   */
  redrive(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly RedriveAnswer[]>;
  /** Pauses or resumes a task of a workspace, or (null) all tasks of all workspaces. Returns whether that changed anything. */
  setPaused(workspace: string, task: string | null, paused: boolean, nowMs: number): Promise<boolean>;
  /** Removes up to `limit` ended jobs older than this; the ledger keeps what it knows. Returns how many went. */
  prune(endedBeforeMs: number, limit: number): Promise<number>;
}
