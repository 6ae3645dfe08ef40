import type { Database, Statement } from 'better-sqlite3';

/**
 * A larger payload stands in a table of its own: each move of a job writes its whole row again, and beyond a quarter of
 * a page that costs more than a second row (4 KB on disk: 65 µs a run against 20; 100 KB: 590 against 73).
 */
const LARGEST_IN_ROW_BYTES = 1_000;

/**
 * The payload of the row of `jobs` that goes by the name `job` in the query, wherever it stands. One that is gone is empty:
 * no hash matches that, so its job is set aside like any other that is damaged, and holds nobody up.
 */
export function payloadOf(job: string): string {
  return `coalesce(${job}.payload, (SELECT bytes FROM payloads WHERE job_id = ${job}.id), x'')`;
}

export class Payloads {
  readonly #put: Statement<[number, Buffer]>;
  readonly #remove: Statement<[number]>;

  constructor(db: Database) {
    this.#put = db.prepare('INSERT INTO payloads (job_id, bytes) VALUES (?, ?)');
    this.#remove = db.prepare('DELETE FROM payloads WHERE job_id = ?');
  }

  /** Stores what is too large for the row; returns what belongs into the row. */
  put(jobId: number, bytes: Buffer): Buffer | null {
    if (bytes.length <= LARGEST_IN_ROW_BYTES) return bytes;
    this.#put.run(jobId, bytes);
    return null;
  }

  replace(jobId: number, bytes: Buffer): Buffer | null {
    this.#remove.run(jobId);
    return this.put(jobId, bytes);
  }
}
