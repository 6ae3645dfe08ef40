/**
 * Jobs whose attempts run through Redis. All of it is empty where the store is SQLite alone. Why a job keeps its row here:
 * docs/decisions/0019-jobs-in-redis-keep-their-rows.md.
 */
export const OUTBOX = `
  -- One row once a worker has run with Redis.
  CREATE TABLE remote (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    site           TEXT    NOT NULL,
    -- For people: without user and password.
    address        TEXT    NOT NULL,
    -- Random, written to Redis too: when it is missing there, Redis has lost what it held.
    life           TEXT,
    -- The last end of ours that was read from Redis.
    ends_at        TEXT    NOT NULL DEFAULT '0-0',
    problem        TEXT,
    problem_since  INTEGER
  ) STRICT;

  -- Every job that is ready or runs while the store is Redis. state: 0 waits to be sent; 1 it is not known whether Redis
  -- holds it; 2 Redis holds it; 3 it runs here; 4 its group is full at other machines; 5 nobody could tell whether it runs.
  CREATE TABLE outbox (
    job_id    INTEGER PRIMARY KEY,
    state     INTEGER NOT NULL DEFAULT 0,
    rank      INTEGER NOT NULL,
    redis_id  TEXT,
    -- Of the claim, while it runs here.
    token     TEXT
  ) STRICT;

  CREATE INDEX outbox_by_state ON outbox (state, rank, job_id);
  CREATE INDEX outbox_by_redis_id ON outbox (redis_id) WHERE redis_id IS NOT NULL;

  -- Jobs of other machines that run here: claim is JSON, the rest is what a next worker needs to end them.
  CREATE TABLE foreign_claims (
    redis_id    TEXT    PRIMARY KEY,
    epoch       INTEGER NOT NULL,
    origin      TEXT    NOT NULL,
    token       TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    claim       TEXT    NOT NULL,
    payload     BLOB    NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
