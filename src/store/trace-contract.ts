import type { JobId, JobState } from '../job/job.js';
import type { CycleTrace } from '../trace/cycle-trace.js';
import type { CycleQueue } from '../trace/verdict.js';
import type { Scope } from './intake-contract.js';
import type { JobSummary } from './read-contract.js';

/*
 * The fifth part of the store's contract: what is known of the hand-offs from file to handler.
 */

/** Of a batch that came with a trace: what its cycle has come to. Left out where there was nothing to tell. */
export interface Traced {
  readonly trace?: CycleTrace;
}

/** A cycle as it was stored with its jobs, and how those stand now. */
export interface StoredCycle {
  readonly cycle: string;
  readonly workspace: string;
  /** null for a job that was added by hand. */
  readonly source: string | null;
  /** null for a source. */
  readonly task: string | null;
  readonly trace: CycleTrace;
  readonly queue: CycleQueue;
}

/** A poll of which a batch was refused, because it was not what had been read. */
export interface BrokenCycle {
  readonly cycle: string;
  readonly atMs: number;
  readonly source: string;
  readonly at: string;
  readonly why: string;
}

/** What is known of a key: its last job, and the cycles that named it among those that did not come through. */
export interface KnownKey {
  /** Where it is known; null where it only was named by cycles. */
  readonly scope: Scope | null;
  /** null: it never became a job. */
  readonly job: JobId | null;
  /** What became of a job that was pruned; null for one that is there. */
  readonly prunedAs: JobState | null;
  /** Newest first. */
  readonly mentions: readonly string[];
}

export interface TraceStore {
  /** null: there is no such cycle, or no more: the newest 10,000 are kept. */
  cycle(cycle: string): Promise<StoredCycle | null>;
  /**
   * One for each source of this name, and each task of this name for what was added by hand, that knows this key: sources
   * first. With the same name in several workspaces, one for each of them.
   */
  knownKeys(name: string, key: string, mostMentions: number): Promise<readonly KnownKey[]>;
  /** Newest first. */
  brokenCycles(sinceMs: number, limit: number): Promise<readonly BrokenCycle[]>;
  /**
   * Dead letters whose stored payload did not match its hash when they were claimed, oldest first, and which nobody has
   * acknowledged since.
   */
  damaged(limit: number): Promise<readonly JobSummary[]>;
  /** Somebody has seen what `damaged` tells: it tells it no more, unless they are damaged again. Returns how many that were. */
  acknowledgeDamaged(nowMs: number): Promise<number>;
}

/** What a reader may ask of it. */
export type TraceReads = Omit<TraceStore, 'acknowledgeDamaged'>;
