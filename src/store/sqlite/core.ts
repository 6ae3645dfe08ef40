import type { Database } from 'better-sqlite3';
import type { JobId } from '../../job/job.js';
import { Events } from './events.js';
import { Names } from './names.js';
import { Permits } from './permits.js';
import { RecordTally } from './record-tally.js';
import { Tally } from './tally.js';

/** What the verbs of this engine share: each of them runs inside a transaction that somebody else began. */
export interface Core {
  readonly db: Database;
  readonly names: Names;
  readonly tally: Tally;
  readonly recordTally: RecordTally;
  readonly permits: Permits;
  readonly events: Events;
}

export function createCore(db: Database): Core {
  const names = new Names(db);
  const tally = new Tally(db);
  const permits = new Permits(db, names, tally);
  return { db, names, tally, recordTally: new RecordTally(db), permits, events: new Events(db) };
}

/** Public ids are the row ids in decimal; null for text that cannot be one. */
export function rowIdOf(id: JobId): number | null {
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : null;
}
