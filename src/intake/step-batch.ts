import { isPause, type Step } from './step.js';

/**
 * How much one transaction writes: rows, and KiB of payloads. Less costs a sync of the disk each, which on an SD card takes
 * longer than all the rest, and writes the same pages of the ledger again and again; more is taken for as long as this
 * machine is quick enough. It also bounds what stands in memory and is not committed yet: 5 MB.
 */
const LEAST_WEIGHT = 500;
const FIRST_WEIGHT = 1_500;
const MOST_WEIGHT = 5_000;
/** How long a transaction should take: less than half of the 50 ms for which the loop may be held. */
const TRANSACTION_MS = 20;

/** Gathers the steps of one source for a transaction: what is read in 4 ms is little, what is synced is dear. */
export class StepBatch {
  #steps: Step[] = [];
  #weight = 0;
  #mostWeight = FIRST_WEIGHT;
  /** Paths of which the batch says something already. */
  readonly #paths = new Set<string>();

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  /** False when the batch is to be admitted first: it is full, or the step closes rejects that stand in the batch. */
  accepts(step: Step): boolean {
    if (this.isEmpty) return true;
    return (
      this.#weight + weightOf(step) <= this.#mostWeight &&
      !step.rereadPaths.some((path) => this.#paths.has(path))
    );
  }

  add(step: Step): void {
    if (isPause(step)) return;
    this.#steps.push(step);
    this.#weight += weightOf(step);
    for (const { path } of step.cursors) this.#paths.add(path);
    for (const { path } of step.rejects) this.#paths.add(path);
  }

  /** Tells how long the transaction of this step took, so that the next one suits this machine. */
  tune(step: Step, tookMs: number): void {
    const fitting = tookMs <= 0 ? MOST_WEIGHT : (weightOf(step) * TRANSACTION_MS) / tookMs;
    // Half as much again at most: a short transaction says little about a long one.
    const next = Math.min(fitting, this.#mostWeight * 1.5, MOST_WEIGHT);
    this.#mostWeight = Math.max(LEAST_WEIGHT, next);
  }

  /** Everything that was added, as one step. Of two cursors of a path the later one stands. */
  take(): Step {
    const steps = this.#steps;
    this.#steps = [];
    this.#weight = 0;
    this.#paths.clear();
    const [only] = steps;
    if (only !== undefined && steps.length === 1) return only;
    const cursors = new Map(steps.flatMap((step) => step.cursors.map((cursor) => [cursor.path, cursor])));
    const plan = steps.findLast((step) => step.plan !== undefined)?.plan;
    return {
      records: steps.flatMap((step) => step.records),
      rejects: steps.flatMap((step) => step.rejects),
      rereadPaths: steps.flatMap((step) => step.rereadPaths),
      cursors: [...cursors.values()],
      ...(plan !== undefined && { plan }),
    };
  }
}

function weightOf({ records, rejects, cursors }: Step): number {
  const payloadBytes = records.reduce((sum, { payload }) => sum + payload.bytes.length, 0);
  return records.length + rejects.length + cursors.length + payloadBytes / 1024;
}
