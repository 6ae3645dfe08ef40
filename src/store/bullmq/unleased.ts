import type { Database } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import type { Claim } from '../contract.js';
import { rowIdOf } from '../sqlite/core.js';

/*
 * Attempts of which Redis knows nothing: claimed before the jobs were handed over to it, or taken home from it. Their ends
 * are written down here alone.
 */

export function isUnleased(
  db: Database,
  { id, epoch, attempt }: Pick<Claim, 'id' | 'epoch' | 'attempt'>,
): boolean {
  const rowId = rowIdOf(id);
  if (rowId === null) return false;
  const found = db
    .prepare(`
      SELECT 1 FROM jobs
      WHERE id = ? AND place = ${PLACES.running} AND epoch = ? AND attempt = ?
        AND NOT EXISTS (SELECT 1 FROM outbox WHERE job_id = jobs.id AND token IS NOT NULL)`)
    .get(rowId, epoch, attempt);
  return found !== undefined;
}

/** Whether one of them runs here. */
export function anyUnleased(db: Database, epoch: number): boolean {
  const found = db
    .prepare(`
      SELECT 1 FROM jobs INDEXED BY jobs_running
      WHERE place = ${PLACES.running} AND epoch = ?
        AND NOT EXISTS (SELECT 1 FROM outbox WHERE job_id = jobs.id AND token IS NOT NULL)
      LIMIT 1`)
    .get(epoch);
  return found !== undefined;
}
