import type { Database, Statement } from 'better-sqlite3';
import { type JobState, PLACES } from '../../job/job.js';
import { COUNTED } from './tally.js';

/** All places in which a job waits are one state, and stand in the table as the last of them. */
const CODES: Readonly<Record<JobState, number>> = { ...PLACES, pending: PLACES.parked };
const WIDTH = PLACES.expired + 1;

/** Counts all of them anew, from the jobs and from what the ledger keeps of pruned ones: reads both from end to end. */
export const COUNT_RECORDS = `
  DELETE FROM counts WHERE kind = ${COUNTED.records};
  INSERT INTO counts (kind, owner_id, place, amount)
  SELECT ${COUNTED.records}, scope_id, place, sum(records) FROM (
    SELECT scope_id, max(place, ${PLACES.parked}) AS place, count(*) AS records FROM jobs
    WHERE outdated = 0 GROUP BY 1, 2
    UNION ALL
    SELECT scope_id, settled, count(*) FROM records WHERE settled IS NOT NULL GROUP BY 1, 2
  )
  GROUP BY scope_id, place;`;

/**
 * How many records of each scope stand in which state. A record stands where its last job does: what becomes of an outdated
 * one, and that a job is pruned, moves nothing. Summed up in memory and written just before the commit, as `Tally`. Nobody
 * decides by it, so it refuses no write; `recountIfWrong` mends it.
 */
export class RecordTally {
  readonly #moves = new Map<number, number>();
  readonly #add: Statement<[number, number, number, number]>;

  constructor(db: Database) {
    this.#add = db.prepare(`
      INSERT INTO counts (kind, owner_id, place, amount) VALUES (${COUNTED.records}, ?, ?, max(?, 0))
      ON CONFLICT DO UPDATE SET amount = max(amount + ?, 0)`);
  }

  /** null stands for "not a record yet", and `to` null for "its newer version counts". */
  move(scopeId: number, from: JobState | null, to: JobState | null): void {
    if (from === to) return;
    if (from !== null) this.#count(scopeId, from, -1);
    if (to !== null) this.#count(scopeId, to, 1);
  }

  write(): void {
    for (const [slot, records] of this.#moves) {
      if (records !== 0) this.#add.run(Math.floor(slot / WIDTH), slot % WIDTH, records, records);
    }
    this.#moves.clear();
  }

  /** After a rollback. */
  forget(): void {
    this.#moves.clear();
  }

  #count(scopeId: number, state: JobState, records: number): void {
    const slot = scopeId * WIDTH + CODES[state];
    this.#moves.set(slot, (this.#moves.get(slot) ?? 0) + records);
  }
}
