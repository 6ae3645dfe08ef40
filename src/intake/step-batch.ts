import { isPause, type Step } from './step.js';

/**
 * Rows of one transaction. Fewer cost a sync of the disk each, which on an SD card takes longer than all the rest, and
 * write the same pages of the ledger again and again; more are taken for as long as this machine is quick enough.
 */
const LEAST_ROWS = 500;
const FIRST_ROWS = 1_000;
const MOST_ROWS = 5_000;
/** How long a transaction should take: with a checkpoint of 30 ms on top, the loop is held for less than 50. */
const TRANSACTION_MS = 12;
/** Payloads of one transaction: what is not committed yet stands in memory. */
const MOST_BYTES = 4 * 1024 * 1024;

/** Gathers the steps of one source for a transaction: what is read in 4 ms is little, what is synced is dear. */
export class StepBatch {
  #steps: Step[] = [];
  #rows = 0;
  #bytes = 0;
  #mostRows = FIRST_ROWS;
  /** Paths of which the batch says something already. */
  readonly #paths = new Set<string>();

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  /** False when the batch is to be admitted first: it is full, or the step closes rejects that stand in the batch. */
  accepts(step: Step): boolean {
    if (this.isEmpty) return true;
    return (
      this.#rows + rowsOf(step) <= this.#mostRows &&
      this.#bytes + bytesOf(step) <= MOST_BYTES &&
      !step.rereadPaths.some((path) => this.#paths.has(path))
    );
  }

  add(step: Step): void {
    if (isPause(step)) return;
    this.#steps.push(step);
    this.#rows += rowsOf(step);
    this.#bytes += bytesOf(step);
    for (const { path } of step.cursors) this.#paths.add(path);
    for (const { path } of step.rejects) this.#paths.add(path);
  }

  /** Tells how long the transaction of the rows taken last took, so that the next one suits this machine. */
  tune(rows: number, tookMs: number): void {
    const fitting = tookMs <= 0 ? MOST_ROWS : (rows * TRANSACTION_MS) / tookMs;
    // Half as many again at most: a short transaction says little about a long one.
    const next = Math.min(fitting, this.#mostRows * 1.5, MOST_ROWS);
    this.#mostRows = Math.max(LEAST_ROWS, Math.floor(next));
  }

  /** Everything that was added, as one step. Of two cursors of a path the later one stands. */
  take(): Step {
    const steps = this.#steps;
    this.#steps = [];
    this.#rows = 0;
    this.#bytes = 0;
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

export function rowsOf(step: Step): number {
  return step.records.length + step.rejects.length + step.cursors.length;
}

function bytesOf(step: Step): number {
  return step.records.reduce((sum, { payload }) => sum + payload.bytes.length, 0);
}
