import type { Database, Statement } from 'better-sqlite3';
import { PLACES, type Place } from '../../job/job.js';

/** Values of `counts.kind`. */
export const COUNTED = { jobs: 0, records: 1 } as const;

const PLACE_CODES = Object.values(PLACES).length;

/**
 * How many jobs of each queue stand where. Moves are summed up in memory and written once, just before the commit
 * that they belong to, so a batch of thousands costs a few rows.
 */
export class Tally {
  readonly #moves = new Map<number, number>();
  readonly #add: Statement<[number, number, number, number]>;

  constructor(db: Database) {
    this.#add = db.prepare(`
      INSERT INTO counts (kind, owner_id, place, amount) VALUES (${COUNTED.jobs}, ?, ?, max(?, 0))
      ON CONFLICT DO UPDATE SET amount = amount + ?`);
  }

  /** null stands for "no job yet" or "no job any more". */
  move(queueId: number, from: Place | null, to: Place | null): void {
    if (from !== null) this.#count(queueId, from, -1);
    if (to !== null) this.#count(queueId, to, 1);
  }

  write(): void {
    for (const [slot, jobs] of this.#moves) {
      if (jobs !== 0) this.#add.run(Math.floor(slot / PLACE_CODES), slot % PLACE_CODES, jobs, jobs);
    }
    this.#moves.clear();
  }

  /** After a rollback. */
  forget(): void {
    this.#moves.clear();
  }

  #count(queueId: number, place: Place, jobs: number): void {
    const slot = queueId * PLACE_CODES + PLACES[place];
    this.#moves.set(slot, (this.#moves.get(slot) ?? 0) + jobs);
  }
}
