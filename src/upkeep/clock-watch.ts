import type { BeatClock } from '../heartbeat/beat.js';
import { type Clock, NO_EARLIER_THAN_MS } from '../platform/clock.js';
import { type ClockFacts, readClockFacts } from '../platform/clock-facts.js';
import { durationText } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';
import {
  type ClockJudgement,
  type ClockTrust,
  type ClockTrustRules,
  judgeClock,
} from '../policy/clock-trust.js';

export interface ClockWatch extends ClockTrust {
  /** For the beat: null while the clock is trusted. */
  distrust(): BeatClock | null;
}

/** What the machine tells changes seldom, and is asked only while the clock is not trusted. */
const READ_EVERY_MS = 1_000;

/** Judges the wall clock whenever it is asked, and says so when its judgement changes. Cheap while the clock is trusted. */
export function createClockWatch(options: {
  readonly rules: ClockTrustRules;
  /** The last time that was stored as trusted; null for none. */
  readonly lastTrustedMs: number | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly readFacts?: () => ClockFacts;
}): ClockWatch {
  const { rules, clock, log, readFacts = readClockFacts } = options;
  let knownPastMs = Math.max(options.lastTrustedMs ?? 0, NO_EARLIER_THAN_MS);
  let judged: ClockJudgement = { is: 'trusted' };
  let distrustedSinceMs: number | null = null;
  let facts = readFacts();
  let readAtMs = clock.monotonicMs();
  let isFirst = true;

  const look = (): ClockJudgement => {
    const nowMs = clock.monotonicMs();
    const wallMs = clock.wallMs();
    if (isFirst || judged.is !== 'trusted' || wallMs < knownPastMs) {
      isFirst = false;
      if (nowMs - readAtMs >= READ_EVERY_MS) {
        facts = readFacts();
        readAtMs = nowMs;
      }
      const distrustedForMs = distrustedSinceMs === null ? null : nowMs - distrustedSinceMs;
      const before = judged;
      judged = judgeClock(rules, { ...facts, wallMs, knownPastMs, distrustedForMs });
      distrustedSinceMs = judged.is === 'trusted' ? null : (distrustedSinceMs ?? nowMs);
      if (judged.is !== before.is) announce(log, judged, rules);
    }
    // Set, not raised: a clock that was wrongly ahead, and is believed again, has been put right.
    if (judged.is === 'trusted') knownPastMs = wallMs;
    return judged;
  };
  look();

  return {
    isSuspect() {
      const judgement = look();
      return judgement.is === 'suspect' ? judgement.why : null;
    },
    distrust() {
      const judgement = look();
      if (judgement.is === 'trusted') return null;
      const forMs = Math.round(clock.monotonicMs() - (distrustedSinceMs ?? 0));
      const { is: state, why } = judgement;
      if (judgement.is === 'believed') return { state, why, forMs };
      return { state, why, forMs, believedInMs: Math.round(judgement.believedInMs) };
    },
  };
}

function announce(log: Log, judgement: ClockJudgement, { timeoutMs }: ClockTrustRules): void {
  if (judgement.is === 'trusted') {
    log.info({}, '🕒 The wall clock is trusted again: what is due by it runs');
  } else if (judgement.is === 'suspect') {
    const { why, believedInMs } = judgement;
    const text = `🕒 The wall clock is not trusted: ${why}. What is due by it waits until it is, ${durationText(believedInMs)} at most`;
    log.warn({ why, believedInMs }, text);
  } else {
    const { why } = judgement;
    log.warn(
      { why, timeoutMs },
      `🕒 The wall clock is believed after ${durationText(timeoutMs)} (clock.timeout), although ${why}`,
    );
  }
}
