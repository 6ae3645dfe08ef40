/**
 * How one attempt ended: data, never an exception. What follows from it (retry, dead letter …) is decided by
 * `policy/retry.ts`, and how it is stored by the store.
 */
export type RunOutcome =
  /** The handler said that the work is done. */
  | { readonly kind: 'done'; readonly result: string | null }
  /** The attempt failed and may be tried again: charged. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The handler asked for another try later (exit 75): not charged, but bounded. */
  | { readonly kind: 'deferred'; readonly reason: string }
  /** The handler said that another try is useless (exit 64, 65, 78): dead letter at once. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** A dependency or the program itself is missing (exit 69, 126, 127, ENOENT): not charged. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** Longer than its time-out: ended by us, charged. */
  | { readonly kind: 'timed-out'; readonly reason: string }
  /** Somebody cancelled it while it ran. */
  | { readonly kind: 'cancelled'; readonly reason: string }
  /** Cut off because the worker stops: back to pending, not charged. */
  | { readonly kind: 'released'; readonly reason: string }
  /** Stopped by us when the window of its schedule was over, as its source wants it: done. */
  | { readonly kind: 'ended'; readonly reason: string }
  /** Its worker died under it: not charged. Whether it raises `crashes` depends on who ended the worker, and on what ran beside it. */
  | {
      readonly kind: 'crashed';
      readonly reason: string;
      /** Nothing else ran in that worker at its end. */
      readonly ranAlone: boolean;
      /** The health monitor or a stop killed that worker; it did not die by itself. */
      readonly killedByUs: boolean;
    }
  /** Its worker died under it, and the task's `verify` command says that the work was done. */
  | { readonly kind: 'verified'; readonly reason: string }
  /** The stored payload no longer matches its hash: nothing was run. */
  | { readonly kind: 'damaged'; readonly reason: string };

export type OutcomeKind = RunOutcome['kind'];

/** The numbers are stored in attempt rows: never renumber them. */
export const OUTCOME_CODES: Readonly<Record<OutcomeKind, number>> = {
  done: 0,
  failed: 1,
  deferred: 2,
  refused: 3,
  unavailable: 4,
  'timed-out': 5,
  cancelled: 6,
  released: 7,
  crashed: 8,
  damaged: 9,
  verified: 10,
  ended: 11,
};

/** What the attempt left behind, whatever its outcome. */
export interface AttemptReport {
  readonly outcome: RunOutcome;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Capped head and tail, as text; null when nothing was written. */
  readonly stdout: string | null;
  readonly stderr: string | null;
}

/** What is to become of the job after an attempt: the verdict of the retry policy. */
export type Next =
  /** With a reason where the handler itself did not say so. */
  | { readonly to: 'completed'; readonly reason?: string }
  | { readonly to: 'failed'; readonly reason: string }
  | { readonly to: 'cancelled'; readonly reason: string }
  | {
      readonly to: 'pending';
      readonly runAtMs: number;
      readonly charged: boolean;
      readonly crashed: boolean;
      readonly reason: string;
    };
