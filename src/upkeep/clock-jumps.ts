import type { ClockJump } from '../heartbeat/beat.js';
import type { Clock } from '../platform/clock.js';
import { durationText } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';

export interface ClockJumps {
  /** Cheap; called at each turn of the loop, so that a jump is seen within half a second. */
  look(): void;
  /** Those of the last hour, the newest last. */
  recent(): readonly ClockJump[];
}

/** What a synchronised clock is put right by is less, or spread over hours. */
const WORTH_SAYING_MS = 1_000;
const KEPT_FOR_MS = 3_600_000;
/** A clock that jumps all the time is told by these as well as by all. */
const MOST_KEPT = 8;

/**
 * Sees when the wall clock and the monotonic one move by different amounts: somebody or something has set the time, or the
 * machine slept, which the monotonic clock does not count.
 */
export function watchClockJumps(clock: Clock, log: Log): ClockJumps {
  /** null when this process was held up between reading the two. */
  const apartMs = () => {
    const beforeMs = clock.monotonicMs();
    const wallMs = clock.wallMs();
    return clock.monotonicMs() - beforeMs < WORTH_SAYING_MS / 2 ? wallMs - beforeMs : null;
  };
  let lastApartMs = apartMs();
  let jumps: { readonly atMonotonicMs: number; readonly byMs: number }[] = [];

  const recent = () => {
    const nowMs = clock.monotonicMs();
    return jumps
      .map(({ atMonotonicMs, byMs }) => ({ agoMs: Math.round(nowMs - atMonotonicMs), byMs }))
      .filter(({ agoMs }) => agoMs < KEPT_FOR_MS);
  };

  return {
    look() {
      const nowApartMs = apartMs();
      if (nowApartMs === null) return;
      const byMs = Math.round(nowApartMs - (lastApartMs ?? nowApartMs));
      // Moved along with every look: what a clock drifts by never adds up to a jump.
      lastApartMs = nowApartMs;
      if (Math.abs(byMs) < WORTH_SAYING_MS) return;
      jumps = [...jumps, { atMonotonicMs: clock.monotonicMs(), byMs }].slice(-MOST_KEPT);
      const now = new Date(clock.wallMs()).toISOString();
      const which = byMs < 0 ? 'back' : 'forward';
      log.warn(
        { byMs, now },
        `the clock jumped ${which} by ${durationText(Math.abs(byMs))}, to ${now}: it was set, or the machine slept`,
      );
    },
    recent,
  };
}
