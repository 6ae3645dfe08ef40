import type { JobId, JobState, Place, PlaceTotals } from '../job/job.js';
import type { OutcomeKind } from '../job/outcome.js';
import type { Snapshot } from '../job/snapshot.js';
import type { AdmissionRecord, AdmissionResult, RejectedRecord, Scope } from './intake-contract.js';
import type { Move } from './move-contract.js';

/*
 * The fourth part of the store's contract: what screens and scripts may ask. Reads never block the writer.
 */

export interface TaskCounts {
  readonly workspace: string;
  readonly task: string;
  readonly paused: boolean;
  readonly places: PlaceTotals;
  /** Of the scheduled ones: whose time has come. Only where it was asked for; of all tasks, 10,000 are counted at most. */
  readonly overdue?: number;
}

export interface SourceCounts {
  readonly workspace: string;
  readonly name: string;
  /** Distinct keys ever admitted. */
  readonly records: number;
  /** Open rejects. */
  readonly rejected: number;
  /** Where the last job of each record stands, or ended before it was pruned. */
  readonly states: Readonly<Record<JobState, number>>;
}

/** Of a store on Redis: how the way there stands. */
export interface OutboxCounts {
  /** Of the jobs that are ready: not in Redis yet, or not known to be. Counted up to 100,000. */
  readonly waiting: number;
  /** Of the jobs that run: at another machine, as far as is known here. */
  readonly elsewhere: number;
  /** Without user and password. */
  readonly address: string;
  /** Why Redis takes nothing; null when it does. */
  readonly problem: string | null;
  readonly problemSinceMs: number | null;
  /** Jobs of any machine that this worker could claim when it last looked; null where no worker of ours asks. */
  readonly claimable: number | null;
  /** Jobs of other machines that run here. */
  readonly guests: readonly Guest[];
  /** Other machines that run with this Redis. Only its worker knows of them. */
  readonly machines?: readonly OtherMachine[];
}

interface OtherMachine {
  readonly site: string;
  /** How long ago it last said that it is there; each does every 15 s. */
  readonly seenMsAgo: number;
}

/** Its id is none of ours: only its own machine tells more of it. */
export type Guest = Pick<JobSummary, 'id' | 'task' | 'key' | 'startedAtMs'>;

export interface QueueCounts {
  readonly total: PlaceTotals;
  readonly tasks: readonly TaskCounts[];
  readonly sources: readonly SourceCounts[];
  readonly pausedAll: boolean;
  /** Those that go on. */
  readonly outages: readonly Outage[];
  /** Oldest job that is due and not running: when it became due, or null. */
  readonly oldestDueAtMs: number | null;
  readonly nextScheduledAtMs: number | null;
  /** Only where the store is Redis. */
  readonly outbox?: OutboxCounts;
  /** Only while jobs move from one store to another. */
  readonly move?: Move;
  /** The store that a move has chosen, as long as the config may name another. */
  readonly chosenStore?: string;
}

/**
 * That a breaker was not closed for a while. It is ongoing while the breaker is open, and that is all there is of an
 * ongoing one: no second record could say otherwise.
 */
export interface Outage {
  readonly id: string;
  readonly dependency: string;
  /** When the first attempt of those in a row that opened the breaker found it away. */
  readonly sinceMs: number;
  /** null: it goes on. */
  readonly untilMs: number | null;
  /** What that last one of them said. */
  readonly cause: string;
  /** Jobs that wait for it; once it is over, those that waited at its end, the trial included. */
  readonly held: number;
  /** How it is known that it is over; null while it goes on. */
  readonly evidence: string | null;
  /** Jobs that failed for good of it, and still stand so. */
  readonly casualties: number;
  /** Of one that goes on. */
  readonly trial: {
    /** When its cool-down ends. From then on it is half-open: the next job, or the probe, decides. */
    readonly retryAtMs: number;
    /** What the last trial said; null before the first. */
    readonly lastFailure: string | null;
    /** Tasks that it holds back. */
    readonly tasks: readonly string[];
  } | null;
}

