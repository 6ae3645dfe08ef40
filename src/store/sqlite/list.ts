import type { Database, Statement } from 'better-sqlite3';
import { JOB_STATES, PLACES, type Place, stateOfPlace } from '../../job/job.js';
import type { JobFilter, JobSummary } from '../contract.js';
import { JOB_COLUMNS, JOB_TABLES, type JobRow, summaryOf } from './job-row.js';

const PLACE_NAMES = Object.keys(PLACES) as Place[];

/** Lists of jobs: always bounded, always read whole, so that no open cursor pins the WAL. */
export class Listing {
  readonly #db: Database;
  readonly #queues: Statement<[], number>;
  readonly #front: Statement<[number, number], JobRow>;

  constructor(db: Database) {
    this.#db = db;
    this.#queues = db.prepare<[], number>('SELECT id FROM queues').pluck();
    // Index: jobs_ready.
    this.#front = db.prepare(`
      SELECT ${JOB_COLUMNS}, j.rank FROM ${JOB_TABLES}
      WHERE j.place = ${PLACES.ready} AND j.queue_id = ?
      ORDER BY j.rank, j.id
      LIMIT ?`);
  }

  /** Newest first. */
  list(filter: JobFilter): readonly JobSummary[] {
    const states = filter.states ?? JOB_STATES;
    const places = PLACE_NAMES.filter((place) => states.includes(stateOfPlace(place)));
    const conditions = [`j.place IN (${places.map((place) => PLACES[place]).join(', ')})`];
    const values: (string | number)[] = [];
    const demand = (column: string, value: string | undefined) => {
      if (value === undefined) return;
      conditions.push(`${column} = ?`);
      values.push(value);
    };
    demand('q.workspace', filter.workspace);
    demand('q.task', filter.task);
    demand('s.name', filter.source);
    if (filter.source !== undefined) conditions.push('s.kind = 0');
    const rows = this.#db
      .prepare<(string | number)[], JobRow>(`
        SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES}
        WHERE ${conditions.join(' AND ')}
        ORDER BY j.id DESC
        LIMIT ?`)
      .all(...values, filter.limit);
    return rows.map(summaryOf);
  }

  /** The front of each queue's line, merged by rank. */
  nextInLine(limit: number): readonly JobSummary[] {
    const fronts = this.#queues
      .all()
      .flatMap((queueId) => this.#front.all(queueId, limit) as (JobRow & { rank: number })[]);
    fronts.sort((a, b) => a.rank - b.rank || a.id - b.id);
    return fronts.slice(0, limit).map(({ rank: _, ...row }) => summaryOf(row));
  }
}
