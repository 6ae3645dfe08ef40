import type { Database, Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import type { Claim } from '../contract.js';
import { rowIdOf } from '../sqlite/core.js';

const HAS_NO_LEASE = 'NOT EXISTS (SELECT 1 FROM outbox WHERE job_id = jobs.id AND token IS NOT NULL)';

/**
 * Attempts of which Redis knows nothing: claimed before the jobs were handed over to it, or taken home from it. Their ends
 * are written down here alone.
 */
export class Unleased {
  readonly #one: Statement<[number, number, number], number>;
  readonly #any: Statement<[number], number>;

  constructor(db: Database) {
    this.#one = db
      .prepare<[number, number, number], number>(`
        SELECT 1 FROM jobs
        WHERE id = ? AND place = ${PLACES.running} AND epoch = ? AND attempt = ? AND ${HAS_NO_LEASE}`)
      .pluck();
    this.#any = db
      .prepare<[number], number>(`
        SELECT 1 FROM jobs INDEXED BY jobs_running
        WHERE place = ${PLACES.running} AND epoch = ? AND ${HAS_NO_LEASE}
        LIMIT 1`)
      .pluck();
  }

  is({ id, epoch, attempt }: Pick<Claim, 'id' | 'epoch' | 'attempt'>): boolean {
    const rowId = rowIdOf(id);
    return rowId !== null && this.#one.get(rowId, epoch, attempt) !== undefined;
  }

  /** Whether one of them runs here. */
  any(epoch: number): boolean {
    return this.#any.get(epoch) !== undefined;
  }
}
