import type { Clock } from '../platform/clock.js';

/** How late the event loop was, over the last samples. */
export interface LagMeter {
  start(): void;
  stop(): void;
  percentiles(): { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
}

/** Two a second cost 0.01 % of a core; the histogram of `perf_hooks` wakes the process a hundred times a second. */
const SAMPLE_EVERY_MS = 500;
/** The last five minutes. */
const SAMPLES_KEPT = 600;

/** Measures by how much a timer comes late: anything that blocks the loop shows. `onTurn` runs at each sample. */
export function createLagMeter(clock: Clock, onTurn: () => void): LagMeter {
  const samples: number[] = [];
  let cancel: (() => void) | null = null;

  const schedule = () => {
    const expectedMs = clock.monotonicMs() + SAMPLE_EVERY_MS;
    cancel = clock.after(SAMPLE_EVERY_MS, () => {
      samples.push(Math.max(0, clock.monotonicMs() - expectedMs));
      if (samples.length > SAMPLES_KEPT) samples.shift();
      onTurn();
      schedule();
    });
  };

  return {
    start: schedule,
    stop: () => cancel?.(),
    percentiles() {
      const sorted = [...samples].sort((a, b) => a - b);
      const at = (share: number) => Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 10) / 10;
      return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
    },
  };
}
