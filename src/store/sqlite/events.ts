import type { Database, Statement } from 'better-sqlite3';

/** Marks in a job's history that are not attempts. The words are shown to people. */
export type JobEvent = 'superseded' | 'held' | 'cancel requested' | 'cancelled' | 'redriven' | 'acknowledged';

export class Events {
  readonly #insert: Statement<[number, string, string, number]>;

  constructor(db: Database) {
    this.#insert = db.prepare(`
      INSERT INTO events (job_id, number, after_attempt, at, event, detail)
      SELECT id, (SELECT coalesce(max(number), 0) + 1 FROM events WHERE job_id = jobs.id), attempt, ?, ?, ?
      FROM jobs WHERE id = ?`);
  }

  add(jobId: number, atMs: number, event: JobEvent, detail: string): void {
    this.#insert.run(atMs, event, detail, jobId);
  }
}
