/**
 * A move of jobs from one store to another, and dual writing meanwhile. All of it is empty, and no trigger stands in the
 * database, where nothing is being moved. Why it is done so: docs/decisions/0020-moving-while-it-runs.md.
 */
export const MOVE = `
  -- One row while a move is under way. phase: see MovePhase.
  CREATE TABLE move (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    -- 'sqlite', or the address of a Redis without user and password.
    target          TEXT    NOT NULL,
    -- Where the jobs come from, and go back to.
    source          TEXT    NOT NULL,
    phase           TEXT    NOT NULL,
    started_at      INTEGER NOT NULL,
    -- Part of the keys of the mirror; null without one.
    mirror          TEXT,
    -- Of the last change that the mirror has to follow; only grows.
    revision        INTEGER NOT NULL DEFAULT 0,
    -- Jobs up to this id were put in line for the mirror, and up to which that is to be done; null: that was not asked for yet.
    copied_to       INTEGER NOT NULL DEFAULT 0,
    copy_until      INTEGER,
    verified_at     INTEGER,
    -- Open jobs up to this id were there when the new store took over, and when that was.
    cutover_until   INTEGER,
    cutover_at      INTEGER,
    -- Jobs that differed at the last look at both sides, and those that readers have met since.
    divergent       INTEGER,
    -- Why the move does not go on.
    problem         TEXT,
    problem_since   INTEGER,
    -- Why the mirror takes nothing, or not all.
    mirror_problem        TEXT,
    mirror_problem_since  INTEGER
  ) STRICT;

  -- Jobs whose copy in the mirror is not known to be as new as their row. workspace: also of a row that is gone.
  CREATE TABLE mirror_outbox (
    job_id     INTEGER PRIMARY KEY,
    workspace  TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    -- Tries that went wrong.
    failures   INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  -- The line: what went wrong stands behind all that has not been tried.
  CREATE INDEX mirror_outbox_line ON mirror_outbox (failures, revision, job_id);

  -- One row once a move has ended, until the config says the same.
  CREATE TABLE chosen_store (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    store  TEXT    NOT NULL,
    at     INTEGER NOT NULL
  ) STRICT;
`;
