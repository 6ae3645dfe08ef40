import type { Database } from 'better-sqlite3';
import { DoggedError } from '../../job/errors.js';
import { currentStore } from './move-book.js';
import type { SqliteStore } from './store.js';

/**
 * From now on jobs run from here alone. Resolves with the address of the Redis that was left, or null. Throws
 * STORE_ELSEWHERE, and changes nothing, while Redis may hold any of ours: they would run twice.
 */
export async function leaveRedis(store: SqliteStore, stateFolder: string): Promise<string | null> {
  const address = await store.look(({ db }) => currentStore(db));
  if (address === 'sqlite') return null;
  await store.within(({ db }) => clearRemote(db, stateFolder));
  return address;
}

/** The same in a transaction of the caller's. */
export function clearRemote(db: Database, stateFolder: string): void {
  refuseWhileHeld(db, stateFolder, 'sqlite');
  db.exec('DELETE FROM outbox; DELETE FROM foreign_claims; DELETE FROM remote');
}

/** Throws STORE_ELSEWHERE while another Redis than `store` may hold jobs of ours. */
export function refuseWhileHeld(db: Database, stateFolder: string, store: string): void {
  const address = db.prepare<[], string>('SELECT address FROM remote').pluck().get();
  if (address === undefined || address === store) return;
  const held = db.prepare('SELECT 1 FROM outbox WHERE state NOT IN (0, 4) LIMIT 1').get();
  if (held !== undefined) throw new DoggedError('STORE_ELSEWHERE', { state: stateFolder, address, store });
}
