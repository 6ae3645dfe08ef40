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
 * From this commit on every change of a job is put in line for the mirror. Needs the row of `move`; the jobs that are there
 * already come with `startCopy`. Returns the id of the mirror, which stands in its keys.
 */
export function startMirror(db: Database): string {
  const mirror = randomBytes(6).toString('hex');
  const { changes } = db
    .prepare(`
      UPDATE move SET mirror = ?, copied_to = 0, copy_until = NULL, verified_at = NULL, divergent = NULL,
        mirror_problem = NULL, mirror_problem_since = NULL`)
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

/** From now on the worker copies the jobs that are there already, by `copyNext`; what it had copied before it copies again. */
export function startCopy(db: Database): void {
  db.exec('UPDATE move SET copied_to = 0, copy_until = (SELECT last_job_id FROM meta)');
}

/** Puts the next jobs of the copy in line; goes on where it stopped, in whatever process. False when there are no more. */
export function copyNext(db: Database, limit: number): boolean {
  const move = db
    .prepare<[], { copiedTo: number; copyUntil: number }>(`
      SELECT copied_to AS copiedTo, copy_until AS copyUntil FROM move WHERE copied_to < copy_until`)
    .get();
  if (move === undefined) return false;
  const ids = db
    .prepare<[number, number, number], number>(
      'SELECT id FROM jobs WHERE id > ? AND id <= ? ORDER BY id LIMIT ?',
    )
    .pluck()
    .all(move.copiedTo, move.copyUntil, limit);
  putInLine(db, ids);
  const last = ids.length < limit ? move.copyUntil : ids.at(-1);
  db.prepare('UPDATE move SET copied_to = ?').run(last);
  return true;
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
