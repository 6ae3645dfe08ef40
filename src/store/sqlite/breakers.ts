import type { Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import type { BreakerMove, StoredBreaker } from '../breaker-contract.js';
import { type Core, rowIdOf } from './core.js';

/** Writes what became of breakers. An outage that goes on is a column of its breaker; only one that is over has a row. */
export class Breakers {
  readonly #core: Core;
  readonly #stored: Statement<[], StoredBreaker>;
  readonly #count: Statement<[string, number, number | null]>;
  readonly #nextOutage: Statement<[], number>;
  readonly #open: Statement<[string, number, number, string, number]>;
  readonly #reopen: Statement<[number, string, string]>;
  readonly #held: Statement<[string], number>;
  readonly #end: Statement<[number, number, string, string]>;
  readonly #close: Statement<[string]>;
  readonly #cost: Statement<[number, number, string]>;

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    this.#stored = db.prepare(`
      SELECT dependency, failures, since AS sinceMs, retry_at AS retryAtMs FROM breakers
      WHERE failures > 0 OR outage_id IS NOT NULL`);
    this.#count = db.prepare(`
      INSERT INTO breakers (dependency, failures, since) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET failures = excluded.failures, since = excluded.since WHERE outage_id IS NULL`);
    this.#nextOutage = db
      .prepare<[], number>('UPDATE meta SET last_outage_id = last_outage_id + 1 RETURNING last_outage_id')
      .pluck();
    this.#open = db.prepare(`
      INSERT INTO breakers (dependency, failures, outage_id, since, cause, retry_at) VALUES (?, 0, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET
        failures = 0, outage_id = excluded.outage_id, since = excluded.since, cause = excluded.cause,
        retry_at = excluded.retry_at, last_failure = NULL
      WHERE outage_id IS NULL`);
    this.#reopen = db.prepare(`
      UPDATE breakers SET retry_at = ?, last_failure = ? WHERE dependency = ? AND outage_id IS NOT NULL`);
    this.#held = db.prepare<[string], number>(HELD_BY).pluck();
    this.#end = db.prepare(`
      INSERT INTO outages (id, dependency, since, until, cause, held, evidence)
      SELECT outage_id, dependency, since, max(since, ?), cause, ?, ? FROM breakers
      WHERE dependency = ? AND outage_id IS NOT NULL`);
    this.#close = db.prepare(`
      UPDATE breakers SET failures = 0, since = NULL, outage_id = NULL, cause = NULL, retry_at = NULL, last_failure = NULL
      WHERE dependency = ?`);
    this.#cost = db.prepare(`
      INSERT INTO casualties (outage_id, job_id, attempt)
      SELECT outage_id, ?, ? FROM breakers WHERE dependency = ? AND outage_id IS NOT NULL
      ON CONFLICT DO UPDATE SET attempt = excluded.attempt`);
  }

  stored(): readonly StoredBreaker[] {
    return this.#stored.all();
  }

  /** Runs inside the transaction of the turn whose ends moved it, once they are recorded. */
  move(move: BreakerMove, nowMs: number): void {
    const { dependency } = move;
    switch (move.to) {
      case 'counted':
        this.#count.run(dependency, move.failures, move.sinceMs);
        return;
      case 'opened':
        this.#open.run(dependency, this.#nextId(), move.sinceMs, move.cause, move.retryAtMs);
        return;
      case 'reopened':
        this.#reopen.run(move.retryAtMs, move.failure, dependency);
        return;
      case 'closed': {
        // What this turn has moved so far counts, too.
        this.#core.tally.write();
        const held = (this.#held.get(dependency) ?? 0) + move.triedJobs;
        this.#end.run(nowMs, held, move.evidence, dependency);
        this.#close.run(dependency);
        return;
      }
      case 'cost': {
        const id = rowIdOf(move.job);
        if (id !== null) this.#cost.run(id, move.attempt, dependency);
        return;
      }
      default:
        move satisfies never;
    }
  }

  #nextId(): number {
    const id = this.#nextOutage.get();
    if (id === undefined) throw new Error('the meta table is empty');
    return id;
  }
}

/** Jobs that wait, of all tasks with this breaker. */
export const HELD_BY = `
  SELECT coalesce(sum(t.jobs), 0)
  FROM tasks k
  CROSS JOIN queues q ON q.task = k.task
  CROSS JOIN tallies t ON t.queue_id = q.id AND t.place <= ${PLACES.parked}
  WHERE k.breaker = ?`;
