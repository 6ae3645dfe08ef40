import type { Statement } from 'better-sqlite3';
import { PLACES, type Place, rankOf } from '../../job/job.js';
import { type AttemptReport, type Next, OUTCOME_CODES } from '../../job/outcome.js';
import type { End } from '../contract.js';
import { type Core, rowIdOf } from './core.js';
import { PLANNED } from './plan.js';

interface RunningJob {
  readonly id: number;
  readonly scopeId: number;
  /** A newer version of its record has a job of its own. */
  readonly isOutdated: boolean;
  readonly queueId: number;
  readonly group: string | null;
  readonly priority: number;
  readonly cancelRequested: boolean;
  /** The job of a newer version that waits for this one's end. */
  readonly successorId: number | null;
}

/** An array: half the price of an object, and this is read for each end. */
type RunningRow = readonly [
  scopeId: number,
  outdated: number,
  queueId: number,
  group: string | null,
  priority: number,
  cancelRequested: number,
  successorId: number | null,
];

interface Successor {
  readonly scopeId: number;
  readonly queueId: number;
  readonly group: string | null;
  readonly runAtMs: number;
  readonly planned: number | null;
}

type TerminalNext = Exclude<Next, { to: 'pending' }>;
type RetryNext = Extract<Next, { to: 'pending' }>;

