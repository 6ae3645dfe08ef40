import { type Clock, pause } from '../platform/clock.js';

const SETTLE_LOOK_MS = 10;

export interface TurnTimerOptions {
  readonly clock: Clock;
  /** One turn. A rejection means that it has to be taken again. */
  readonly takeTurn: () => Promise<void>;
  /** After a rejected turn: how long to wait before the next try, or null to take no more turns. */
  readonly retryAfterMs: (error: unknown, failures: number) => number | null;
  /** Every `tickMs`: true when a turn is worth taking. */
  readonly tickMs: number;
  readonly hasNews: () => boolean;
}

/**
 * Decides when turns are taken: one at a time, soon after each request (requests of one pass of the event loop share a
 * turn), when a wake-up time has come, and when the tick finds news.
 */
export class TurnTimer {
  readonly #options: TurnTimerOptions;
  #requested = false;
  #taking = false;
  #failures = 0;
  #failure: unknown = null;
  #halted = false;
  #cancelRetry: (() => void) | null = null;
  #cancelTick: (() => void) | null = null;
  #cancelWake: (() => void) | null = null;

  constructor(options: TurnTimerOptions) {
    this.#options = options;
  }

  /** No turn is wanted, under way, or to be taken again. */
  get isQuiet(): boolean {
    return !this.#requested && !this.#taking && this.#cancelRetry === null;
  }

  /** The last turn failed, and none has succeeded since. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** No turn will be taken any more. */
  get isHalted(): boolean {
    return this.#halted;
  }

  startTicking(): void {
    this.#cancelTick = this.#options.clock.after(this.#options.tickMs, () => {
      if (this.#halted) return;
      this.startTicking();
      if (this.#options.hasNews()) this.request();
    });
  }

  stopTicking(): void {
    this.#cancelTick?.();
    this.#cancelWake?.();
  }

  readonly request = (): void => {
    if (this.#requested || this.#halted) return;
    this.#requested = true;
    if (!this.#taking && this.#cancelRetry === null) setImmediate(this.#turn);
  };

  /** Replaces the last wake-up; null for none. */
  wakeAfter(delayMs: number | null): void {
    this.#cancelWake?.();
    this.#cancelWake = delayMs === null ? null : this.#options.clock.after(delayMs, this.request);
  }

  /** Turns until `isDone` and none is under way, for as long as there is patience with what the last one failed of; then no more. */
  async settle(isDone: () => boolean, patienceMs: (failure: unknown) => number): Promise<void> {
    const { clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    while (!this.#halted && !(isDone() && this.isQuiet)) {
      if (clock.monotonicMs() - sinceMs >= patienceMs(this.#failure)) break;
      if (!isDone()) this.request();
      await pause(clock, SETTLE_LOOK_MS);
    }
    this.halt();
  }

  /** No more turns, for good. */
  halt(): void {
    this.#halted = true;
    this.#requested = false;
    this.stopTicking();
    this.#cancelRetry?.();
    this.#cancelRetry = null;
  }

  readonly #turn = (): void => {
    if (this.#halted) return;
    this.#requested = false;
    this.#taking = true;
    this.#options.takeTurn().then(
      () => {
        this.#failures = 0;
        this.#failure = null;
        this.#afterTurn();
      },
      (error: unknown) => this.#afterFailure(error),
    );
  };

  #afterTurn(): void {
    this.#taking = false;
    if (this.#requested) setImmediate(this.#turn);
  }

  #afterFailure(error: unknown): void {
    this.#taking = false;
    if (this.#halted) return;
    this.#failures += 1;
    this.#failure = error;
    const waitMs = this.#options.retryAfterMs(error, this.#failures);
    if (waitMs === null) {
      this.halt();
      return;
    }
    this.#cancelRetry = this.#options.clock.after(waitMs, () => {
      this.#cancelRetry = null;
      this.#turn();
    });
  }
}
