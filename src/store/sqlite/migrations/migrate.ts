import type { Database } from 'better-sqlite3';
import { DoggedError } from '../../../job/errors.js';
import type { Upgrade } from '../../engine.js';
import { FIRST_SCHEMA } from './0001-first-schema.js';
import { BREAKERS } from './0002-breakers.js';
import { PLANS } from './0003-plans.js';
import { CLOCK_TRUST } from './0004-clock-trust.js';
import { RECORD_TALLIES } from './0005-record-tallies.js';
import { TRACES } from './0006-traces.js';
import { OUTBOX } from './0007-outbox.js';
import { MOVE } from './0008-move.js';
import { VOICE } from './0009-voice.js';
import { backUp } from './backup.js';

/** In order; the n-th brings the schema to version n. What was once released is never edited. */
export const MIGRATIONS: readonly string[] = [
  FIRST_SCHEMA,
  BREAKERS,
  PLANS,
  CLOCK_TRUST,
  RECORD_TALLIES,
  TRACES,
  OUTBOX,
  MOVE,
  VOICE,
];

export function schemaVersion(db: Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}

/** Throws STORE_TOO_NEW when a newer program wrote this database: then nothing of it can be trusted to us. */
export function refuseNewerSchema(db: Database, migrations = MIGRATIONS): void {
  const found = schemaVersion(db);
  if (found > migrations.length) {
    throw new DoggedError('STORE_TOO_NEW', { file: db.name, found, known: migrations.length });
  }
}

/**
 * Brings the schema to the newest version, each step in a transaction of its own; a new database all at once, so that no other
 * process takes a half of it for an old one. A backup of an existing database is made first; without one nothing is changed. Returns what was done, or null for a new or an up-to-date database.
 */
export function migrate(db: Database, nowMs: number, migrations = MIGRATIONS): Upgrade | null {
  refuseNewerSchema(db, migrations);
  const from = schemaVersion(db);
  if (from === migrations.length) return null;
  const backup = from === 0 ? null : backUp(db, from, nowMs);
  const step = (sql: string, index: number) => {
    // Another process may have done this step while we waited for the lock.
    if (schemaVersion(db) > index) return;
    db.exec(sql);
    db.pragma(`user_version = ${index + 1}`);
  };
  const all = [...migrations.entries()];
  // Together, or one after the other.
  for (const steps of from === 0 ? [all] : all.map((one) => [one])) {
    db.transaction(() => {
      for (const [index, sql] of steps) step(sql, index);
    }).immediate();
  }
  return backup === null ? null : { from, to: migrations.length, backup };
}
