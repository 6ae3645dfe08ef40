/** By what names workers have spoken to a Redis: see docs/decisions/0022-one-worker-speaks-for-a-state-folder.md. */
export const VOICE = `
  CREATE TABLE voice (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    -- Of the last worker that was about to speak; it may have.
    name    TEXT    NOT NULL,
    -- Of the last that is known to have spoken.
    spoken  TEXT,
    -- Boot, device and inode of the state folder then: in a copy they are others.
    place   TEXT    NOT NULL
  ) STRICT;
`;
