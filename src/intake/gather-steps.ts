import { isPause, PAUSE, SLICE_RECORDS, type SliceBudget, type Step } from './step.js';

/** One file was looked at: counts against the slice, and is nothing to admit. */
export const COUNTED: Step = { ...PAUSE };

/** Puts the finds of many small files into one transaction, and pauses when a slice is used up. */
export function* gathered(steps: Generator<Step, void>, budget: SliceBudget): Generator<Step, void> {
  let open = emptyStep();
  budget.begin();
  for (const step of steps) {
    if (step !== COUNTED) {
      open.records.push(...step.records);
      open.rejects.push(...step.rejects);
      open.rereadPaths.push(...step.rereadPaths);
      open.cursors.push(...step.cursors);
    }
    const isFull = open.records.length + open.rejects.length >= SLICE_RECORDS;
    if (!isFull && !budget.spend() && step !== PAUSE) continue;
    yield open;
    open = emptyStep();
    budget.begin();
  }
  if (!isPause(open)) yield open;
}

function emptyStep() {
  return {
    records: [] as Step['records'][number][],
    rejects: [] as Step['rejects'][number][],
    rereadPaths: [] as string[],
    cursors: [] as Step['cursors'][number][],
  };
}
