import { PLACES } from '../../../job/job.js';

/** What became of each hand-off. Why it looks like this: docs/decisions/0012-a-trace-of-every-hand-off.md. */
export const TRACES = `
  -- Dead letters whose stored payload did not match its hash: nearly always none.
  CREATE INDEX jobs_damaged ON jobs (id)
    WHERE place = ${PLACES.failed} AND reason = 'integrity';
`;
