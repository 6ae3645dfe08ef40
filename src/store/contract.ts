import type { JobId } from '../job/job.js';
import type { AttemptReport, Next } from '../job/outcome.js';
import type { Snapshot } from '../job/snapshot.js';
import type { BreakerMove, StoredBreaker } from './breaker-contract.js';

/*
 * One contract in five parts, so that each caller sees only its own: intake admits (`intake-contract.ts`),
 * dispatch claims and ends, upkeep mends and obeys people, views read (`read-contract.ts`) and trace (`trace-contract.ts`). Every engine passes the same conformance core.
 *
 * Promised everywhere: idempotent by key, atomic per call, fenced by token. What only some engines can do is
 * declared in `Capabilities` (`engine.ts`). Times are wall-clock milliseconds unless a name says otherwise.
 */

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
  /** The end of its window, by which it had to start; null without one. */
  readonly expiresAtMs: number | null;
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
  /** The wall clock is not to be trusted: nothing becomes due but retries, whose waits are lengths of time, and nothing expires. */
  readonly holdsTimes?: boolean;
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
  /** Jobs of this store are on their way to other machines, run there, or cannot be sent. Left out by engines that know no others. */
  readonly hasJobsElsewhere?: boolean;
}

export interface ClaimStore {
  /**
   * One loop turn of the dispatcher in one transaction: records the ends and the moves of breakers, promotes what became
   * due, expires what came too late, takes at most `freeSlots` jobs by rank. Each claim's attempt is committed when this returns,
   * so nothing is spawned that the store does not know. A worker that was fenced by another owner gets no claims, and
   * all its ends are lost. Needs ownership.
   */
  turn(turn: Turn): Promise<TurnResult>;
  /**
   * The wall clock was set by so much: all times that are handed over from now on are by the new one. What waits for
   * another try waits as long as before: its time is moved with the next turns, before anything becomes due. A time that
   * somebody named stays what it is. Needs ownership.
   */
  clockJumped(byMs: number): void;
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
  /** The last pulse that was given while the wall clock was trusted; null for none. */
  readonly trustedAtMs: number | null;
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
  /**
   * Takes the store for a worker: a new epoch, which fences every older token. Rebuilds held permits and tallies after an
   * unclean stop. Where the clock stands before the last pulse, it was set back meanwhile: see `clockJumped`.
   */
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
  /**
   * A real commit to a one-row table: proof that the database can be written. Throws OWNER_CHANGED when fenced.
   * `isTrusted`: the wall clock is, so `nowMs` is a time that no later clock can stand before.
   */
  pulse(epoch: number, nowMs: number, isTrusted: boolean): Promise<void>;
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
