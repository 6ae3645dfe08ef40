import { join } from 'node:path';
import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import type { Store } from '../contract.js';
import type { StoreUse } from '../open.js';
import { type Connection, connect } from './connection.js';
import { MIGRATIONS, migrate, refuseNewerSchema, schemaVersion } from './migrations/migrate.js';
import { acquireStateLock } from './state-lock.js';
import { SqliteStore } from './store.js';

export const DATABASE_NAME = 'dogged.db';

export async function openSqliteStore(stateFolder: string, use: StoreUse, clock: Clock): Promise<Store> {
  const file = join(stateFolder, DATABASE_NAME);
  const connection = await connect(file, use, clock);
  try {
    if (use === 'read') await connection.retry(() => refuseOtherSchema(connection, file));
    else await connection.retry(() => prepareSchema(connection, stateFolder, use, clock));
    return new SqliteStore(connection, use);
  } catch (error) {
    connection.db.close();
    throw error;
  }
}

/** A reader cannot migrate; a file without a schema is one that somebody is just making. */
function refuseOtherSchema({ db }: Connection, file: string): void {
  refuseNewerSchema(db);
  const found = schemaVersion(db);
  if (found === 0) throw new DoggedError('STORE_MISSING', { file });
  if (found < MIGRATIONS.length) {
    throw new DoggedError('STORE_TOO_OLD', { file, found, known: MIGRATIONS.length });
  }
}

function prepareSchema({ db }: Connection, stateFolder: string, use: StoreUse, clock: Clock): void {
  const found = schemaVersion(db);
  const isUpgrade = found > 0 && found < MIGRATIONS.length;
  // A worker holds the lock already. A command must not change the schema under a worker of an older program.
  const lock = isUpgrade && use === 'command' ? acquireStateLock(stateFolder) : null;
  try {
    migrate(db, clock.wallMs());
  } finally {
    lock?.release();
  }
}
