import type { Statement } from 'better-sqlite3';
import { PLACES, placeFromCode } from '../../job/job.js';
import { ledgerHash } from '../../job/snapshot.js';
import type { Core } from './core.js';

const ENDED = [PLACES.completed, PLACES.failed, PLACES.cancelled, PLACES.expired];

interface EndedJob {
  readonly id: number;
  readonly scopeId: number;
  readonly key: string;
}

/** Forgets old jobs, after the ledger has learned for ever how they ended; and outages that are as long over. */
export class Pruning {
  readonly #core: Core;
  readonly #queues: Statement<[], number>;
  readonly #old: Statement<[number, number, number, number], EndedJob>;
  readonly #settle: Statement<[number, number, Buffer, number]>;
  readonly #removals: readonly Statement<[number]>[];
  readonly #oldOutages: Statement<[number, number], number>;
  readonly #outageRemovals: readonly Statement<[number]>[];

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    this.#queues = db.prepare<[], number>('SELECT id FROM queues').pluck();
    // A version that was cancelled behind a running one is kept: it is how a third one learns of that.
    this.#old = db.prepare(`
      SELECT id, scope_id AS scopeId, key FROM jobs INDEXED BY jobs_ended
      WHERE place > ${PLACES.running} AND queue_id = ? AND place = ? AND ended_at < ?
        AND NOT EXISTS (SELECT 1 FROM jobs other WHERE other.id = jobs.after_job AND other.place = ${PLACES.running})
      ORDER BY ended_at
      LIMIT ?`);
    this.#settle = db.prepare(
      'UPDATE records SET settled = ? WHERE scope_id = ? AND key_hash = ? AND job_id = ?',
    );
    this.#removals = [
      'DELETE FROM attempts WHERE job_id = ?',
      'DELETE FROM outputs WHERE job_id = ?',
      'DELETE FROM events WHERE job_id = ?',
      'DELETE FROM payloads WHERE job_id = ?',
      'DELETE FROM jobs WHERE id = ?',
    ].map((sql) => db.prepare<[number]>(sql));
    this.#oldOutages = db
      .prepare<[number, number], number>('SELECT id FROM outages WHERE until < ? ORDER BY until LIMIT ?')
      .pluck();
    this.#outageRemovals = [
      'DELETE FROM casualties WHERE outage_id = ?',
      'DELETE FROM outages WHERE id = ?',
    ].map((sql) => db.prepare<[number]>(sql));
  }

  prune(endedBeforeMs: number, limit: number): number {
    let removed = 0;
    for (const queueId of this.#queues.all()) {
      for (const place of ENDED) {
        for (const job of this.#old.all(queueId, place, endedBeforeMs, limit - removed)) {
          this.#settle.run(place, job.scopeId, ledgerHash(job.key), job.id);
          for (const remove of this.#removals) remove.run(job.id);
          this.#core.tally.move(queueId, placeFromCode(place), null);
          removed += 1;
        }
      }
    }
    for (const id of this.#oldOutages.all(endedBeforeMs, limit)) {
      for (const remove of this.#outageRemovals) remove.run(id);
    }
    return removed;
  }
}
