import type { Clock } from '../../src/platform/clock.js';

interface Timer {
  readonly atMs: number;
  readonly action: () => void;
}

/** A clock that stands still until told to move. Wall and monotonic time can be moved apart, as a real clock jump does. */
export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #timers = new Set<Timer>();

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.#monotonicMs + Math.max(0, delayMs), action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Moves both times, firing what becomes due in order; promises settle between two timers. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#monotonicMs + byMs;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers.delete(next);
      this.#move(next.atMs - this.#monotonicMs);
      next.action();
      await new Promise(setImmediate);
    }
    this.#move(endMs - this.#monotonicMs);
    await new Promise(setImmediate);
  }

  /** A clock that was set: wall time jumps, monotonic time does not. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** What a process sees of its own pause between two reads. */
  jumpMonotonic(byMs: number): void {
    this.#monotonicMs += byMs;
  }

  #move(byMs: number): void {
    this.#monotonicMs += byMs;
    this.#wallMs += byMs;
  }
}
