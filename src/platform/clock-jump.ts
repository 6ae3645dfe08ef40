import type { Clock } from './clock.js';

/** Less is how clocks are steered, a little at a time; nobody sets one for that. */
const SMALLEST_JUMP_MS = 1_000;

/** Sees when the wall clock was set: it moves against the monotonic one, between two looks, by more than a steered clock does. */
export class ClockJump {
  readonly #clock: Clock;
  #apartMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#apartMs = this.#readApart();
  }

  /** By how much it has jumped since the last look, forward or (below 0) back; null when it has not. */
  look(): number | null {
    const apartMs = this.#readApart();
    const jumpMs = Math.round(apartMs - this.#apartMs);
    this.#apartMs = apartMs;
    return Math.abs(jumpMs) > SMALLEST_JUMP_MS ? jumpMs : null;
  }

  #readApart(): number {
    return this.#clock.wallMs() - this.#clock.monotonicMs();
  }
}
