import type { Database, Statement } from 'better-sqlite3';
import {
  JOB_STATES,
  type JobId,
  type JobState,
  PLACES,
  type Place,
  placeFromCode,
  stateOfPlace,
} from '../../job/job.js';
import { OUTCOME_CODES, type OutcomeKind } from '../../job/outcome.js';
import type {
  HistoryEntry,
  JobDetails,
  JobSummary,
  QueueCounts,
  SourceCounts,
  StoredReject,
  TaskCounts,
} from '../read-contract.js';
import { rowIdOf } from './core.js';
import { JOB_COLUMNS, type JobRow, jobTables, summaryOf } from './job-row.js';
import { Outages } from './outages.js';

const OUTCOME_KINDS = new Map(
  (Object.keys(OUTCOME_CODES) as OutcomeKind[]).map((kind) => [OUTCOME_CODES[kind], kind]),
);

interface AttemptRow {
  readonly atMs: number;
  readonly attempt: number;
  readonly endedAtMs: number;
  readonly outcome: number;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string | null;
  readonly stderr: string | null;
}

/** A beat must not count a million rows. */
const MOST_OVERDUE = 10_000;

interface EventRow {
  readonly afterAttempt: number;
  readonly atMs: number;
  readonly event: string;
  readonly detail: string;
}

/** Those of a task, while they are summed up. */
interface OpenCounts extends Omit<TaskCounts, 'places' | 'overdue'> {
  readonly places: Record<Place, number>;
  overdue?: number;
}

/** What screens and people ask, lists of jobs aside. */
export class Reading {
  readonly outages: Outages;
  readonly #pausedAll: Statement<[], number>;
  readonly #tasks: Statement<[], { id: number; workspace: string; task: string; paused: number }>;
  readonly #tallies: Statement<[], { queueId: number; place: number; jobs: number }>;
  readonly #sources: Statement<[], { id: number } & Omit<SourceCounts, 'states'>>;
  readonly #recordTallies: Statement<[], { scopeId: number; place: number; records: number }>;
  readonly #oldestDue: Statement<[], number | null>;
  readonly #nextScheduled: Statement<[], number | null>;
  readonly #overdue: Statement<[number], number>;
  readonly #job: Statement<[number], JobRow>;
  readonly #attempts: Statement<[number], AttemptRow>;
  readonly #bareAttempts: Statement<[number], AttemptRow>;
  readonly #events: Statement<[number], EventRow>;
  readonly #rejects: Statement<{ source: string | null; limit: number }[], StoredReject>;

