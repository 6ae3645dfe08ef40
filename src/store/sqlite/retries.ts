import type { Database, Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';

export interface WaitingJob {
  readonly id: number;
  readonly queueId: number;
  readonly place: number;
  readonly group: string | null;
  readonly runAtMs: number;
}

export const WAITING_COLUMNS = 'id, queue_id AS queueId, place, group_name AS "group", run_at AS runAtMs';

const WAITING = `place = ${PLACES.scheduled} AND retry_clock IS NOT NULL`;

/**
 * Jobs that wait for another try. Their time is one of the wall clock, but what they wait for is a length: when the clock
 * is set by so much, their time is moved by as much. Each row knows by which clock its time was set (`retry_clock`: how far
 * the clock had moved by then), so it does not matter when, in which parts or after which crash it is moved.
 */
export class Retries {
  readonly #movedEarlier: Statement<[number], number>;
  readonly #movedLater: Statement<[number], number>;
  readonly #catchUp: readonly Statement<[number, number, number, number, number]>[];
  readonly #due: Statement<[number, number, number], WaitingJob>;
  readonly #nextDue: Statement<[number], number>;
  readonly #clockMoved: Statement<[], number>;
  readonly #saveClockMoved: Statement<[number, number, number]>;

  constructor(db: Database) {
    // `LIMIT ? + 0`: see `Lines`.
    const stale = (side: '<' | '>') => `
      SELECT id FROM jobs INDEXED BY jobs_retrying
      WHERE ${WAITING} AND retry_clock ${side} ?`;
    const isStale = (side: '<' | '>') => db.prepare<[number], number>(`${stale(side)} LIMIT 1`).pluck();
    this.#movedEarlier = isStale('<');
    this.#movedLater = isStale('>');
    this.#catchUp = (['<', '>'] as const).map((side) =>
      db.prepare(`
        UPDATE jobs SET run_at = run_at + ? - retry_clock, rank = rank + ? - retry_clock, retry_clock = ?
        WHERE id IN (${stale(side)} LIMIT ? + 0)`),
    );
    this.#due = db.prepare(`
      SELECT ${WAITING_COLUMNS} FROM jobs INDEXED BY jobs_retrying
      WHERE ${WAITING} AND retry_clock = ? AND run_at <= ?
      ORDER BY run_at
      LIMIT ? + 0`);
    this.#nextDue = db
      .prepare<[number], number>(`
        SELECT run_at FROM jobs INDEXED BY jobs_retrying
        WHERE ${WAITING} AND retry_clock = ?
        ORDER BY run_at
        LIMIT 1`)
      .pluck();
    this.#clockMoved = db.prepare<[], number>('SELECT clock_moved FROM meta').pluck();
    // The pulse with it: a next worker that held its clock against the last one would count this jump again.
    this.#saveClockMoved = db.prepare('UPDATE meta SET clock_moved = ?, pulse_at = ? WHERE clock_moved <> ?');
  }

  /** True when a turn has to be written, for the clock has been set and not everything has caught up. */
  isBehind(clockMovedMs: number): boolean {
    return (
      this.#clockMoved.get() !== clockMovedMs ||
      this.#movedEarlier.get(clockMovedMs) !== undefined ||
      this.#movedLater.get(clockMovedMs) !== undefined
    );
  }

  /** Inside a transaction: moves what was set by an older clock, at most so many; true when nothing such is left. */
  catchUp(clockMovedMs: number, nowMs: number, limit: number): boolean {
    this.#saveClockMoved.run(clockMovedMs, nowMs, clockMovedMs);
    let moved = 0;
    for (const catchUp of this.#catchUp) {
      moved += catchUp.run(clockMovedMs, clockMovedMs, clockMovedMs, clockMovedMs, limit - moved).changes;
    }
    return moved < limit;
  }

  due(clockMovedMs: number, nowMs: number, limit: number): readonly WaitingJob[] {
    return this.#due.all(clockMovedMs, nowMs, limit);
  }

  nextDueAtMs(clockMovedMs: number): number | null {
    return this.#nextDue.get(clockMovedMs) ?? null;
  }
}
