import { backoffMs } from './retry.js';

/**
 * How many jobs of a task found their program or dependency away, one after the other, and until when the task is
 * passed over for it. Without this, one missing program would send every waiting job through a useless attempt.
 */
export interface CoolDown {
  readonly consecutiveUnavailable: number;
  /** On the monotonic clock. */
  readonly untilMonotonicMs: number;
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
  const waitMs = backoffMs(backoff, consecutiveUnavailable, moment.random);
  return { consecutiveUnavailable, untilMonotonicMs: moment.nowMonotonicMs + waitMs };
}

/** At most this many jobs of the task may be claimed now: none while it cools down, then one to try, else any. */
export function claimsAllowed(coolDown: CoolDown | null, running: number, nowMonotonicMs: number): number {
  if (coolDown === null) return Number.POSITIVE_INFINITY;
  if (nowMonotonicMs < coolDown.untilMonotonicMs) return 0;
  return Math.max(0, 1 - running);
}
