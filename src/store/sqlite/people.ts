import type { Statement } from 'better-sqlite3';
import { type JobId, PLACES, type Place, placeFromCode, rankOf } from '../../job/job.js';
import type { CancelAnswer, RedriveAnswer, TaskSettings } from '../contract.js';
import { type Core, rowIdOf } from './core.js';
import { recount } from './recount.js';

interface JobRow {
  readonly id: number;
  readonly queueId: number;
  readonly scopeId: number;
  readonly place: Place;
  readonly group: string | null;
  readonly priority: number;
  readonly afterJob: number | null;
  readonly outdated: number;
  readonly expiresAtMs: number | null;
  readonly maxAttempts: number;
}

/** What people ask for: cancel, redrive, pause. And what the config says of tasks. */
export class People {
  readonly #core: Core;
  readonly #find: Statement<[number, string], Omit<JobRow, 'place'> & { place: number }>;
  readonly #isRunning: Statement<[number], number>;
  readonly #cancel: Statement<[number, number]>;
  readonly #requestCancel: Statement<[number]>;
  readonly #redrive: Statement<[number, number, number, number, number | null, number]>;
  readonly #pauseQueue: Statement<[number, number, number]>;
  readonly #pauseAll: Statement<[number, number]>;
  readonly #unguard: Statement<[]>;
  readonly #configure: Statement<[string, number | null, number, string]>;
  readonly #groupLimit: Statement<[string], number | null>;

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    this.#find = db.prepare(`
      SELECT j.id, j.queue_id AS queueId, j.scope_id AS scopeId, j.place, j.group_name AS "group",
        j.priority, j.after_job AS afterJob, j.expires_at AS expiresAtMs, j.max_attempts AS maxAttempts,
        j.outdated
      FROM jobs j
      JOIN queues q ON q.id = j.queue_id
      WHERE j.id = ? AND q.workspace = ?`);
    this.#isRunning = db
      .prepare<[number], number>(`SELECT 1 FROM jobs WHERE id = ? AND place = ${PLACES.running}`)
      .pluck();
    this.#cancel = db.prepare(`
      UPDATE jobs SET place = ${PLACES.cancelled}, ended_at = ?, reason = 'cancelled while it waited'
      WHERE id = ?`);
    this.#requestCancel = db.prepare('UPDATE jobs SET cancel_requested = 1 WHERE id = ?');
    this.#redrive = db.prepare(`
      UPDATE jobs SET
        place = ?, rank = ?, run_at = ?, max_attempts = ?, after_job = ?,
        charged = 0, crashes = 0, redrives = redrives + 1,
        ended_at = NULL, exit_code = NULL, reason = NULL, result = NULL, retry_clock = NULL
      WHERE id = ?`);
    this.#pauseQueue = db.prepare('UPDATE queues SET paused = ? WHERE id = ? AND paused <> ?');
    this.#pauseAll = db.prepare('UPDATE meta SET paused = ? WHERE paused <> ?');
    this.#unguard = db.prepare('UPDATE tasks SET breaker = NULL');
    this.#configure = db.prepare(`
      INSERT INTO tasks (task, group_limit, max_attempts, breaker) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET
        group_limit = excluded.group_limit, max_attempts = excluded.max_attempts, breaker = excluded.breaker`);
    this.#groupLimit = db
      .prepare<[string], number | null>('SELECT group_limit FROM tasks WHERE task = ?')
      .pluck();
  }

  cancel(workspace: string, id: JobId, nowMs: number): CancelAnswer {
    const { tally, recordTally, permits, events } = this.#core;
    const job = this.#job(workspace, id);
    switch (job?.place) {
      case undefined:
        return 'unknown';
      case 'running':
        this.#requestCancel.run(job.id);
        events.add(job.id, nowMs, 'cancel requested', 'while it ran');
        return 'requested';
      case 'scheduled':
      case 'ready':
      case 'parked':
        this.#cancel.run(nowMs, job.id);
        tally.move(job.queueId, job.place, 'cancelled');
        if (job.outdated === 0) recordTally.move(job.scopeId, 'pending', 'cancelled');
        if (job.place === 'ready') permits.release(job.queueId, job.group);
        events.add(job.id, nowMs, 'cancelled', `while it was ${job.place}`);
        return 'cancelled';
      default:
        return 'ended';
    }
  }

  redrive(workspace: string, id: JobId, nowMs: number): RedriveAnswer {
    const { names, permits, tally, recordTally, events } = this.#core;
    const job = this.#job(workspace, id);
    if (job === undefined) return 'unknown';
    if (PLACES[job.place] <= PLACES.running) return 'not-ended';
    if (job.place !== 'failed' && job.place !== 'cancelled') return 'not-allowed';
    // A newer version of this record has its own job, and it must not start once its window is over.
    if (job.outdated === 1) return 'not-allowed';
    if (job.expiresAtMs !== null && job.expiresAtMs <= nowMs) return 'not-allowed';

    const afterJob = job.afterJob !== null && this.#isRunning.get(job.afterJob) === 1 ? job.afterJob : null;
    const place = afterJob === null ? permits.seat({ ...job, runAtMs: nowMs }, nowMs) : 'parked';
    const maxAttempts = names.queueById(job.queueId).maxAttempts ?? job.maxAttempts;
    this.#redrive.run(PLACES[place], rankOf(nowMs, job.priority), nowMs, maxAttempts, afterJob, job.id);
    tally.move(job.queueId, job.place, place);
    recordTally.move(job.scopeId, job.place, 'pending');
    events.add(
      job.id,
      nowMs,
      'redriven',
      `after it had ${job.place === 'failed' ? 'failed' : 'been cancelled'}`,
    );
    return 'queued';
  }

  setPaused(workspace: string, task: string | null, paused: boolean): boolean {
    const flag = paused ? 1 : 0;
    if (task === null) return this.#pauseAll.run(flag, flag).changes === 1;
    const queue = this.#core.names.queue(workspace, task);
    return this.#pauseQueue.run(flag, queue.id, flag).changes === 1;
  }

  configureTasks(workspaces: readonly string[], tasks: readonly TaskSettings[]): void {
    const { names } = this.#core;
    let limitsChanged = false;
    // Tasks that the config no longer has are nobody's: no breaker holds them back.
    this.#unguard.run();
    for (const { task, groupLimit, maxAttempts, breaker = task } of tasks) {
      limitsChanged ||= (this.#groupLimit.get(task) ?? null) !== groupLimit;
      this.#configure.run(task, groupLimit, maxAttempts, breaker);
    }
    names.forget();
    for (const workspace of workspaces) for (const { task } of tasks) names.queue(workspace, task);
    if (limitsChanged) recount(this.#core);
  }

  #job(workspace: string, id: JobId): JobRow | undefined {
    const rowId = rowIdOf(id);
    const row = rowId === null ? undefined : this.#find.get(rowId, workspace);
    return row && { ...row, place: placeFromCode(row.place) };
  }
}
