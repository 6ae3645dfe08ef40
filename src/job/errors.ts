import { durationText } from '../platform/duration-text.js';

/**
 * Exit codes, as sysexits has them where it has one.
 * @see docs/errors.md, which lists every code below (a test compares the two).
 */
export const EXIT = { ok: 0, failed: 1, usage: 64, unavailable: 69, busy: 75, config: 78 } as const;

interface ErrorKind {
  readonly exitCode: number;
  /** What the user is told; `{name}` is filled from the error's details, `{nameMs}` as a length of time. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Every error that a user can meet. A new one goes here and into docs/errors.md. */
export const ERRORS = {
  CONFIG_INVALID: {
    exitCode: EXIT.config,
    message: 'The config {file} has {count}:\n{problems}',
    remedy: 'Mend the lines named above, then run: dogged check',
  },
  CONFIG_MISSING: {
    exitCode: EXIT.config,
    message: 'There is no config at {file}.',
    remedy: 'Name the right one with -c, or write one with: dogged init',
  },
  USAGE: {
    exitCode: EXIT.usage,
    message: '{problem}',
    remedy: 'See: dogged {command} --help',
  },
  STATE_IN_USE: {
    exitCode: EXIT.busy,
    message: 'The state folder {state} belongs to the running worker with PID {pid}.',
    remedy: 'See what it does with: dogged status. End it with: dogged stop',
  },
  STORE_BUSY: {
    exitCode: EXIT.busy,
    message: 'The database {file} was locked by another process for {waitedMs}.',
    remedy: 'Try again; if it stays so, find the holder with: fuser -v {file}',
  },
  STORE_DAMAGED: {
    exitCode: EXIT.failed,
    message: 'The database {file} is damaged: {detail}',
    remedy:
      'The next worker moves it aside and goes on with the newest sound backup: dogged restart. To choose another backup yourself, see docs/operating.md.',
  },
  STORE_TOO_NEW: {
    exitCode: EXIT.config,
    message: 'The database {file} has schema {found}, this program knows {known}.',
    remedy: 'It was written by a newer dogged: install that version or a later one.',
  },
  STORE_TOO_OLD: {
    exitCode: EXIT.config,
    message: 'The database {file} has schema {found}, this program needs {known}.',
    remedy: 'A newer program was installed: bring the database up to it with: dogged restart',
  },
  BACKUP_FAILED: {
    exitCode: EXIT.failed,
    message:
      'The database must be brought up to this version, and no backup of it could be written to {folder}: {detail}',
    remedy:
      'Make as much room there as the database takes, then start again. Nothing was changed: the version before this one still works with it.',
  },
  BACKUP_UNWRITTEN: {
    exitCode: EXIT.failed,
    message: 'No backup was written to {file}: {detail}.',
    remedy: 'Name a new file in a folder with room. Nothing else was changed.',
  },
  REPORT_UNWRITTEN: {
    exitCode: EXIT.failed,
    message: 'No report was written to {file}: {detail}.',
    remedy: 'Name a new file in a folder with room, or print it with: dogged report -',
  },
  STORE_UNSAFE: {
    exitCode: EXIT.config,
    message: 'This SQLite cannot keep what it promises: {detail}',
    remedy: 'Reinstall the packages (npm ci) and keep the state folder on a local disk.',
  },
  STORE_UNWRITABLE: {
    exitCode: EXIT.failed,
    message: 'The database {file} could not be written: {detail}',
    remedy:
      'See that its disk has room, is not mounted read-only and belongs to you. Nothing was half written.',
  },
  STORE_MISSING: {
    exitCode: EXIT.failed,
    message: 'There is no database at {file}: nothing has run here yet.',
    remedy: 'Start it with: dogged start',
  },
  STORE_ELSEWHERE: {
    exitCode: EXIT.config,
    message: 'Jobs of {state} stand in Redis at {address}, and the config says store: {store}.',
    remedy:
      'Write this into the config: store: {address}. Start, then bring them home with: dogged migrate --to sqlite. Nothing was changed: run from here, they would run twice.',
  },
  REDIS_AWAY: {
    exitCode: EXIT.unavailable,
    message: 'Redis at {address} is away: {detail}.',
    remedy:
      'Nothing is lost, and what has begun goes on by itself. Try Redis with: redis-cli -u {address} PING',
  },
  REDIS_REFUSED: {
    exitCode: EXIT.config,
    message: 'Redis at {address} does not let us in: {detail}.',
    remedy:
      'Set DOGGED_REDIS_USERNAME and DOGGED_REDIS_PASSWORD in the environment, of this command and of the worker (dogged restart).',
  },
  REDIS_UNSAFE: {
    exitCode: EXIT.unavailable,
    message: 'Redis at {address} cannot be trusted with jobs: {detail}.',
    remedy: 'Mend it as said above. A worker that waits for it starts by itself.',
  },
  MOVE_REFUSED: {
    exitCode: EXIT.failed,
    message: 'The jobs cannot move from {source} to {target}: {detail}.',
    remedy: 'Mend what is said above, then run it again. Nothing was changed.',
  },
  MOVE_UNDER_WAY: {
    exitCode: EXIT.failed,
    message: 'The jobs are moving from {source} to {target} already.',
    remedy: 'Go on with: dogged migrate. Or take it back first: dogged migrate --rollback',
  },
  MOVE_LOCKED_OUT: {
    exitCode: EXIT.config,
    message: 'The move cannot go on: {detail}.',
    remedy: 'The move stays as it is. Once the worker is let in, go on with: dogged migrate',
  },
  MOVE_DIVERGED: {
    exitCode: EXIT.failed,
    message: 'Both sides are not equal: {detail}.',
    remedy: 'Nothing was moved, and what differs is mirrored again. Look once more with: dogged migrate',
  },
  MOVE_UNEQUAL: {
    exitCode: EXIT.failed,
    message: 'After the cutover {count} open job(s) are not as they were before: {ids}.',
    remedy: 'Look at one with: dogged job ID. To take it back: dogged migrate --rollback',
  },
  MOVE_NONE: {
    exitCode: EXIT.failed,
    message: 'Nothing is being moved: the jobs run from {store}.',
    remedy:
      'To go back from Redis: dogged migrate --to sqlite. To look at a move: dogged migrate --to STORE --dry-run',
  },
  WORKER_NEEDED: {
    exitCode: EXIT.unavailable,
    message: 'No worker runs, and only a worker can move jobs.',
    remedy: 'Start it with: dogged start. Then run this again.',
  },
  OWNER_CHANGED: {
    exitCode: EXIT.busy,
    message: 'Another worker has taken over this state folder (epoch {found}, ours is {ours}).',
    remedy: 'This worker stops by itself; see who runs with: dogged status',
  },
  JOB_UNKNOWN: {
    exitCode: EXIT.failed,
    message: 'There is no job {id}.',
    remedy: 'List them with: dogged jobs',
  },
  OUTAGE_UNKNOWN: {
    exitCode: EXIT.failed,
    message: 'There is no outage {id}.',
    remedy: 'List them with: dogged outages',
  },
  TASK_UNKNOWN: {
    exitCode: EXIT.usage,
    message: 'The config has no task "{task}". It has: {known}.',
    remedy: 'Use one of these names, or add the task to the config.',
  },
  SOURCE_UNKNOWN: {
    exitCode: EXIT.usage,
    message: 'The config has no source "{source}". It has: {known}.',
    remedy: 'Use one of these names, or add the source to the config.',
  },
  PAYLOAD_INVALID: {
    exitCode: EXIT.usage,
    message: 'The payload is refused: {detail}',
    remedy: 'Give one JSON value, for example \'{"title":"hello"}\'',
  },
  WORKSPACE_INVALID: {
    exitCode: EXIT.usage,
    message: '"{workspace}" is not a workspace id.',
    remedy: 'Use 1 to 32 of a-z, 0-9, _ and -, beginning with a letter or a digit.',
  },
  APPEND_REFUSED: {
    exitCode: EXIT.failed,
    message: 'Nothing was appended to {file}: {detail}',
    remedy: 'The file was left as it was. Mend it, then append again.',
  },
  APPEND_BUSY: {
    exitCode: EXIT.busy,
    message: 'Nothing was appended to {file}: PID {pid} has been at it for more than {waitedMs}.',
    remedy: 'Try again; if it stays so, look at that process.',
  },
  HANDOFF_BROKEN: {
    exitCode: EXIT.failed,
    message: 'Nothing of this batch was stored: a hand-off ({at}) was broken: {why}.',
    remedy: 'It is read again. What was seen: dogged trace {cycle}',
  },
  TRACE_UNKNOWN: {
    exitCode: EXIT.failed,
    message: 'Nothing is known of {what}.',
    remedy: 'Name a cycle (the last 10,000 are kept), a job, or SOURCE:KEY. List jobs with: dogged jobs',
  },
  START_FAILED: {
    exitCode: EXIT.failed,
    message: '{what} {detail}',
    remedy: 'Read why with: dogged logs',
  },
  STOP_FAILED: {
    exitCode: EXIT.failed,
    message: 'The {role} with PID {pid} is still there after {waitedMs}.',
    remedy: 'Look at it with: ps -o pid,stat,wchan,cmd -p {pid}',
  },
  SERVICE_REFUSED: {
    exitCode: EXIT.failed,
    message: 'The unit {file} was left alone: {detail}',
    remedy: 'See what would be written with: dogged service print',
  },
  TIMED_OUT: {
    exitCode: EXIT.failed,
    message: '{what} did not come about within {waitedMs}. {detail}',
    remedy: 'Look with: dogged status',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** The one error class that reaches a user. Carries a code from the registry and the details that fill its message. */
export class DoggedError extends Error {
  readonly code: ErrorCode;
  readonly exitCode: number;
  readonly remedy: string;

  constructor(
    code: ErrorCode,
    details: Readonly<Record<string, string | number>> = {},
    options?: ErrorOptions,
  ) {
    const kind = ERRORS[code];
    super(fill(kind.message, details), options);
    this.name = 'DoggedError';
    this.code = code;
    this.exitCode = kind.exitCode;
    this.remedy = fill(kind.remedy, details);
  }
}

function fill(template: string, details: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = details[name] ?? whole;
    return typeof value === 'number' && name.endsWith('Ms') ? durationText(value) : String(value);
  });
}
