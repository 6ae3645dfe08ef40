import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import type { Store, StoreUse } from '../../../src/store/engine.js';
import { openStore } from '../../../src/store/open.js';
import { ownedStore } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

export async function open(folder: string, use: StoreUse, clock = systemClock): Promise<Store> {
  const store = await openStore(folder, use, clock);
  onTestFinished(() => store.close());
  return store;
}

/** The database of a store by itself, to look behind it or to bend it. */
export function rawDatabase(folder: string, options: SqliteDatabase.Options = {}): Database {
  const db = new SqliteDatabase(join(folder, 'dogged.db'), { timeout: 0, ...options });
  onTestFinished(() => {
    db.close();
  });
  return db;
}

/** A worker's store with the tasks of the conformance suite, and its folder. */
export async function owned(folder = tempFolder()): Promise<{ store: Store; folder: string }> {
  return { store: await ownedStore({ open: (use) => open(folder, use) }), folder };
}
