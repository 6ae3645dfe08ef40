import type { Clock } from '../platform/clock.js';
import type { Store, StoreEvents, StoreUse, Upgrade } from './engine.js';
import type { JobReads } from './mirror/open-job-reads.js';
import type { SqliteStore } from './sqlite/store.js';

/**
 * Opens the store of a state folder. `worker` and `command` create and migrate it; `read` throws STORE_MISSING when
 * there is none. Throws STORE_TOO_NEW, STORE_TOO_OLD (`read` alone,
 * which cannot migrate), BACKUP_FAILED, STORE_UNSAFE or STORE_DAMAGED rather than work on what it cannot trust.
 */
export async function openStore(
  stateFolder: string,
  use: StoreUse,
  clock: Clock,
  events: StoreEvents = {},
): Promise<Store> {
  const { openSqliteStore } = await import('./sqlite/open.js');
  const store = await openSqliteStore(stateFolder, use, clock, events);
  if (use === 'worker') return store;
  const { StoreBeside } = await import('./store-beside.js');
  return new StoreBeside(store, use, clock);
}

/** Jobs of a store that `openStore` has opened as `read`: through the mirror, while a move keeps one. */
export async function openJobReads(store: Store, clock: Clock): Promise<JobReads> {
  const { openJobReads } = await import('./mirror/open-job-reads.js');
  return openJobReads(await rowsOf(store), clock);
}

/** Counts jobs that differed from their copy in the mirror, and sends them to it again. Of a store opened as `command`. */
export async function putMirrorRight(store: Store, divergent: ReadonlySet<string>): Promise<void> {
  const { putRight } = await import('./mirror/open-job-reads.js');
  await putRight(await rowsOf(store), divergent);
}

async function rowsOf(store: Store): Promise<SqliteStore> {
  const { StoreBeside } = await import('./store-beside.js');
  if (!(store instanceof StoreBeside)) throw new Error('not a store beside the worker');
  return store.sqlite;
}

/** What a user is told of an upgrade. */
export function upgradeText({ from, to, backup }: Upgrade): string {
  return `The database was brought from schema ${from} to ${to}, as this version needs it. As it was before, it is kept in ${backup}`;
}

export interface StateLock {
  release(): void;
}

/**
 * Takes the state folder for this process, until `release` or its end in whatever way. A worker does this before it
 * opens the store. Throws STATE_IN_USE, naming the holder by `worker.pid`, which is written after the lock is taken.
 */
export async function acquireStateLock(stateFolder: string): Promise<StateLock> {
  const lock = await import('./sqlite/state-lock.js');
  return lock.acquireStateLock(stateFolder);
}
