import type { Clock } from './clock.js';

/** Less is how clocks are steered, a little at a time; nobody sets one for that. */
const SMALLEST_JUMP_MS = 1_000;
/** A process that is held up for as long between reading the two clocks cannot say how far they are apart. */
const HELD_UP_MS = SMALLEST_JUMP_MS / 2;
const MOST_READS = 3;

/**
 * Sees when the wall clock was set: it moves against the monotonic one, between two looks, by more than a steered clock does.
 * A machine that slept looks the same: the monotonic clock does not count that.
 */
export class ClockJump {
  readonly #clock: Clock;
  #apartMs: number | null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#apartMs = this.#readApart();
  }

  /** By how much it has jumped since the last look, forward or (below 0) back; null when it has not. */
  look(): number | null {
    const apartMs = this.#readApart();
    if (apartMs === null) return null;
    const jumpMs = Math.round(apartMs - (this.#apartMs ?? apartMs));
    // Moved along with every look: what a clock drifts by never adds up to a jump.
    this.#apartMs = apartMs;
    return Math.abs(jumpMs) > SMALLEST_JUMP_MS ? jumpMs : null;
  }

  #readApart(): number | null {
    for (let read = 1; read <= MOST_READS; read += 1) {
      const beforeMs = this.#clock.monotonicMs();
      const wallMs = this.#clock.wallMs();
      if (this.#clock.monotonicMs() - beforeMs < HELD_UP_MS) return wallMs - beforeMs;
    }
    return null;
  }
}
