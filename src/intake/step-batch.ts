import { isPause, type Step } from './step.js';

/**
 * Rows of one transaction. More would hold the loop for longer than its 50 ms; fewer cost a sync of the disk each, which
 * on an SD card takes longer than all the rest.
 */
const MOST_ROWS = 1_000;

/** Gathers the steps of one source for a transaction: what is read in 4 ms is little, what is synced is dear. */
export class StepBatch {
  #steps: Step[] = [];
  #rows = 0;
  /** Paths of which the batch says something already. */
  readonly #paths = new Set<string>();

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  /** False when the batch is to be admitted first: it is full, or the step closes rejects that stand in the batch. */
  accepts(step: Step): boolean {
    if (this.isEmpty) return true;
    return this.#rows + rowsOf(step) <= MOST_ROWS && !step.rereadPaths.some((path) => this.#paths.has(path));
  }

  add(step: Step): void {
    if (isPause(step)) return;
    this.#steps.push(step);
    this.#rows += rowsOf(step);
    for (const { path } of step.cursors) this.#paths.add(path);
    for (const { path } of step.rejects) this.#paths.add(path);
  }

  /** Everything that was added, as one step. Of two cursors of a path the later one stands. */
  take(): Step {
    const steps = this.#steps;
    this.#steps = [];
    this.#rows = 0;
    this.#paths.clear();
    const [only] = steps;
    if (only !== undefined && steps.length === 1) return only;
    const cursors = new Map(steps.flatMap((step) => step.cursors.map((cursor) => [cursor.path, cursor])));
    return {
      records: steps.flatMap((step) => step.records),
      rejects: steps.flatMap((step) => step.rejects),
      rereadPaths: steps.flatMap((step) => step.rereadPaths),
      cursors: [...cursors.values()],
    };
  }
}

function rowsOf(step: Step): number {
  return step.records.length + step.rejects.length + step.cursors.length;
}
