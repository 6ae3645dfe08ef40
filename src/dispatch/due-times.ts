import type { Clock } from '../platform/clock.js';
import { ClockJump } from '../platform/clock-jump.js';
import { durationText } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';
import type { ClockTrust } from '../policy/clock-trust.js';
import type { Moment } from './breakers.js';

export interface DueTimesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly trust: ClockTrust;
  /** The wall clock was set: told before anything is decided by the new time. */
  readonly onJump: (byMs: number) => void;
}

/** What the dispatcher makes of the wall clock: when the next job is due, whether that may be believed, and when it was set. */
export class DueTimes {
  readonly #options: DueTimesOptions;
  readonly #jump: ClockJump;
  #nextDueAtMs: number | null = null;
  #heldInTurn = false;

  constructor(options: DueTimesOptions) {
    this.#options = options;
    this.#jump = new ClockJump(options.clock);
  }

  now(): Moment {
    this.#lookForJump();
    const { clock } = this.#options;
    return { nowMs: clock.wallMs(), nowMonotonicMs: clock.monotonicMs() };
  }

  /** For the turn that is being taken: true while due times are held. */
  hold(): boolean {
    this.#heldInTurn = this.#isHeld();
    return this.#heldInTurn;
  }

  noteNext(dueAtMs: number | null): void {
    this.#nextDueAtMs = dueAtMs;
  }

  /** How long the loop may sleep until the next job is due, or `other`, by the monotonic clock; null for as long as it likes. */
  sleepMs(otherMonotonicMs: number | null): number | null {
    const otherMs =
      otherMonotonicMs === null ? null : Math.max(0, otherMonotonicMs - this.#options.clock.monotonicMs());
    const dueMs = this.#leftMs();
    return otherMs === null || dueMs === null ? (otherMs ?? dueMs) : Math.min(otherMs, dueMs);
  }

  /** True when a turn is worth taking: a wall clock that was set makes things due that no timer knows of. */
  hasNews(): boolean {
    const hasJumped = this.#lookForJump();
    return hasJumped || this.#isHeld() !== this.#heldInTurn || this.#leftMs() === 0;
  }

  #leftMs(): number | null {
    if (this.#nextDueAtMs === null) return null;
    return Math.max(0, this.#nextDueAtMs - this.#options.clock.wallMs());
  }

  #isHeld(): boolean {
    return this.#options.trust.isSuspect() !== null;
  }

  #lookForJump(): boolean {
    const byMs = this.#jump.look();
    if (byMs === null) return false;
    const direction = byMs > 0 ? 'forward' : 'back';
    const now = new Date(this.#options.clock.wallMs()).toISOString();
    const text = `🕒 The wall clock jumped ${direction} by ${durationText(Math.abs(byMs))}, to ${now}: it was set, or the machine slept. Retries keep their waits, and what is due is judged anew`;
    this.#options.log.warn({ byMs, now }, text);
    this.#options.onJump(byMs);
    return true;
  }
}
