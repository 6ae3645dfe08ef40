import type { Clock } from '../platform/clock.js';
import type { Store, StoreEvents, StoreUse, Upgrade } from './engine.js';

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
