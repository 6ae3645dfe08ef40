import type { Database, Statement } from 'better-sqlite3';
import { type JobState, PLACES, type Place, stateOfPlace } from '../../job/job.js';
import type { JobFilter, JobSummary } from '../read-contract.js';
import { JOB_COLUMNS, type JobRow, jobTables, summaryOf } from './job-row.js';
import { byRank, Lines } from './line.js';

const PLACE_NAMES = Object.keys(PLACES) as Place[];

/** Lists of jobs: always bounded, always read whole, so that no open cursor pins the WAL. */
export class Listing {
  readonly #db: Database;
  readonly #queues: Statement<NamedFilter[], number>;
  readonly #sources: Statement<NamedFilter[], number>;
  readonly #lines: Lines;
  readonly #job: Statement<[number], JobRow>;

  constructor(db: Database) {
    this.#db = db;
    this.#queues = db
      .prepare<NamedFilter[], number>(`
        SELECT id FROM queues
        WHERE (:workspace IS NULL OR workspace = :workspace) AND (:task IS NULL OR task = :task)`)
      .pluck();
    this.#sources = db
      .prepare<NamedFilter[], number>('SELECT id FROM scopes WHERE kind = 0 AND name = :source')
      .pluck();
    this.#lines = new Lines(db);
    this.#job = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${jobTables} WHERE j.id = ?`);
  }

  /**
   * Newest first. With states it costs by how many jobs are in those, whatever else there is; without, it goes back from
   * the newest job until it has found enough.
   */
  list(filter: JobFilter): readonly JobSummary[] {
    const names = {
      workspace: filter.workspace ?? null,
      task: filter.task ?? null,
      source: filter.source ?? null,
    };
    const queues = this.#queues.all(names);
    const sources = filter.source === undefined ? null : this.#sources.all(names);
    // Where no list can be made of the names, no index could be bound either.
    if (queues.length === 0 || sources?.length === 0) return [];
    const inSources = sources === null ? '' : ` AND scope_id IN (${sources.join(', ')})`;
    const wanted = `queue_id IN (${queues.join(', ')})${inSources}`;
    if (filter.states === undefined) return this.#jobs(this.#newest('jobs', wanted, filter.limit));
    const ids = placesOf(filter.states).flatMap((place) => this.#newestIn(place, wanted, filter.limit));
    return this.#jobs(ids.sort((a, b) => b - a).slice(0, filter.limit));
  }

  /** The front of each queue's line, merged by rank. */
  nextInLine(limit: number): readonly JobSummary[] {
    const anyQueue = { workspace: null, task: null, source: null };
    const fronts = this.#queues.all(anyQueue).flatMap((queueId) => this.#lines.front(queueId, limit));
    fronts.sort(byRank);
    return this.#jobs(fronts.slice(0, limit).map(({ id }) => id));
  }

  #newestIn(place: Place, wanted: string, limit: number): number[] {
    const code = PLACES[place];
    if (code <= PLACES.parked) {
      return this.#newest(
        'jobs INDEXED BY jobs_waiting',
        `place = ${code} AND place <= ${PLACES.parked} AND ${wanted}`,
        limit,
      );
    }
    if (code === PLACES.running) {
      return this.#newest('jobs INDEXED BY jobs_running', `place = ${code} AND ${wanted}`, limit);
    }
    return this.#newest(
      'jobs INDEXED BY jobs_ended',
      `place > ${PLACES.running} AND place = ${code} AND ${wanted}`,
      limit,
    );
  }

  #newest(from: string, where: string, limit: number): number[] {
    const sql = `SELECT id FROM ${from} WHERE ${where} ORDER BY id DESC LIMIT ?`;
    return this.#db.prepare<[number], number>(sql).pluck().all(limit);
  }

  #jobs(ids: readonly number[]): JobSummary[] {
    return ids.flatMap((id) => this.#job.all(id)).map(summaryOf);
  }
}

interface NamedFilter {
  readonly workspace: string | null;
  readonly task: string | null;
  readonly source: string | null;
}

function placesOf(states: readonly JobState[]): Place[] {
  return PLACE_NAMES.filter((place) => states.includes(stateOfPlace(place)));
}
