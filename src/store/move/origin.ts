import type { Database } from 'better-sqlite3';

/** Id of our store, by which Redis knows this machine. */
export function originOf(db: Database): string {
  return db.prepare<[], string>('SELECT store_id FROM meta').pluck().get() ?? '';
}
