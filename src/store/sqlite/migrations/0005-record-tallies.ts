import { PLACES } from '../../../job/job.js';
import { COUNTED } from '../tally.js';

/**
 * How many records of each scope stand in which state. Why they are counted as jobs move and not when somebody asks:
 * docs/decisions/0015-records-are-counted-as-they-move.md.
 */
export const RECORD_TALLIES = `
  -- Jobs and records in one table, so in one page: nearly every commit writes both.
  CREATE TABLE counts (
    kind      INTEGER NOT NULL,
    owner_id  INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    amount    INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (kind, owner_id, place)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO counts SELECT ${COUNTED.jobs}, queue_id, place, jobs FROM tallies;
  DROP TABLE tallies;
  CREATE VIEW tallies (queue_id, place, jobs) AS
    SELECT owner_id, place, amount FROM counts WHERE kind = ${COUNTED.jobs};
  -- By the last job of each record. place: of the job, or where it ended before it was pruned; all that wait count as ${PLACES.parked}.
  CREATE VIEW record_tallies (scope_id, place, records) AS
    SELECT owner_id, place, amount FROM counts WHERE kind = ${COUNTED.records};

  -- 1: a newer version of its record has a job of its own, and that one is counted.
  ALTER TABLE jobs ADD COLUMN outdated INTEGER NOT NULL DEFAULT 0;

  CREATE TEMP TABLE last_jobs (id INTEGER PRIMARY KEY) STRICT;
  INSERT INTO last_jobs SELECT job_id FROM records;
  UPDATE jobs SET outdated = 1 WHERE id NOT IN (SELECT id FROM last_jobs);
  DROP TABLE last_jobs;
  INSERT INTO counts (kind, owner_id, place, amount)
  SELECT ${COUNTED.records}, scope_id, place, sum(records) FROM (
    SELECT scope_id, max(place, ${PLACES.parked}) AS place, count(*) AS records FROM jobs
    WHERE outdated = 0 GROUP BY 1, 2
    UNION ALL
    SELECT scope_id, settled, count(*) FROM records WHERE settled IS NOT NULL GROUP BY 1, 2
  )
  GROUP BY scope_id, place;
`;
