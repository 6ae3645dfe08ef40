import { join } from 'node:path';
import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import type { StoreEvents, StoreUse, Upgrade } from '../engine.js';
import { type Connection, connect } from './connection.js';
import { MIGRATIONS, migrate, refuseNewerSchema, schemaVersion } from './migrations/migrate.js';
import { acquireStateLock } from './state-lock.js';
import { SqliteStore } from './store.js';

export async function openSqliteStore(
  stateFolder: string,
  use: StoreUse,
  clock: Clock,
  events: StoreEvents = {},
  migrations = MIGRATIONS,
): Promise<SqliteStore> {
  const file = join(stateFolder, 'dogged.db');
  let isOpen = false;
  const connection = await connect(file, use, clock, {
    onDamage: (error) => {
      // Until then the caller hears of it as an error.
      if (isOpen) events.onDamage?.(error);
    },
    onStorage: (problem) => {
      if (isOpen) events.onStorage?.(problem);
    },
  });
  // One time of day for all tries: while the database is locked, they would leave a backup each.
  const nowMs = clock.wallMs();
  const prepareSchema = () => {
    if (use === 'read') refuseOtherSchema(connection, file, migrations);
    else {
      const upgrade = upgradeSchema(connection, { stateFolder, use, nowMs, migrations });
      if (upgrade !== null) events.onUpgrade?.(upgrade);
    }
  };
  try {
    const store = await connection.retry(() => {
      prepareSchema();
      return new SqliteStore(connection, use);
    });
    isOpen = true;
    return store;
  } catch (error) {
    connection.db.close();
    throw error;
  }
}

/** A reader cannot migrate; a file without a schema is one that somebody is just making. */
function refuseOtherSchema({ db }: Connection, file: string, migrations: readonly string[]): void {
  refuseNewerSchema(db, migrations);
  const found = schemaVersion(db);
  if (found === 0) throw new DoggedError('STORE_MISSING', { file });
  if (found < migrations.length) {
    throw new DoggedError('STORE_TOO_OLD', { file, found, known: migrations.length });
  }
}

interface SchemaUpgrade {
  readonly stateFolder: string;
  readonly use: StoreUse;
  readonly nowMs: number;
  readonly migrations: readonly string[];
}

function upgradeSchema(
  { db }: Connection,
  { stateFolder, use, nowMs, migrations }: SchemaUpgrade,
): Upgrade | null {
  const found = schemaVersion(db);
  const isUpgrade = found > 0 && found < migrations.length;
  // A worker holds the lock already. A command must not change the schema under a worker of an older program.
  const lock = isUpgrade && use === 'command' ? acquireStateLock(stateFolder) : null;
  try {
    return migrate(db, nowMs, migrations);
  } finally {
    lock?.release();
  }
}
