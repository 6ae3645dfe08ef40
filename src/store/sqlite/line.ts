import type { Database, Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';

export interface InLine {
  readonly id: number;
  readonly rank: number;
}

/** The lines of ready jobs, one for each queue; their order across queues is that of rank, then age. */
export class Lines {
  readonly #front: Statement<[number, number], InLine>;

  constructor(db: Database) {
    // The index covers this: no job is read. With a bare `LIMIT ?` SQLite plans the query anew at each call, which costs
    // more than the search: it looks at the value.
    this.#front = db.prepare(`
      SELECT id, rank FROM jobs INDEXED BY jobs_ready
      WHERE place = ${PLACES.ready} AND queue_id = ?
      ORDER BY rank, id
      LIMIT ? + 0`);
  }

  /** The first of a queue's line, best first. */
  front(queueId: number, limit: number): readonly InLine[] {
    return this.#front.all(queueId, limit);
  }
}

export function byRank(a: InLine, b: InLine): number {
  return a.rank - b.rank || a.id - b.id;
}
