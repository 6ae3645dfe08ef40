/** How many values fell into each bucket; the last one is for those above all bounds. */
export interface HistogramCounts {
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Seconds, each an upper bound: from a job of a service to one of a night. */
export const DURATION_BOUNDS = [
  0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 10_800, 36_000,
] as const;
export const LATENESS_BOUNDS = [0.05, 0.25, 1, 5, 15, 60, 300, 900, 3_600] as const;

/** Counts values by size. Ends of jobs come in bursts, so counting one is a few comparisons and no allocation. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += value;
  }

  read(): HistogramCounts {
    return { counts: [...this.#counts], sum: this.#sum };
  }
}
