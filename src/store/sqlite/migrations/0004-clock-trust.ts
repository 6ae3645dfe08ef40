import { PLACES } from '../../../job/job.js';

/**
 * What is known of the wall clock. Why a retry's time is moved, and not stored as a length:
 * docs/decisions/0014-what-waits-for-a-retry-moves-with-the-clock.md.
 */
export const CLOCK_TRUST = `
  -- The last pulse with a clock that was trusted.
  ALTER TABLE meta ADD COLUMN trusted_at INTEGER;

  -- By how much the wall clock has been set in all, as far as a worker has seen it.
  ALTER TABLE meta ADD COLUMN clock_moved INTEGER NOT NULL DEFAULT 0;

  -- Of a job that waits for another try: clock_moved when run_at was set. NULL: run_at is a time that somebody named.
  ALTER TABLE jobs ADD COLUMN retry_clock INTEGER;

  UPDATE jobs SET retry_clock = 0
  WHERE place = ${PLACES.scheduled} AND place <= ${PLACES.parked} AND attempt > 0 AND reason IS NOT NULL;

  CREATE INDEX jobs_retrying ON jobs (retry_clock, run_at)
    WHERE place = ${PLACES.scheduled} AND retry_clock IS NOT NULL;
`;
