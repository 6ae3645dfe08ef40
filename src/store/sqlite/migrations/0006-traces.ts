import { PLACES } from '../../../job/job.js';

/** What became of each hand-off. Why it looks like this: docs/decisions/0016-a-trace-of-every-hand-off.md. */
export const TRACES = `
  -- Dead letters whose stored payload did not match its hash: nearly always none.
  CREATE INDEX jobs_damaged ON jobs (id)
    WHERE place = ${PLACES.failed} AND reason = 'integrity';

  -- The account of each poll that found something, and of each \`dogged add\`; the newest 10,000 are kept.
  CREATE TABLE cycles (
    number    INTEGER PRIMARY KEY,
    cycle     TEXT    NOT NULL UNIQUE,
    scope_id  INTEGER NOT NULL REFERENCES scopes (id),
    at        INTEGER NOT NULL,
    broken    INTEGER NOT NULL,
    -- JSON: first and last id of each stretch of jobs, in the order in which they were written.
    jobs      TEXT    NOT NULL,
    -- JSON: its checkpoints, and what was lost between them.
    body      TEXT    NOT NULL
  ) STRICT;

  CREATE INDEX cycles_broken ON cycles (number)
    WHERE broken = 1;
`;
