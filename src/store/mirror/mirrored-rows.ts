import type { Database, Statement } from 'better-sqlite3';
import type { JobId } from '../../job/job.js';
import { rowIdOf } from '../sqlite/core.js';
import type { Verbs } from '../sqlite/verbs.js';
import { type MirrorRecord, recordOf } from './record.js';

/** A job as its row is, and whether the mirror still has to follow it. */
export interface MirroredRow {
  readonly id: JobId;
  readonly workspace: string;
  readonly record: MirrorRecord;
  readonly isInLine: boolean;
}

/** The rows that a mirror is held against. Everything runs inside a transaction of the caller's. */
export class MirroredRows {
  readonly #verbs: Verbs;
  readonly #ids: Statement<[number, number, number], number>;
  readonly #lastId: Statement<[], number>;
  readonly #inLine: Statement<[number], number>;
  readonly #isKnown: Statement<[number, string], number>;
  readonly #total: Statement<[], number>;
  readonly #waiting: Statement<[number], number>;
  readonly #revision: Statement<[], number>;

  constructor(db: Database, verbs: Verbs) {
    this.#verbs = verbs;
    this.#ids = db
      .prepare<[number, number, number], number>(
        'SELECT id FROM jobs WHERE id > ? AND id <= ? ORDER BY id LIMIT ?',
      )
      .pluck();
    this.#lastId = db.prepare<[], number>('SELECT last_job_id FROM meta').pluck();
    this.#inLine = db.prepare<[number], number>('SELECT 1 FROM mirror_outbox WHERE job_id = ?').pluck();
    this.#isKnown = db
      .prepare<[number, string], number>(`
        SELECT 1 FROM jobs j CROSS JOIN queues q ON q.id = j.queue_id WHERE j.id = ? AND q.workspace = ?`)
      .pluck();
    this.#total = db.prepare<[], number>('SELECT coalesce(sum(jobs), 0) FROM tallies').pluck();
    this.#waiting = db
      .prepare<[number], number>(`
        SELECT (SELECT count(*) FROM mirror_outbox WHERE revision <= ?)
          + (SELECT count(*) FROM move WHERE copied_to < coalesce(copy_until, copied_to + 1))`)
      .pluck();
    this.#revision = db.prepare<[], number>('SELECT revision FROM move').pluck();
  }

  /** The next jobs by id, up to `until`; no more than `mostBytes` of payload, or one. */
  page(after: number, until: number, limit: number, mostBytes: number): readonly MirroredRow[] {
    const rows: MirroredRow[] = [];
    let bytes = 0;
    for (const id of this.#ids.all(after, until, limit)) {
      const row = this.row(String(id));
      if (row === null) continue;
      bytes += row.record.payload.length;
      if (bytes > mostBytes && rows.length > 0) break;
      rows.push(row);
    }
    return rows;
  }

  row(id: JobId): MirroredRow | null {
    const rowId = rowIdOf(id);
    const job = rowId === null ? null : this.#verbs.reading.withoutOutputs(rowId);
    if (job === null) return null;
    return { id, workspace: job.workspace, record: recordOf(job), isInLine: this.isInLine(id) };
  }

  isInLine(id: JobId): boolean {
    return this.#inLine.get(rowIdOf(id) ?? 0) !== undefined;
  }

  isKnown(workspace: string, id: JobId): boolean {
    return this.#isKnown.get(rowIdOf(id) ?? 0, workspace) !== undefined;
  }

  /** Of the newest job. */
  lastId(): number {
    return this.#lastId.get() ?? 0;
  }

  /** Ended ones included. */
  total(): number {
    return this.#total.get() ?? 0;
  }

  revision(): number {
    return this.#revision.get() ?? 0;
  }

  /** Changes up to this revision that the mirror has still to follow; 1 more while there are jobs that were not copied. */
  waiting(revision: number): number {
    return this.#waiting.get(revision) ?? 0;
  }
}
