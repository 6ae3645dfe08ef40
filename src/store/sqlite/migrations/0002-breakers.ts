/**
 * Breakers and outages. Why an outage that goes on is no row of its own: docs/decisions/0006-an-outage-is-its-breaker.md.
 */
export const BREAKERS = `
  -- What a task's breaker guards: its dependency, else itself. NULL for a task that the config no longer has.
  ALTER TABLE tasks ADD COLUMN breaker TEXT;

  -- Never given twice, also after pruning.
  ALTER TABLE meta ADD COLUMN last_outage_id INTEGER NOT NULL DEFAULT 0;

  -- One row for each breaker that was ever moved. It is open while it has an outage, and only then.
  CREATE TABLE breakers (
    dependency    TEXT    PRIMARY KEY,
    failures      INTEGER NOT NULL,
    -- Of the first failure in a row.
    since         INTEGER,
    outage_id     INTEGER,
    cause         TEXT,
    retry_at      INTEGER,
    last_failure  TEXT,
    CHECK ((outage_id IS NULL) = (retry_at IS NULL)),
    CHECK (outage_id IS NULL OR (since IS NOT NULL AND cause IS NOT NULL))
  ) STRICT, WITHOUT ROWID;

  -- Outages that are over.
  CREATE TABLE outages (
    id          INTEGER PRIMARY KEY,
    dependency  TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    until       INTEGER NOT NULL,
    cause       TEXT    NOT NULL,
    held        INTEGER NOT NULL,
    evidence    TEXT    NOT NULL
  ) STRICT;

  CREATE INDEX outages_over ON outages (until);

  -- Jobs that failed for good while the breaker of their task was open, each with the attempt that was its last.
  CREATE TABLE casualties (
    outage_id  INTEGER NOT NULL,
    job_id     INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    PRIMARY KEY (outage_id, job_id)
  ) STRICT, WITHOUT ROWID;
`;
