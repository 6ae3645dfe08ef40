import { DoggedError } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import type { MirrorEvents } from './mirror/work.js';
import type { MoveDesk } from './move/desk.js';
import type { Mover, MoverOptions } from './move/mover.js';

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

/** The store that a move has chosen for this state folder, as long as the config named another at the last start; else null. */
export async function chosenStoreIn(stateFolder: string, clock: Clock): Promise<string | null> {
  const { openStore } = await import('./open.js');
  try {
    const store = await openStore(stateFolder, 'read', clock);
    try {
      return (await store.counts()).chosenStore ?? null;
    } finally {
      await store.close();
    }
  } catch (error) {
    // Nothing has run here yet, or not with this program: other commands say so.
    if (error instanceof DoggedError) return null;
    throw error;
  }
}

/** The worker's part: does what the row of a move asks for. */
export async function createMover(
  options: Omit<MoverOptions, 'mirror' | 'configured'> & {
    readonly configured: string | null;
    readonly mirrorEvents: MirrorEvents;
  },
): Promise<Mover> {
  const { Mover } = await import('./move/mover.js');
  const { MirrorKeeper } = await import('./mirror/mirror-keeper.js');
  const { live, clock, configured, mirrorEvents: events } = options;
  const mirror = new MirrorKeeper({ sqlite: live.sqlite, clock, events });
  return new Mover({ ...options, configured: await nameOfStore(configured), mirror });
}
