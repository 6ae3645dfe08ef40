import type { Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import { OUTCOME_CODES } from '../../job/outcome.js';
import type { JobSummary } from '../read-contract.js';
import type { Core } from './core.js';
import { JOB_COLUMNS, type JobRow, jobTables, summaryOf } from './job-row.js';

/** The handler of a job may call its own failure `integrity`: only the attempt tells what was so. */
const UNSEEN = `
  FROM jobs INDEXED BY jobs_damaged
  CROSS JOIN attempts a ON a.job_id = jobs.id AND a.attempt = jobs.attempt AND a.outcome = ${OUTCOME_CODES.damaged}
  WHERE jobs.place = ${PLACES.failed} AND jobs.reason = 'integrity'
    AND NOT EXISTS (
      SELECT 1 FROM events e
      WHERE e.job_id = jobs.id AND e.event = 'acknowledged' AND e.after_attempt = jobs.attempt
    )`;

/** Jobs that were set aside because their stored payload no longer matched its hash. */
export class Damaged {
  readonly #core: Core;
  readonly #unseen: Statement<[number], number>;
  readonly #job: Statement<[number], JobRow>;

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    this.#unseen = db.prepare<[number], number>(`SELECT jobs.id ${UNSEEN} ORDER BY jobs.id LIMIT ?`).pluck();
    this.#job = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${jobTables} WHERE j.id = ?`);
  }

  list(limit: number): readonly JobSummary[] {
    return this.#unseen
      .all(limit)
      .flatMap((id) => this.#job.all(id))
      .map(summaryOf);
  }

  acknowledge(nowMs: number): number {
    // SQLite takes a negative limit for none.
    const ids = this.#unseen.all(-1);
    for (const id of ids) this.#core.events.add(id, nowMs, 'acknowledged', 'that its payload was damaged');
    return ids.length;
  }
}
