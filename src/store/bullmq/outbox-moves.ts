import type { Database } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import type { InLine } from '../sqlite/line.js';
import { SEND_STATES } from './outbox.js';

/*
 * The outbox while all jobs of a machine go over to Redis, or come home from it.
 */

const { ready } = PLACES;
const { waiting, unsure, sent, refused } = SEND_STATES;

/**
 * What `Outbox.sync` does, a page at a time: the best that stand behind `after` in a line. Returns the last of them; null:
 * there are no more.
 */
export function syncPage(db: Database, queueId: number, after: InLine | null, limit: number): InLine | null {
  const page = db
    .prepare<[number, number, number, number], InLine>(`
      SELECT id, rank FROM jobs INDEXED BY jobs_ready
      WHERE place = ${ready} AND queue_id = ? AND (rank, id) > (?, ?)
      ORDER BY rank, id
      LIMIT ? + 0`)
    .all(queueId, after?.rank ?? Number.MIN_SAFE_INTEGER, after?.id ?? 0, limit);
  const put = db.prepare('INSERT INTO outbox (job_id, rank) VALUES (?, ?) ON CONFLICT DO NOTHING');
  for (const { id, rank } of page) put.run(id, rank);
  return page.at(-1) ?? null;
}

/** Whether one of the jobs up to this id is still to be sent, or is not known to have come to Redis. */
export function isSending(db: Database, untilId: number): boolean {
  const found = db
    .prepare(`SELECT 1 FROM outbox WHERE state IN (${waiting}, ${unsure}) AND job_id <= ? LIMIT 1`)
    .get(untilId);
  return found !== undefined;
}

/** Whether Redis may hold a job of ours. */
export function isHeld(db: Database): boolean {
  const found = db.prepare(`SELECT 1 FROM outbox WHERE state NOT IN (${waiting}, ${refused}) LIMIT 1`).get();
  return found !== undefined;
}

/** Those that stand last in Redis. */
export function lastSent(db: Database, limit: number): readonly number[] {
  return db
    .prepare<[number], number>(`
      SELECT o.job_id FROM outbox o INDEXED BY outbox_by_state
      CROSS JOIN jobs j ON j.id = o.job_id AND j.place = ${ready}
      WHERE o.state = ${sent}
      ORDER BY o.rank DESC
      LIMIT ? + 0`)
    .pluck()
    .all(limit);
}

/** Their attempts are Redis' business no longer. */
export function forget(db: Database, jobIds: readonly number[]): void {
  const drop = db.prepare('DELETE FROM outbox WHERE job_id = ?');
  for (const jobId of jobIds) drop.run(jobId);
}
