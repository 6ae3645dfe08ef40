import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';

/*
 * Where mirroring begins and ends. Everything here runs inside a transaction of the caller's.
 */

/** What stands in the record of a job is in four tables; outputs are in none of ours. The rest of a job goes with its row. */
const WATCHED = [
  ['mirror_job_new', 'INSERT ON jobs', 'NEW.id', 'NEW.queue_id'],
  ['mirror_job_changed', 'UPDATE ON jobs', 'NEW.id', 'NEW.queue_id'],
  ['mirror_job_gone', 'DELETE ON jobs', 'OLD.id', 'OLD.queue_id'],
  ['mirror_attempt_new', 'INSERT ON attempts', 'NEW.job_id', ofJob('NEW.job_id')],
  ['mirror_event_new', 'INSERT ON events', 'NEW.job_id', ofJob('NEW.job_id')],
] as const;

function ofJob(id: string): string {
  return `(SELECT queue_id FROM jobs WHERE id = ${id})`;
}

/**
 * Real triggers, of every connection: whoever changes a job puts it in line for the mirror with the same commit. Where
 * nothing is mirrored there are none, and nobody pays.
 */
const TRIGGERS = WATCHED.map(
  ([name, event, jobId, queueId]) => `
  CREATE TRIGGER ${name} AFTER ${event}
  BEGIN
    UPDATE move SET revision = revision + 1;
    INSERT INTO mirror_outbox (job_id, workspace, revision)
    SELECT ${jobId}, q.workspace, m.revision FROM move m CROSS JOIN queues q ON q.id = ${queueId} WHERE true
    ON CONFLICT DO UPDATE SET revision = excluded.revision, failures = 0;
  END;`,
).join('\n');

/**
 * From this commit on every change of a job is put in line for the mirror. Needs the row of `move`; those jobs that are there
 * already are put in line by `copyNext`. Returns the id of the mirror, which stands in its keys.
 */
export function startMirror(db: Database): string {
  const mirror = randomBytes(6).toString('hex');
  const { changes } = db
    .prepare(`
      UPDATE move SET mirror = ?, copied_to = 0, copy_until = (SELECT last_job_id FROM meta), verified_at = NULL,
        divergent = NULL`)
    .run(mirror);
  if (changes !== 1) throw new Error('begin a move first');
  db.exec(`DELETE FROM mirror_outbox; ${TRIGGERS}`);
  return mirror;
}

/**
 * Nothing is put in line any more, and nothing stands in it. Does nothing where nothing is mirrored. `move.mirror` stays: the
 * keys in Redis are still there, see `dropMirror`; then `forgetMirror`.
 */
export function stopMirror(db: Database): void {
  db.exec(
    `${WATCHED.map(([name]) => `DROP TRIGGER IF EXISTS ${name};`).join(' ')} DELETE FROM mirror_outbox`,
  );
}

/** After `dropMirror`. */
export function forgetMirror(db: Database): void {
  db.exec('UPDATE move SET mirror = NULL');
}

/** Whether changes are put in line. */
export function isMirroring(db: Database): boolean {
  return (
    db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = ?").get(WATCHED[0][0]) !==
    undefined
  );
}

export interface CopyStep {
  /** Put in line by this call. */
  readonly jobs: number;
  /** All that were there when the mirror began are in line, or were sent. */
  readonly isDone: boolean;
}

/** Longer than that the line does not become by copying: readers would find nothing in the mirror meanwhile. */
const LONGEST_LINE = 5_000;

/**
 * Puts the next jobs in line that were there before the mirror; goes on where it stopped, in whatever process. Does nothing while the line is long:
 * call it again when the worker has sent some of it.
 */
export function copyNext(db: Database, limit: number): CopyStep {
  const move = db
    .prepare<[], { copiedTo: number; copyUntil: number | null }>(
      'SELECT copied_to AS copiedTo, copy_until AS copyUntil FROM move',
    )
    .get();
  if (move === undefined || move.copyUntil === null || move.copiedTo >= move.copyUntil)
    return { jobs: 0, isDone: true };
  const line = db
    .prepare<[], number>(`SELECT count(*) FROM (SELECT 1 FROM mirror_outbox LIMIT ${LONGEST_LINE})`)
    .pluck()
    .get();
  if (line === LONGEST_LINE) return { jobs: 0, isDone: false };
  const ids = db
    .prepare<[number, number, number], number>(
      'SELECT id FROM jobs WHERE id > ? AND id <= ? ORDER BY id LIMIT ?',
    )
    .pluck()
    .all(move.copiedTo, move.copyUntil, limit);
  const last = ids.length < limit ? move.copyUntil : (ids.at(-1) ?? move.copyUntil);
  putInLine(db, ids);
  db.prepare('UPDATE move SET copied_to = ?').run(last);
  return { jobs: ids.length, isDone: last >= move.copyUntil };
}

/** Jobs whose copy is not, or may not be, as their row is. One that is in line already stays as it is. */
export function putInLine(db: Database, jobIds: readonly number[]): void {
  db.exec('UPDATE move SET revision = revision + 1');
  const put = db.prepare<[number]>(`
    INSERT INTO mirror_outbox (job_id, workspace, revision)
    SELECT j.id, q.workspace, m.revision FROM move m CROSS JOIN jobs j CROSS JOIN queues q ON q.id = j.queue_id
    WHERE j.id = ?
    ON CONFLICT DO NOTHING`);
  for (const jobId of jobIds) put.run(jobId);
}
