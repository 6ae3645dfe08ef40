import type { Clock } from '../platform/clock.js';
import type { Store } from './contract.js';

/**
 * - `worker`: the one process that owns the state folder; waits at most 50 ms for a lock, then tries again later.
 * - `command`: a short writer; waits up to 5 s for a lock, and takes none for more than 1,000 rows.
 * - `read`: never writes, never waits for writers.
 */
export type StoreUse = 'worker' | 'command' | 'read';

/**
 * Opens the store of a state folder. `worker` and `command` create and migrate it; `read` throws STORE_MISSING when
 * there is none. Throws STORE_TOO_NEW, STORE_TOO_OLD (`read` alone, which cannot migrate), STORE_UNSAFE or
 * STORE_DAMAGED rather than work on what it cannot trust.
 */
export async function openStore(stateFolder: string, use: StoreUse, clock: Clock): Promise<Store> {
  const { openSqliteStore } = await import('./sqlite/open.js');
  return openSqliteStore(stateFolder, use, clock);
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
