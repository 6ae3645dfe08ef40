import type { AttemptReport } from '../job/outcome.js';
import type { Clock } from '../platform/clock.js';
import type { Claim } from '../store/contract.js';
import { bareReport, type Interruption, interruptedOutcome, type RunningAttempt } from './attempt.js';

/** A job of a service task: it may wait a moment for a child that has room. */
export class PooledAttempt implements RunningAttempt {
  readonly claim: Claim;
  readonly report: Promise<AttemptReport>;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #resolve: (report: AttemptReport) => void = () => undefined;
  #running: RunningAttempt | null = null;
  #isOver = false;

  constructor(claim: Claim, clock: Clock) {
    this.claim = claim;
    this.#clock = clock;
    this.#startedAtMs = clock.wallMs();
    this.report = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Interrupted before any child had room: it must not be given to one. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Given to a child. */
  begin(running: RunningAttempt): void {
    this.#running = running;
    void running.report.then(this.#resolve);
  }

  interrupt(reason: Interruption, urgent: boolean): void {
    if (this.#running !== null) {
      this.#running.interrupt(reason, urgent);
      return;
    }
    if (this.#isOver) return;
    this.#isOver = true;
    this.#resolve(bareReport(interruptedOutcome(reason, 0), this.#startedAtMs, this.#clock.wallMs()));
  }

  progress(): number | null {
    return this.#running?.progress() ?? null;
  }
}
