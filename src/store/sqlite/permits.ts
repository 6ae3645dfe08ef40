import type { Database, Statement } from 'better-sqlite3';
import { PLACES, type Place } from '../../job/job.js';
import type { Names } from './names.js';
import type { Tally } from './tally.js';

/** What must be known of a waiting job to give it a place. */
export interface Seeker {
  readonly queueId: number;
  readonly group: string | null;
  readonly runAtMs: number;
}

export type WaitingPlace = Extract<Place, 'scheduled' | 'ready' | 'parked'>;

/**
 * Limits are paid at the door, so that a claim need not look at any: a job is `ready` only with a permit of its
 * group, keeps it while it runs, and whoever gives one back hands it to the best parked job of that group.
 */
export class Permits {
  readonly #names: Names;
  readonly #tally: Tally;
  readonly #take: Statement<[number, string, number]>;
  readonly #held: Statement<[number, string], number>;
  readonly #giveBack: Statement<[number, string]>;
  readonly #remove: Statement<[number, string]>;
  readonly #bestParked: Statement<[number, string], number>;
  readonly #makeReady: Statement<[number]>;

  constructor(db: Database, names: Names, tally: Tally) {
    this.#names = names;
    this.#tally = tally;
    this.#take = db.prepare(`
      INSERT INTO groups (queue_id, name, held) VALUES (?, ?, 1)
      ON CONFLICT DO UPDATE SET held = held + 1 WHERE held < ?`);
    this.#held = db
      .prepare<[number, string], number>('SELECT held FROM groups WHERE queue_id = ? AND name = ?')
      .pluck();
    this.#giveBack = db.prepare(
      'UPDATE groups SET held = held - 1 WHERE queue_id = ? AND name = ? AND held > 1',
    );
    this.#remove = db.prepare('DELETE FROM groups WHERE queue_id = ? AND name = ?');
    // Index: jobs_parked.
    this.#bestParked = db
      .prepare<[number, string], number>(`
        SELECT id FROM jobs
        WHERE place = ${PLACES.parked} AND after_job IS NULL AND queue_id = ? AND group_name = ?
        ORDER BY rank, id
        LIMIT 1`)
      .pluck();
    this.#makeReady = db.prepare(`UPDATE jobs SET place = ${PLACES.ready} WHERE id = ?`);
  }

  /** Where a job that waits for nothing but its time and its group stands now. Takes the permit when it is `ready`. */
  seat(job: Seeker, nowMs: number): WaitingPlace {
    if (job.runAtMs > nowMs) return 'scheduled';
    if (job.group === null) return 'ready';
    const limit = this.#names.queueById(job.queueId).groupLimit ?? Number.MAX_SAFE_INTEGER;
    return this.#take.run(job.queueId, job.group, limit).changes === 1 ? 'ready' : 'parked';
  }

  /** Gives back the permit of a job that was ready or running, and un-parks the best of its group. */
  release(queueId: number, group: string | null): void {
    if (group === null) return;
    const limit = this.#names.queueById(queueId).groupLimit ?? Number.MAX_SAFE_INTEGER;
    const held = this.#held.get(queueId, group) ?? 0;
    // More are out than allowed only after the limit was lowered: then nobody gets this one.
    const heir = held > limit ? undefined : this.#bestParked.get(queueId, group);
    if (heir !== undefined) {
      this.#makeReady.run(heir);
      this.#tally.move(queueId, 'parked', 'ready');
    } else if (this.#giveBack.run(queueId, group).changes === 0) {
      this.#remove.run(queueId, group);
    }
  }
}
