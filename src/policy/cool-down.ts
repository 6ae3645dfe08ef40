import { backoffMs } from './retry.js';

/** So many in a row, and the task is taken to be down; fewer may be the affair of single jobs. */
export const UNAVAILABLE_LIMIT = 5;

/**
 * How many jobs of a task found their program or dependency away, one after the other, and until when the task is
 * passed over for it. Without this, one missing program would send every waiting job through a useless attempt.
 */
export interface CoolDown {
  readonly consecutiveUnavailable: number;
  /** On the monotonic clock; null while the limit is not reached. */
  readonly untilMonotonicMs: number | null;
}

/** After an attempt: null when the task works again. */
export function coolDownAfter(
  before: CoolDown | null,
  unavailable: boolean,
  backoff: { readonly minMs: number; readonly maxMs: number },
  moment: { readonly nowMonotonicMs: number; readonly random: number },
): CoolDown | null {
  if (!unavailable) return null;
  const consecutiveUnavailable = (before?.consecutiveUnavailable ?? 0) + 1;
  const overLimit = consecutiveUnavailable - UNAVAILABLE_LIMIT + 1;
  if (overLimit < 1) return { consecutiveUnavailable, untilMonotonicMs: null };
  const waitMs = backoffMs(backoff, overLimit, moment.random);
  return { consecutiveUnavailable, untilMonotonicMs: moment.nowMonotonicMs + waitMs };
}

/** At most this many jobs of the task may be claimed now: none while it cools down, then one to try, else any. */
export function claimsAllowed(coolDown: CoolDown | null, running: number, nowMonotonicMs: number): number {
  if (coolDown === null || coolDown.untilMonotonicMs === null) return Number.POSITIVE_INFINITY;
  if (nowMonotonicMs < coolDown.untilMonotonicMs) return 0;
  return Math.max(0, 1 - running);
}
