import type { Clock } from '../platform/clock.js';
import type { MoveDesk } from './move/desk.js';

export type { MoveDesk, MoveLook } from './move/desk.js';
export type { OpenJobsReport } from './move/open-jobs.js';
export type { MovePlan } from './move/plan.js';

/** What `dogged migrate` needs of the store of a state folder, for as long as `work` takes. */
export async function withMoveDesk<T>(
  stateFolder: string,
  clock: Clock,
  work: (desk: MoveDesk) => Promise<T>,
): Promise<T> {
  const { openSqliteStore } = await import('./sqlite/open.js');
  const { MoveDesk } = await import('./move/desk.js');
  const sqlite = await openSqliteStore(stateFolder, 'command', clock);
  try {
    return await work(new MoveDesk(sqlite, clock));
  } finally {
    await sqlite.close();
  }
}

/** A store by the one name under which stores are compared and shown: `sqlite`, or a Redis without user and password. */
export async function nameOfStore(written: string | null): Promise<string> {
  const { storeName } = await import('./bullmq/address.js');
  return storeName(written);
}
