import type { WalkEnd } from './log-walk.js';
import { type Moment, type Stamp, sameStamp } from './stamp.js';

/** Why a log cannot be read on at its cursor now. */
export type WaitReason = 'empty' | 'settling' | Exclude<WalkEnd, 'whole' | 'changed'>;

/** What a log waits for, and since when it has looked like that. Any change of the file begins the waiting anew. */
export class LogWait {
  readonly #patienceMs: number;
  #state: { readonly why: WaitReason; readonly stamp: Stamp; readonly sinceMs: number } | null = null;
  #gaveUp: boolean;
  #hasRejected: boolean;

  constructor(patienceMs: number, hasRejected: boolean) {
    this.#patienceMs = patienceMs;
    this.#gaveUp = hasRejected;
    this.#hasRejected = hasRejected;
  }

  /** null when nothing is waited for, also where that is because it was given up. */
  get why(): WaitReason | null {
    return this.#gaveUp ? null : (this.#state?.why ?? null);
  }

  /** What stood at the cursor was rejected, and has not been taken since. */
  get hasRejected(): boolean {
    return this.#hasRejected;
  }

  begin(why: WaitReason, stamp: Stamp, at: Moment): void {
    const former = this.#state;
    const isSame = former !== null && sameStamp(former.stamp, stamp);
    if (!isSame) this.#gaveUp = false;
    this.#state = { why, stamp, sinceMs: isSame ? former.sinceMs : at.monotonicMs };
  }

  end(): void {
    this.#state = null;
    this.#gaveUp = false;
    this.#hasRejected = false;
  }

  /** Nothing is waited for until the file changes. */
  giveUp(): void {
    this.#gaveUp = true;
  }

  reject(): void {
    this.#gaveUp = true;
    this.#hasRejected = true;
  }

  /** The file has looked like this for so long that nobody is writing it any more. */
  isStale(at: Moment): boolean {
    return (
      this.why !== null && this.#state !== null && at.monotonicMs - this.#state.sinceMs >= this.#patienceMs
    );
  }
}
