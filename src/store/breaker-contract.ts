import type { JobId } from '../job/job.js';

/** What a worker takes up again: a breaker as it was last stored. */
export interface StoredBreaker {
  readonly dependency: string;
  /** Failures in a row, while it is closed. */
  readonly failures: number;
  /** Of the first of them, or of the outage; null without any. */
  readonly sinceMs: number | null;
  /** null: it is closed. Else when its cool-down ends. */
  readonly retryAtMs: number | null;
}

/** A move of a breaker, stored in the transaction of the ends that caused it. */
export type BreakerMove = { readonly dependency: string } & (
  | { readonly to: 'counted'; readonly failures: number; readonly sinceMs: number | null }
  /** Begins an outage. */
  | { readonly to: 'opened'; readonly sinceMs: number; readonly retryAtMs: number; readonly cause: string }
  /** The trial failed: the same outage goes on. */
  | { readonly to: 'reopened'; readonly retryAtMs: number; readonly failure: string }
  /** Ends the outage. `triedJobs`: how many of the jobs that it held back were the trial. */
  | { readonly to: 'closed'; readonly evidence: string; readonly triedJobs: 0 | 1 }
  /** A job failed for good while it was open: a casualty of the outage. Moves nothing. */
  | { readonly to: 'cost'; readonly job: JobId; readonly attempt: number }
);
