import { PLACES } from '../../../job/job.js';

/** Jobs of plans. */
export const PLANS = `
  -- 1: stands in a plan; 2: was withdrawn by it. NULL for all others.
  ALTER TABLE jobs ADD COLUMN planned INTEGER;

  -- What a plan may no longer have. Nobody else's jobs stand in it.
  CREATE INDEX jobs_planned ON jobs (scope_id, place)
    WHERE planned = 1 AND place <= ${PLACES.running};
`;
