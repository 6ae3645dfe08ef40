import type { Database, Statement } from 'better-sqlite3';

/** Marks in a job's history that are not attempts. The words are shown to people. */
export type JobEvent =
  | 'superseded'
  | 'held'
  | 'cancel requested'
  | 'cancelled'
  | 'redriven'
  | 'acknowledged'
  | 'skipped'
  | 'plan changed'
  | 'withdrawn'
  | 'gone from its plan'
  | 'missed'
  | 'taken';

export class Events {
  readonly #insert: Statement<[number, string, string, number]>;
  readonly #has: Statement<[number, string], number>;

  constructor(db: Database) {
    this.#insert = db.prepare(`
      INSERT INTO events (job_id, number, after_attempt, at, event, detail)
      SELECT id, (SELECT coalesce(max(number), 0) + 1 FROM events WHERE job_id = jobs.id), attempt, ?, ?, ?
      FROM jobs WHERE id = ?`);
    this.#has = db
      .prepare<[number, string], number>(`
        SELECT 1 FROM events
        WHERE job_id = ? AND event = ? AND after_attempt = (SELECT attempt FROM jobs WHERE id = job_id)`)
      .pluck();
  }

  add(jobId: number, atMs: number, event: JobEvent, detail: string): void {
    this.#insert.run(atMs, event, detail, jobId);
  }

  /** Once for each attempt: a plan that is written anew every second must not fill the history. Whether it was new. */
  addOnce(jobId: number, atMs: number, event: JobEvent, detail: string): boolean {
    if (this.#has.get(jobId, event) === 1) return false;
    this.add(jobId, atMs, event, detail);
    return true;
  }
}
