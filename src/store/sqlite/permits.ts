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
    this.#bestParked = db
      .prepare<[number, string], number>(`
        SELECT id FROM jobs INDEXED BY jobs_parked
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
    return this.#takePermit(job.queueId, job.group) ? 'ready' : 'parked';
  }

  /** Gives back the permit of a job that was ready or running, and hands it to the best parked job of its group. */
  release(queueId: number, group: string | null): void {
    if (group === null) return;
    // More are out than allowed only after the limit was lowered: then nobody gets this one.
    const isFree = (this.#held.get(queueId, group) ?? 0) <= this.#limit(queueId);
    if (isFree && this.#unparkBest(queueId, group)) return;
    if (this.#giveBack.run(queueId, group).changes === 0) this.#remove.run(queueId, group);
  }

  /** Un-parks jobs, best first, for as long as their group has room. */
  fill(queueId: number, group: string): void {
    while (this.#bestParked.get(queueId, group) !== undefined && this.#takePermit(queueId, group)) {
      this.#unparkBest(queueId, group);
    }
  }

  #takePermit(queueId: number, group: string): boolean {
    return this.#take.run(queueId, group, this.#limit(queueId)).changes === 1;
  }

  #limit(queueId: number): number {
    return this.#names.queueById(queueId).groupLimit ?? Number.MAX_SAFE_INTEGER;
  }

  #unparkBest(queueId: number, group: string): boolean {
    const heir = this.#bestParked.get(queueId, group);
    if (heir === undefined) return false;
    this.#makeReady.run(heir);
    this.#tally.move(queueId, 'parked', 'ready');
    return true;
  }
}
