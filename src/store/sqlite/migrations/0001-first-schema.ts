import { PLACES } from '../../../job/job.js';

const { ready, parked, running, failed, cancelled } = PLACES;

/**
 * The first schema. Why it looks like this, and what was measured: docs/decisions/0001-sqlite-schema.md.
 *
 * All tables are STRICT. Times are wall-clock milliseconds. Every index of jobs is partial, so that a job stands only in
 * those of the place where it is now. A query must repeat an index's condition word for word to use it, and names it with
 * INDEXED BY: then no statistics can ever talk the planner into another way.
 */
export const FIRST_SCHEMA = `
  -- One row: who owns this store. The worker's pulse is a commit to it.
  CREATE TABLE meta (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    store_id     TEXT    NOT NULL,
    epoch        INTEGER NOT NULL,
    boot_id      TEXT,
    pid          INTEGER,
    start_ticks  INTEGER,
    nonce        TEXT,
    clean_stop   INTEGER NOT NULL,
    owned_at     INTEGER,
    pulse_at     INTEGER,
    paused       INTEGER NOT NULL,
    last_job_id  INTEGER NOT NULL
  ) STRICT;

  -- Where keys are unique. kind: 0 a source, 1 a task for jobs added by hand.
  CREATE TABLE scopes (
    id         INTEGER PRIMARY KEY,
    workspace  TEXT    NOT NULL,
    kind       INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    records    INTEGER NOT NULL DEFAULT 0,
    rejected   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (workspace, kind, name)
  ) STRICT;

  CREATE TABLE cursors (
    scope_id  INTEGER NOT NULL REFERENCES scopes (id),
    path      TEXT    NOT NULL,
    epoch     INTEGER NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (scope_id, path)
  ) STRICT, WITHOUT ROWID;

  -- The ledger: every key ever admitted, for ever. settled: the last place of a job that was pruned.
  CREATE TABLE records (
    scope_id       INTEGER NOT NULL,
    key_hash       BLOB    NOT NULL,
    version_hash   BLOB    NOT NULL,
    version_order  REAL,
    job_id         INTEGER NOT NULL,
    settled        INTEGER,
    PRIMARY KEY (scope_id, key_hash)
  ) STRICT, WITHOUT ROWID;

  CREATE TRIGGER records_are_for_ever BEFORE DELETE ON records
  BEGIN
    SELECT RAISE (ABORT, 'the ledger forgets nothing');
  END;

  -- How often the current reading has met each content that has no key of its own.
  CREATE TABLE occurrences (
    scope_id      INTEGER NOT NULL,
    content_hash  BLOB    NOT NULL,
    generation    INTEGER NOT NULL,
    seen          INTEGER NOT NULL,
    PRIMARY KEY (scope_id, content_hash)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE rejects (
    id        INTEGER PRIMARY KEY,
    scope_id  INTEGER NOT NULL REFERENCES scopes (id),
    path      TEXT    NOT NULL,
    digest    BLOB    NOT NULL,
    line      INTEGER,
    offset    INTEGER,
    length    INTEGER,
    key       TEXT,
    reason    TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    remedy    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    UNIQUE (scope_id, path, digest)
  ) STRICT;

  -- What the config says of a task that a transaction must know, whatever process it runs in.
  CREATE TABLE tasks (
    task          TEXT    PRIMARY KEY,
    group_limit   INTEGER,
    max_attempts  INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE queues (
    id         INTEGER PRIMARY KEY,
    workspace  TEXT    NOT NULL,
    task       TEXT    NOT NULL,
    paused     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (workspace, task)
  ) STRICT;

  -- Permits that are out, for groups that hold any: ready + running jobs.
  CREATE TABLE groups (
    queue_id  INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    held      INTEGER NOT NULL CHECK (held > 0),
    PRIMARY KEY (queue_id, name)
  ) STRICT, WITHOUT ROWID;

  -- How many jobs stand where: screens must not count a million rows.
  CREATE TABLE tallies (
    queue_id  INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    jobs      INTEGER NOT NULL CHECK (jobs >= 0),
    PRIMARY KEY (queue_id, place)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE jobs (
    id                INTEGER PRIMARY KEY,
    queue_id          INTEGER NOT NULL REFERENCES queues (id),
    scope_id          INTEGER NOT NULL REFERENCES scopes (id),
    place             INTEGER NOT NULL,
    rank              INTEGER NOT NULL,
    priority          INTEGER NOT NULL,
    run_at            INTEGER NOT NULL,
    expires_at        INTEGER,
    group_name        TEXT,
    attempt           INTEGER NOT NULL DEFAULT 0,
    charged           INTEGER NOT NULL DEFAULT 0,
    crashes           INTEGER NOT NULL DEFAULT 0,
    max_attempts      INTEGER NOT NULL,
    timeout_ms        INTEGER,
    epoch             INTEGER NOT NULL DEFAULT 0,
    -- The running job of the same record that must end first.
    after_job         INTEGER,
    cancel_requested  INTEGER NOT NULL DEFAULT 0,
    -- Raised by each redrive: the only way out of a terminal place.
    redrives          INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL,
    started_at        INTEGER,
    ended_at          INTEGER,
    late_by           INTEGER,
    exit_code         INTEGER,
    key               TEXT    NOT NULL,
    version_hash      BLOB    NOT NULL,
    version_order     REAL,
    cycle             TEXT    NOT NULL,
    reason            TEXT,
    result            TEXT,
    payload_hash      BLOB    NOT NULL,
    -- NULL: too large for the row, stands in payloads.
    payload           BLOB
  ) STRICT;

  CREATE TABLE payloads (
    job_id  INTEGER PRIMARY KEY,
    bytes   BLOB    NOT NULL
  ) STRICT;

  -- The line: one seek per queue and claim.
  CREATE INDEX jobs_ready ON jobs (queue_id, rank, id)
    WHERE place = ${ready};
  -- The best job of a group that gets a permit back.
  CREATE INDEX jobs_parked ON jobs (queue_id, group_name, rank, id)
    WHERE place = ${parked} AND after_job IS NULL;
  -- Newer versions that wait for a running job.
  CREATE INDEX jobs_successors ON jobs (after_job)
    WHERE place = ${parked} AND after_job IS NOT NULL;
  -- What becomes due next, what is due longest; covers the recount of permits and tallies.
  CREATE INDEX jobs_waiting ON jobs (place, run_at, queue_id, group_name)
    WHERE place <= ${parked};
  CREATE INDEX jobs_expiring ON jobs (expires_at)
    WHERE place <= ${parked} AND expires_at IS NOT NULL;
  -- Orphans of older epochs; covers the recount.
  CREATE INDEX jobs_running ON jobs (epoch, queue_id, group_name)
    WHERE place = ${running};
  CREATE INDEX jobs_cancelling ON jobs (epoch)
    WHERE place = ${running} AND cancel_requested = 1;
  -- Pruning by age, lists by state; covers the recount of tallies.
  CREATE INDEX jobs_ended ON jobs (queue_id, place, ended_at)
    WHERE place > ${running};

  CREATE TRIGGER jobs_terminal_is_terminal AFTER UPDATE OF place ON jobs
  WHEN OLD.place > ${running}
    AND NEW.place <> OLD.place
    AND NOT (OLD.place IN (${failed}, ${cancelled}) AND NEW.place <= ${parked} AND NEW.redrives = OLD.redrives + 1)
  BEGIN
    SELECT RAISE (ABORT, 'terminal is terminal');
  END;

  CREATE TRIGGER jobs_are_pruned_only_after_their_end BEFORE DELETE ON jobs
  WHEN OLD.place <= ${running}
  BEGIN
    SELECT RAISE (ABORT, 'a job that has not ended cannot be removed');
  END;

  -- Attempts that have ended. The one that runs is in its job's row: that is what a claim commits.
  CREATE TABLE attempts (
    job_id      INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    outcome     INTEGER NOT NULL,
    exit_code   INTEGER,
    signal      TEXT,
    reason      TEXT,
    PRIMARY KEY (job_id, attempt)
  ) STRICT, WITHOUT ROWID;

  -- Only attempts that printed something have a row.
  CREATE TABLE outputs (
    job_id   INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    stdout   TEXT,
    stderr   TEXT,
    PRIMARY KEY (job_id, attempt)
  ) STRICT, WITHOUT ROWID;

  -- What people or the program did to a job, and after which of its attempts: clocks can jump, that number cannot.
  CREATE TABLE events (
    job_id         INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    after_attempt  INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    event          TEXT    NOT NULL,
    detail         TEXT    NOT NULL,
    PRIMARY KEY (job_id, number)
  ) STRICT, WITHOUT ROWID;

  INSERT INTO meta (one, store_id, epoch, clean_stop, paused, last_job_id)
  VALUES (1, lower (hex (randomblob (8))), 0, 1, 0, 0);

`;