  constructor(db: Database) {
    this.outages = new Outages(db);
    this.#pausedAll = db.prepare<[], number>('SELECT paused FROM meta').pluck();
    this.#tasks = db.prepare('SELECT id, workspace, task, paused FROM queues ORDER BY workspace, task');
    this.#tallies = db.prepare('SELECT queue_id AS queueId, place, jobs FROM tallies');
    this.#sources = db.prepare(
      'SELECT id, workspace, name, records, rejected FROM scopes WHERE kind = 0 ORDER BY workspace, name',
    );
    this.#recordTallies = db.prepare('SELECT scope_id AS scopeId, place, records FROM record_tallies');
    // One seek for each of the two places.
    this.#oldestDue = db
      .prepare<[], number | null>(`
        SELECT min(run_at) FROM (
          SELECT min(run_at) AS run_at FROM jobs INDEXED BY jobs_waiting WHERE place = ${PLACES.ready} AND place <= ${PLACES.parked}
          UNION ALL
          SELECT min(run_at) FROM jobs INDEXED BY jobs_waiting WHERE place = ${PLACES.parked} AND place <= ${PLACES.parked}
        )`)
      .pluck();
    this.#nextScheduled = db
      .prepare<[], number | null>(`
        SELECT min(run_at) FROM jobs INDEXED BY jobs_waiting WHERE place = ${PLACES.scheduled} AND place <= ${PLACES.parked}`)
      .pluck();
    this.#overdue = db
      .prepare<[number], number>(`
        SELECT queue_id FROM jobs INDEXED BY jobs_waiting
        WHERE place = ${PLACES.scheduled} AND place <= ${PLACES.parked} AND run_at <= ?
        LIMIT ${MOST_OVERDUE}`)
      .pluck();
    this.#job = db.prepare(`SELECT ${JOB_COLUMNS} FROM ${jobTables} WHERE j.id = ?`);
    this.#attempts = db.prepare(`
      SELECT a.started_at AS atMs, a.attempt, a.ended_at AS endedAtMs, a.outcome, a.reason,
        a.exit_code AS exitCode, a.signal, o.stdout, o.stderr
      FROM attempts a
      LEFT JOIN outputs o ON o.job_id = a.job_id AND o.attempt = a.attempt
      WHERE a.job_id = ?
      ORDER BY a.attempt`);
    this.#bareAttempts = db.prepare(`
      SELECT started_at AS atMs, attempt, ended_at AS endedAtMs, outcome, reason, exit_code AS exitCode, signal,
        NULL AS stdout, NULL AS stderr
      FROM attempts WHERE job_id = ?
      ORDER BY attempt`);
    this.#events = db.prepare(
      `
      SELECT after_attempt AS afterAttempt, at AS atMs, event, detail
      FROM events WHERE job_id = ?
      ORDER BY number`,
    );
    this.#rejects = db.prepare(`
      SELECT s.name AS source, r.path, r.line, r.offset, r.length AS lengthBytes, r.key, r.reason, r.detail,
        r.remedy, r.digest, r.at AS atMs
      FROM rejects r
      JOIN scopes s ON s.id = r.scope_id
      WHERE :source IS NULL OR s.name = :source
      ORDER BY r.id DESC
      LIMIT :limit`);
  }

  counts(nowMs?: number): QueueCounts {
    const asked = nowMs === undefined ? {} : { overdue: 0 };
    const rows = this.#tasks.all().map(({ id, workspace, task, paused }) => ({
      id,
      counts: { workspace, task, paused: paused === 1, places: zeroCounts(), ...asked } as OpenCounts,
    }));
    const byQueue = new Map(rows.map(({ id, counts }) => [id, counts]));
    const total = zeroCounts();
    for (const { queueId, place, jobs } of this.#tallies.all()) {
      const name = placeFromCode(place);
      total[name] += jobs;
      const counts = byQueue.get(queueId);
      if (counts !== undefined) counts.places[name] += jobs;
    }
    for (const queueId of nowMs === undefined ? [] : this.#overdue.all(nowMs)) {
      const counts = byQueue.get(queueId);
      if (counts?.overdue !== undefined) counts.overdue += 1;
    }
    const tasks: TaskCounts[] = rows.map(({ counts }) => counts);
    return {
      total,
      tasks,
      sources: this.#sourceCounts(),
      pausedAll: this.#pausedAll.get() === 1,
      outages: this.outages.ongoing(),
      oldestDueAtMs: this.#oldestDue.get() ?? null,
      nextScheduledAtMs: this.#nextScheduled.get() ?? null,
    };
  }

  #sourceCounts(): SourceCounts[] {
    const states = new Map<number, Record<JobState, number>>();
    for (const { scopeId, place, records } of this.#recordTallies.all()) {
      const ofScope = states.get(scopeId) ?? noStates();
      ofScope[stateOfPlace(placeFromCode(place))] += records;
      states.set(scopeId, ofScope);
    }
    return this.#sources
      .all()
      .map(({ id, ...source }) => ({ ...source, states: states.get(id) ?? noStates() }));
  }

  /** `workspace` null: whichever it is in. */
  get(workspace: string | null, id: JobId): JobDetails | null {
    const rowId = rowIdOf(id);
    const row = rowId === null ? undefined : this.#job.get(rowId);
    if (row === undefined || (workspace !== null && row.workspace !== workspace)) return null;
    const summary = summaryOf(row);
    return { ...summary, history: this.#history(this.#attempts.all(row.id), row.id, summary) };
  }

  /** The same without what its attempts have printed, which may be a thousand times the rest. */
  withoutOutputs(jobId: number): JobDetails | null {
    const row = this.#job.get(jobId);
    if (row === undefined) return null;
    const summary = summaryOf(row);
    return { ...summary, history: this.#history(this.#bareAttempts.all(jobId), jobId, summary) };
  }

  rejects(source: string | null, limit: number): readonly StoredReject[] {
    return this.#rejects.all({ source, limit });
  }

  /** In the order in which things happened, whatever the wall clock said then. */
  #history(attempts: readonly AttemptRow[], jobId: number, job: JobSummary): readonly HistoryEntry[] {
    const history: HistoryEntry[] = [];
    const events = this.#events.all(jobId);
    const takeEvents = (upToAttempt: number) => {
      while (events[0] !== undefined && events[0].afterAttempt <= upToAttempt) {
        const { afterAttempt: _, ...event } = events.shift() as EventRow;
        history.push({ kind: 'event', ...event });
      }
    };
    for (const { outcome, ...row } of attempts) {
      takeEvents(row.attempt - 1);
      history.push({ kind: 'attempt', ...row, outcome: OUTCOME_KINDS.get(outcome) ?? null });
    }
    if (job.place === 'running') {
      takeEvents(job.attempts - 1);
      history.push(openAttempt(job));
    }
    takeEvents(Number.POSITIVE_INFINITY);
    return history;
  }
}

/** The attempt that runs: its job's row is all there is of it. */
function openAttempt({ attempts, startedAtMs, createdAtMs }: JobSummary): HistoryEntry {
  const atMs = startedAtMs ?? createdAtMs;
  const nothing = { reason: null, exitCode: null, signal: null, stdout: null, stderr: null };
  return { kind: 'attempt', attempt: attempts, atMs, endedAtMs: null, outcome: null, ...nothing };
}

function zeroCounts(): Record<Place, number> {
  const names = Object.keys(PLACES) as Place[];
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Place, number>;
}

function noStates(): Record<JobState, number> {
  return Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>;
}
