/** By what name the last worker has spoken to a Redis: see docs/decisions/0022-one-worker-speaks-for-a-state-folder.md. */
export const VOICE = `
  CREATE TABLE voice (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    name  TEXT    NOT NULL
  ) STRICT;
`;
