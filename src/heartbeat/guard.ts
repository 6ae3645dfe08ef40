import { Worker } from 'node:worker_threads';
import { CrumbMemory, leaveCrumbsIn } from '../platform/breadcrumb.js';
import type { Log } from '../platform/log.js';
import type { GuardData } from './guard-thread.js';

export interface HangGuard {
  /** To be called at each turn of the main loop's tick. */
  turned(): void;
  stop(): Promise<void>;
}

export type HangGuardOptions = Omit<GuardData, 'crumbs'> & { readonly log: Pick<Log, 'error'> };

/** The thread holds a few numbers; a heap that may grow would only be asked from the system. */
const SMALL = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/**
 * Starts the thread that writes `hang-TIME.json` when this thread's loop has not turned for `stallAfterMs`. It watches
 * and never acts: a worker that goes on after all is none the worse. Without it a blocked loop is found after
 * `health.stuck`, by its missing beats, and nobody knows where it stood.
 */
export function startHangGuard({ log, ...options }: HangGuardOptions): HangGuard {
  const crumbs = new CrumbMemory();
  leaveCrumbsIn(crumbs);
  const workerData: GuardData = { ...options, crumbs: crumbs.shared };
  const thread = new Worker(new URL('./guard-thread.js', import.meta.url), {
    workerData,
    resourceLimits: SMALL,
    // It needs nothing of it, so nothing of it can get into what it writes.
    env: {},
    execArgv: [],
  });
  thread.unref();
  thread.on('error', (error) => log.error({ err: error }, 'the hang guard has ended'));
  return {
    turned: () => crumbs.turn(),
    async stop() {
      leaveCrumbsIn(null);
      crumbs.end();
      await thread.terminate();
    },
  };
}
