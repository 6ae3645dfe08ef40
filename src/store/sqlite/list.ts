import type { Database, Statement } from 'better-sqlite3';
import { type JobState, PLACES, type Place, placeFromCode, stateOfPlace } from '../../job/job.js';
import type { JobFilter, JobSummary } from '../read-contract.js';
import { rowIdOf } from './core.js';
import { JOB_COLUMNS, type JobRow, jobTables, summaryOf } from './job-row.js';
import { byRank, Lines } from './line.js';

const PLACE_NAMES = Object.keys(PLACES) as Place[];

/** Lists of jobs: always bounded, always read whole, so that no open cursor pins the WAL. */
export class Listing {
  readonly #db: Database;
  readonly #queues: Statement<NamedFilter[], number>;
  readonly #sources: Statement<NamedFilter[], number>;
  readonly #tallies: Statement<[], { place: number; jobs: number }>;
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
    this.#tallies = db.prepare('SELECT place, sum(jobs) AS jobs FROM tallies GROUP BY place');
    this.#lines = new Lines(db);
    this.#job = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${jobTables} WHERE j.id = ?`);
  }

  /** Newest first. */
  list(filter: JobFilter): readonly JobSummary[] {
    const names = {
      workspace: filter.workspace ?? null,
      task: filter.task ?? null,
      source: filter.source ?? null,
    };
    const queues = this.#queues.all(names);
    const sources = filter.source === undefined ? null : this.#sources.all(names);
    if (queues.length === 0 || sources?.length === 0) return [];
    const ofQueues = `queue_id IN (${queues.join(', ')})`;
    const ofSources = sources === null ? '' : ` AND scope_id IN (${sources.join(', ')})`;
    const from = filter.from === undefined ? null : rowIdOf(filter.from);
    if (filter.from !== undefined && from === null) return [];
    const window: Window = {
      wanted: `${ofQueues}${ofSources}${from === null ? '' : FROM[filter.towards ?? 'older']}${filter.keyPart ? KEY_HOLDS : ''}`,
      order: filter.towards === 'newer' ? 'ASC' : 'DESC',
      values: { from, keyPart: filter.keyPart ?? null, limit: filter.limit },
    };
    const places = filter.states === undefined ? PLACE_NAMES : placesOf(filter.states);
    return this.#jobs(this.#ids(places, window).sort((a, b) => b - a));
  }

  /** The front of each queue's line, merged by rank. */
  nextInLine(limit: number): readonly JobSummary[] {
    const anyQueue = { workspace: null, task: null, source: null };
    const fronts = this.#queues.all(anyQueue).flatMap((queueId) => this.#lines.front(queueId, limit));
    fronts.sort(byRank);
    return this.#jobs(fronts.slice(0, limit).map(({ id }) => id));
  }

  /**
   * Whether going back from the newest job is likely to meet enough of these before it has looked at as many jobs as
   * their indexes hold. Either way is right; this keeps one failed job among a million, and a million pending, quick.
   */
  #areFrequent(places: readonly Place[], limit: number): boolean {
    let all = 0;
    let wanted = 0;
    for (const { place, jobs } of this.#tallies.all()) {
      all += jobs;
      if (places.includes(placeFromCode(place))) wanted += jobs;
    }
    return wanted * wanted >= limit * all;
  }

  /** The first of the window, of all these places together. */
  #ids(places: readonly Place[], window: Window): number[] {
    const { limit } = window.values;
    if (this.#areFrequent(places, limit)) {
      const inPlaces = `place IN (${places.map((place) => PLACES[place]).join(', ')})`;
      return this.#first('jobs', inPlaces, window);
    }
    const ids = places.flatMap((place) => this.#firstIn(place, window));
    return ids.sort((a, b) => (window.order === 'ASC' ? a - b : b - a)).slice(0, limit);
  }

  #firstIn(place: Place, window: Window): number[] {
    const code = PLACES[place];
    if (code <= PLACES.parked) {
      const inPlace = `place = ${code} AND place <= ${PLACES.parked}`;
      return this.#first('jobs INDEXED BY jobs_waiting', inPlace, window);
    }
    if (code === PLACES.running) {
      return this.#first('jobs INDEXED BY jobs_running', `place = ${code}`, window);
    }
    return this.#first('jobs INDEXED BY jobs_ended', `place > ${PLACES.running} AND place = ${code}`, window);
  }

  #first(table: string, inPlaces: string, { wanted, order, values }: Window): number[] {
    const sql = `SELECT id FROM ${table} WHERE ${inPlaces} AND ${wanted} ORDER BY id ${order} LIMIT :limit`;
    return this.#db.prepare<WindowValues[], number>(sql).pluck().all(values);
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

/** Which jobs of the places that were asked for, and from which end they are taken. */
interface Window {
  readonly wanted: string;
  readonly order: 'ASC' | 'DESC';
  readonly values: WindowValues;
}

interface WindowValues {
  readonly from: number | null;
  readonly keyPart: string | null;
  readonly limit: number;
}

const FROM = { older: ' AND id <= :from', newer: ' AND id >= :from' } as const;
const KEY_HOLDS = ' AND instr(lower(key), lower(:keyPart)) > 0';

function placesOf(states: readonly JobState[]): Place[] {
  return PLACE_NAMES.filter((place) => states.includes(stateOfPlace(place)));
}