export interface JobFilter {
  readonly workspace?: string;
  readonly states?: readonly JobState[];
  readonly task?: string;
  readonly source?: string;
  /** Only jobs whose key holds this text; a capital of A to Z is no other letter. Looks at the jobs one by one. */
  readonly keyPart?: string;
  /** Begin with this job, or with the one beside it where it does not match or is gone. Left out: at the end of the list. */
  readonly from?: JobId;
  /** `older` (left out): the newest of what may come. `newer`: the oldest of it. Answered newest first in either case. */
  readonly towards?: 'older' | 'newer';
  readonly limit: number;
}

export interface JobSummary {
  readonly id: JobId;
  readonly workspace: string;
  readonly task: string;
  readonly source: string | null;
  readonly key: string;
  /** Hex of the ledger hash, or the version field's number. */
  readonly version: string;
  readonly cycle: string;
  readonly place: Place;
  readonly priority: number;
  readonly group: string | null;
  readonly attempts: number;
  readonly charged: number;
  readonly crashes: number;
  readonly maxAttempts: number;
  readonly createdAtMs: number;
  readonly runAtMs: number;
  readonly expiresAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly lateByMs: number | null;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly result: string | null;
  readonly payload: Snapshot;
  /** It runs at another machine, or may. */
  readonly isElsewhere: boolean;
  /** Parked: because its group is full, or because an older version of its record still runs. */
  readonly parkedBy: 'group' | 'predecessor' | null;
}

export type HistoryEntry =
  | {
      readonly kind: 'attempt';
      readonly atMs: number;
      readonly attempt: number;
      readonly endedAtMs: number | null;
      /** null while it runs. */
      readonly outcome: OutcomeKind | null;
      readonly reason: string | null;
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly stdout: string | null;
      readonly stderr: string | null;
    }
  /** Something that people or the program did to the job between attempts. */
  | { readonly kind: 'event'; readonly atMs: number; readonly event: string; readonly detail: string };

export interface JobDetails extends JobSummary {
  /** In the order in which things happened, whatever the wall clock said then. */
  readonly history: readonly HistoryEntry[];
}

export interface StoredReject extends RejectedRecord {
  readonly source: string;
  readonly atMs: number;
}

/** A record as it is held against the ledger. An unkeyed one has the key of its occurrence: `hash`, `hash#2` … */
export type AccountedRecord = Pick<
  AdmissionRecord,
  'key' | 'version' | 'onChange' | 'runAtMs' | 'expiresAtMs'
>;

/** What the ledger says of a record. */
export interface RecordAccount {
  /** What `admit` would answer now. */
  readonly wouldBe: AdmissionResult;
  /** Where its job stands, or what it came to before it was pruned; null for a key that was never admitted. */
  readonly state: JobState | null;
}

export interface ReadStore {
  /** `nowMs`: count what is overdue by it, too. */
  counts(nowMs?: number): Promise<QueueCounts>;
  /** Newest first. Bounded by `limit`, and no cursor stays open. */
  list(filter: JobFilter): Promise<readonly JobSummary[]>;
  get(workspace: string | null, id: JobId): Promise<JobDetails | null>;
  /** The jobs that stand first in the line, best rank first. */
  nextInLine(limit: number): Promise<readonly JobSummary[]>;
  rejects(source: string | null, limit: number): Promise<readonly StoredReject[]>;
  /** In the order of `records`; nothing is changed by asking. Ask for at most a thousand at once. */
  account(
    scope: Scope,
    records: readonly AccountedRecord[],
    nowMs: number,
  ): Promise<readonly RecordAccount[]>;
  /** Whether each of these refusals stands in the book of rejects. */
  knowsRejects(
    scope: Scope,
    rejects: readonly Pick<RejectedRecord, 'path' | 'digest'>[],
  ): Promise<readonly boolean[]>;
  /** Those that go on first, then the others, newest first. */
  outages(limit: number): Promise<readonly Outage[]>;
  /**
   * Jobs that failed for good while the breaker of their task was open, of this outage, and still stand as they did then,
   * oldest first. null when there is no such outage.
   */
  casualties(outage: string, limit: number): Promise<readonly JobSummary[] | null>;
}
