/** As much of a task's config as its limits need. */
export interface LimitedTask {
  readonly name: string;
  readonly concurrency: number;
  readonly runner: { readonly kind: string; readonly workers?: number; readonly pipeline?: number };
}

/** How many jobs of a task may run at once: a service task is also bounded by what its children hold. */
export function concurrencyOf(task: LimitedTask): number {
  const { workers = Number.POSITIVE_INFINITY, pipeline = 1 } = task.runner;
  return Math.min(task.concurrency, workers * pipeline);
}

/** How many more jobs of a task may be claimed now. */
export function roomOf(task: LimitedTask, running: number, freeSlots: number): number {
  return Math.max(0, Math.min(concurrencyOf(task) - running, freeSlots));
}