/** Records how attempts ended: in the job, in its history, and for whoever waits for its permit or for itself. */
export class Ending {
  readonly #core: Core;
  readonly #running: Statement<[number, number, number], RunningRow>;
  readonly #successor: Statement<[number], Successor>;
  readonly #end: Statement<unknown[]>;
  readonly #retry: Statement<unknown[]>;
  readonly #settle: Statement<[number, number]>;
  readonly #drop: Statement<[number, string, number]>;
  readonly #keepAttempt: Statement<unknown[]>;
  readonly #keepOutput: Statement<[number, number, string | null, string | null]>;

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    // The index of the inner query is nearly always empty.
    this.#running = db
      .prepare<[number, number, number], RunningRow>(`
        SELECT scope_id, outdated, queue_id, group_name, priority, cancel_requested,
          (SELECT s.id FROM jobs s INDEXED BY jobs_successors WHERE s.place = ${PLACES.parked} AND s.after_job = jobs.id)
        FROM jobs
        WHERE id = ? AND place = ${PLACES.running} AND epoch = ? AND attempt = ?`)
      .raw();
    this.#successor = db.prepare(
      `SELECT scope_id AS scopeId, queue_id AS queueId, group_name AS "group", run_at AS runAtMs, planned
      FROM jobs WHERE id = ?`,
    );
    this.#end = db.prepare(`
      UPDATE jobs SET
        place = ?, charged = charged + ?, crashes = crashes + ?, cancel_requested = 0,
        started_at = ?, ended_at = ?, exit_code = ?, reason = ?, result = ?
      WHERE id = ?`);
    this.#retry = db.prepare(`
      UPDATE jobs SET
        place = ?, charged = charged + ?, crashes = crashes + ?, rank = ?, run_at = ?, retry_clock = ?,
        started_at = ?, exit_code = ?, reason = ?
      WHERE id = ?`);
    this.#settle = db.prepare('UPDATE jobs SET place = ?, after_job = NULL WHERE id = ?');
    this.#drop = db.prepare(`
      UPDATE jobs SET place = ${PLACES.cancelled}, ended_at = ?, reason = ?, after_job = NULL WHERE id = ?`);
    this.#keepAttempt = db.prepare(`
      INSERT INTO attempts (job_id, attempt, epoch, started_at, ended_at, outcome, exit_code, signal, reason)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#keepOutput = db.prepare(`
      INSERT INTO outputs (job_id, attempt, stdout, stderr) VALUES (?, ?, ?, ?)`);
  }

  /** Runs inside a transaction. Changes nothing unless the token still holds the running job. `clockMovedMs`: see `Retries`. */
  record({ claim, report, next }: End, nowMs: number, clockMovedMs: number): 'recorded' | 'lost' {
    const job = this.#findRunning(claim);
    if (job === null) return 'lost';

    this.#recordAttempt(job.id, claim, report);
    if (next.to !== 'pending') this.#endJob(job, report, next);
    else if (job.isOutdated) {
      this.#endJob(job, report, { to: 'cancelled', reason: 'superseded by a newer version' });
    } else if (job.cancelRequested) {
      this.#endJob(job, report, { to: 'cancelled', reason: 'cancelled while it ran' });
    } else this.#retryJob(job, report, next, nowMs, clockMovedMs);
    if (job.successorId !== null) this.#letGo(job.successorId, next.to, nowMs);
    return 'recorded';
  }

  #findRunning({ id: publicId, epoch, attempt }: End['claim']): RunningJob | null {
    const id = rowIdOf(publicId);
    const row = id === null ? undefined : this.#running.get(id, epoch, attempt);
    if (id === null || row === undefined) return null;
    const [scopeId, outdated, queueId, group, priority, cancelRequested, successorId] = row;
    const flags = { isOutdated: outdated === 1, cancelRequested: cancelRequested === 1 };
    return { id, scopeId, queueId, group, priority, ...flags, successorId };
  }

  #endJob(job: RunningJob, report: AttemptReport, next: TerminalNext): void {
    const { tally, recordTally, permits } = this.#core;
    const { kind } = report.outcome;
    this.#end.run(
      PLACES[next.to],
      kind === 'failed' || kind === 'timed-out' ? 1 : 0,
      kind === 'crashed' ? 1 : 0,
      report.startedAtMs,
      report.endedAtMs,
      report.exitCode,
      next.reason ?? null,
      report.outcome.kind === 'done' ? report.outcome.result : null,
      job.id,
    );
    tally.move(job.queueId, 'running', next.to);
    if (!job.isOutdated) recordTally.move(job.scopeId, 'running', next.to);
    permits.release(job.queueId, job.group);
  }

  #retryJob(
    job: RunningJob,
    report: AttemptReport,
    next: RetryNext,
    nowMs: number,
    clockMovedMs: number,
  ): void {
    const { tally, recordTally, permits } = this.#core;
    // Parked first: then it stands for its own permit together with the others of its group, by rank.
    const place = placeOfRetry(job, next, nowMs);
    this.#retry.run(
      PLACES[place],
      next.charged ? 1 : 0,
      next.crashed ? 1 : 0,
      rankOf(next.runAtMs, job.priority),
      next.runAtMs,
      clockMovedMs,
      report.startedAtMs,
      report.exitCode,
      next.reason,
      job.id,
    );
    tally.move(job.queueId, 'running', place);
    if (!job.isOutdated) recordTally.move(job.scopeId, 'running', 'pending');
    permits.release(job.queueId, job.group);
  }

  /** The older version of this record runs no longer. Of a plan, what has run is not run again for being changed meanwhile. */
  #letGo(id: number, became: Next['to'], nowMs: number): void {
    const { tally, recordTally, permits } = this.#core;
    const successor = this.#successor.get(id);
    if (successor === undefined) throw new Error(`the successor ${id} vanished inside the transaction`);
    const hasRun = became === 'completed' || became === 'cancelled';
    if (successor.planned === PLANNED && hasRun && successor.runAtMs <= nowMs) {
      this.#drop.run(nowMs, `an older version of it ran meanwhile, and was ${became}`, id);
      tally.move(successor.queueId, 'parked', 'cancelled');
      recordTally.move(successor.scopeId, 'pending', 'cancelled');
      return;
    }
    const place = permits.seat(successor, nowMs);
    this.#settle.run(PLACES[place], id);
    tally.move(successor.queueId, 'parked', place);
  }

  #recordAttempt(jobId: number, { attempt, epoch }: End['claim'], report: AttemptReport): void {
    const { outcome } = report;
    this.#keepAttempt.run(
      jobId,
      attempt,
      epoch,
      report.startedAtMs,
      report.endedAtMs,
      OUTCOME_CODES[outcome.kind],
      report.exitCode,
      report.signal,
      outcome.kind === 'done' ? null : outcome.reason,
    );
    if (report.stdout || report.stderr) {
      this.#keepOutput.run(jobId, attempt, report.stdout, report.stderr);
    }
  }
}

function placeOfRetry(job: RunningJob, next: RetryNext, nowMs: number): Place {
  if (next.runAtMs > nowMs) return 'scheduled';
  return job.group === null ? 'ready' : 'parked';
}
