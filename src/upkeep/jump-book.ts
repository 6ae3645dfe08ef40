import type { ClockJump } from '../heartbeat/beat.js';
import type { Clock } from '../platform/clock.js';

export interface JumpBook {
  /** The wall clock has just jumped. */
  note(byMs: number): void;
  /** Those of the last hour, the newest last. */
  recent(): readonly ClockJump[];
}

const KEPT_FOR_MS = 3_600_000;
/** A clock that jumps all the time is told by these as well as by all. */
const MOST_KEPT = 8;

/** Remembers when the wall clock jumped, by the clock that does not. */
export function createJumpBook(clock: Clock): JumpBook {
  let jumps: readonly { readonly atMonotonicMs: number; readonly byMs: number }[] = [];
  return {
    note(byMs) {
      jumps = [...jumps, { atMonotonicMs: clock.monotonicMs(), byMs }].slice(-MOST_KEPT);
    },
    recent() {
      const nowMs = clock.monotonicMs();
      return jumps
        .map(({ atMonotonicMs, byMs }) => ({ agoMs: Math.round(nowMs - atMonotonicMs), byMs }))
        .filter(({ agoMs }) => agoMs < KEPT_FOR_MS);
    },
  };
}
