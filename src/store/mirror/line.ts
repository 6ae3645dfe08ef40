import type { Database, Statement } from 'better-sqlite3';
import type { Verbs } from '../sqlite/verbs.js';
import { recordOf } from './record.js';
import type { MirrorAnswer, MirrorChange } from './redis-mirror.js';

interface Waiting {
  readonly jobId: number;
  readonly workspace: string;
  readonly revision: number;
}

/** The line of jobs that the mirror has to follow. Everything runs inside a transaction of the caller's. */
export class Line {
  readonly #db: Database;
  readonly #verbs: Verbs;
  readonly #fresh: Statement<[number], number>;
  readonly #failed: Statement<[number], number>;
  readonly #waiting: Statement<[number], Waiting>;
  readonly #done: Statement<[number, number]>;
  readonly #noteFailure: Statement<[number, number]>;
  readonly #raise: Statement<[number]>;
  readonly #again: Statement<[number]>;
  readonly #problem: Statement<[string | null, string | null, number, string | null]>;

  constructor(db: Database, verbs: Verbs) {
    this.#db = db;
    this.#verbs = verbs;
    const next = (failures: string, order: string) =>
      db
        .prepare<[number], number>(`
          SELECT job_id FROM mirror_outbox INDEXED BY mirror_outbox_line
          WHERE failures ${failures}
          ORDER BY ${order}
          LIMIT ? + 0`)
        .pluck();
    this.#fresh = next('= 0', 'revision, job_id');
    this.#failed = next('> 0', 'failures, revision, job_id');
    this.#waiting = db.prepare(
      'SELECT job_id AS jobId, workspace, revision FROM mirror_outbox WHERE job_id = ?',
    );
    this.#done = db.prepare('DELETE FROM mirror_outbox WHERE job_id = ? AND revision = ?');
    this.#noteFailure = db.prepare(
      'UPDATE mirror_outbox SET failures = failures + 1 WHERE job_id = ? AND revision = ?',
    );
    this.#raise = db.prepare('UPDATE move SET revision = max(revision, ?) + 1');
    this.#again = db.prepare(
      'UPDATE mirror_outbox SET revision = (SELECT revision FROM move), failures = 0 WHERE job_id = ?',
    );
    this.#problem = db.prepare(`
      UPDATE move SET mirror_problem = ?, mirror_problem_since = iif(? IS NULL, NULL, coalesce(mirror_problem_since, ?))
      WHERE mirror_problem IS NOT ?`);
  }

  /** Those that stand first. `failed`: of those that went wrong before. */
  next(which: 'fresh' | 'failed', limit: number): readonly number[] {
    return (which === 'fresh' ? this.#fresh : this.#failed).all(limit);
  }

  /** The first of these as they are now, up to so many, and up to so many bytes of payload, or one; and how many were looked at. */
  read(
    jobIds: readonly number[],
    limit: number,
    mostBytes: number,
  ): { changes: readonly MirrorChange[]; looked: number } {
    const changes: MirrorChange[] = [];
    let bytes = 0;
    let looked = 0;
    for (const jobId of jobIds.slice(0, limit)) {
      const waiting = this.#waiting.get(jobId);
      const job = waiting === undefined ? null : this.#verbs.reading.withoutOutputs(jobId);
      bytes += job?.payload.bytes.length ?? 0;
      if (bytes > mostBytes && looked > 0) break;
      looked += 1;
      if (waiting !== undefined) changes.push({ ...waiting, record: job === null ? null : recordOf(job) });
    }
    return { changes, looked };
  }

  /** What became of them. One that has changed meanwhile stays in line. */
  settle(changes: readonly MirrorChange[], answers: readonly MirrorAnswer[]): void {
    for (const [n, { jobId, revision }] of changes.entries()) {
      const answer = answers[n];
      switch (answer?.kind) {
        case 'written':
        case 'repeated':
          this.#done.run(jobId, revision);
          break;
        case 'outdated':
          // What stands here is the truth: a database that was put back is behind its own mirror.
          this.#raise.run(answer.revision);
          this.#again.run(jobId);
          break;
        case 'failed':
        case undefined:
          this.#noteFailure.run(jobId, revision);
          break;
        case 'lost':
          break;
      }
    }
  }

  hasFailed(): boolean {
    return this.#failed.get(1) !== undefined;
  }

  /** Whether there are jobs that the copy has not put in line yet. */
  isCopying(): boolean {
    return this.#db.prepare('SELECT 1 FROM move WHERE copied_to < copy_until').get() !== undefined;
  }

  setProblem(problem: string | null, nowMs: number): void {
    this.#problem.run(problem, problem, nowMs, problem);
  }
}
