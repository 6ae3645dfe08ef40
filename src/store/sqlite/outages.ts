import type { Database, Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import type { JobSummary, Outage } from '../read-contract.js';
import { HELD_BY } from './breakers.js';
import { rowIdOf } from './core.js';
import { JOB_COLUMNS, type JobRow, jobTables, summaryOf } from './job-row.js';

interface OpenBreaker {
  readonly id: number;
  readonly dependency: string;
  readonly sinceMs: number;
  readonly cause: string;
  readonly retryAtMs: number;
  readonly lastFailure: string | null;
}

interface PastOutage {
  readonly id: number;
  readonly dependency: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly cause: string;
  readonly held: number;
  readonly evidence: string;
}

/** A redriven job has another attempt before it can fail again, and then does not stand as it did. */
const STILL_DEAD = `j.id = c.job_id AND j.attempt = c.attempt AND j.place = ${PLACES.failed}`;

/** Outages as they are told: the ongoing ones are read off the breakers, there is nothing else to read them from. */
export class Outages {
  readonly #open: Statement<[], OpenBreaker>;
  readonly #past: Statement<[number], PastOutage>;
  readonly #held: Statement<[string], number>;
  readonly #tasks: Statement<[string], string>;
  readonly #dead: Statement<[number], number>;
  readonly #isKnown: Statement<[number, number], number>;
  readonly #casualties: Statement<[number, number], JobRow>;

  constructor(db: Database) {
    this.#open = db.prepare(`
      SELECT outage_id AS id, dependency, since AS sinceMs, cause, retry_at AS retryAtMs, last_failure AS lastFailure
      FROM breakers
      WHERE outage_id IS NOT NULL
      ORDER BY outage_id DESC`);
    this.#past = db.prepare(`
      SELECT id, dependency, since AS sinceMs, until AS untilMs, cause, held, evidence FROM outages
      ORDER BY id DESC
      LIMIT ?`);
    this.#held = db.prepare<[string], number>(HELD_BY).pluck();
    this.#tasks = db.prepare<[string], string>('SELECT task FROM tasks WHERE breaker = ?').pluck();
    this.#dead = db
      .prepare<[number], number>(`
        SELECT count(*) FROM casualties c CROSS JOIN jobs j WHERE c.outage_id = ? AND ${STILL_DEAD}`)
      .pluck();
    this.#isKnown = db
      .prepare<[number, number], number>(`
        SELECT 1 FROM outages WHERE id = ?
        UNION ALL
        SELECT 1 FROM breakers WHERE outage_id = ?`)
      .pluck();
    this.#casualties = db.prepare(`
      SELECT ${JOB_COLUMNS}
      FROM casualties c
      CROSS JOIN ${jobTables}
      WHERE c.outage_id = ? AND ${STILL_DEAD}
      ORDER BY c.job_id
      LIMIT ?`);
  }

  ongoing(): Outage[] {
    return this.#open.all().map(({ id, retryAtMs, lastFailure, ...same }) => ({
      ...same,
      id: String(id),
      untilMs: null,
      held: this.#held.get(same.dependency) ?? 0,
      evidence: null,
      casualties: this.#dead.get(id) ?? 0,
      trial: { retryAtMs, lastFailure, tasks: this.#tasks.all(same.dependency) },
    }));
  }

  list(limit: number): readonly Outage[] {
    const past = this.#past.all(limit).map((outage) => ({
      ...outage,
      id: String(outage.id),
      casualties: this.#dead.get(outage.id) ?? 0,
      trial: null,
    }));
    return [...this.ongoing(), ...past].slice(0, limit);
  }

  casualties(outage: string, limit: number): readonly JobSummary[] | null {
    const id = rowIdOf(outage);
    if (id === null || this.#isKnown.get(id, id) === undefined) return null;
    return this.#casualties.all(id, limit).map(summaryOf);
  }
}
