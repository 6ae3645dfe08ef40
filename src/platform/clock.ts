/**
 * The only place that reads a clock.
 *
 * Wall time is for people and for due times: it may jump in either direction. Monotonic time is for every
 * interval, time-out and age: it never goes back, and means nothing in another process.
 */
export interface Clock {
  /** Milliseconds since the epoch. May jump. */
  wallMs(): number;
  /** Milliseconds since an arbitrary point; never decreases within this process. */
  monotonicMs(): number;
  /** Calls `action` once after `delayMs`, unless the returned function is called first. Does not keep the process alive when `background`. */
  after(delayMs: number, action: () => void, options?: { readonly background?: boolean }): () => void;
}

/** Nobody runs this before it was written: an earlier wall time is where a clock without a battery begins. */
export const NO_EARLIER_THAN_MS = Date.UTC(2025, 0, 1);

/** Longest delay a Node timer takes; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action, options) {
    const timer = setTimeout(action, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS));
    if (options?.background) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once when `signal` is aborted; never rejects. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const finish = () => {
      cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}

/** ISO 8601 in UTC, or null: the one form in which a time leaves the program. */
export function isoTime(wallMs: number | null | undefined): string | null {
  return wallMs === null || wallMs === undefined ? null : new Date(wallMs).toISOString();
}
