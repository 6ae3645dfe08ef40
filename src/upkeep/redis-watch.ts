import type { Log } from '../platform/log.js';

/** Whether Redis takes jobs, said in the log at each change. */
export interface RedisWatch {
  readonly events: {
    readonly onRemote: (problem: string | null) => void;
    readonly onRemoteWarning: (text: string) => void;
    readonly onRemoteError: (error: unknown) => void;
  };
  /** Jobs run through this Redis from now on; null: through none. */
  moveTo(address: string | null): void;
  /** How often it has ceased to take jobs; null while they run through none. */
  absences(): number | null;
  /** In words; null when all is well. */
  problem(): string | null;
  sayIn(log: Log): void;
}

/** A Redis that is away is no reason to end: intake goes on, jobs wait in the outbox, and all of it goes on by itself. */
export function createRedisWatch(): RedisWatch {
  let address: string | null = null;
  let problem: string | null = null;
  let warning: string | null = null;
  let absences = 0;
  let trouble: string | null = null;
  let log: Log | null = null;
  const say = () => {
    if (problem !== null) log?.warn({ address, problem }, `Redis takes no jobs: ${problem}; they wait here`);
  };
  return {
    events: {
      onRemote(now) {
        const before = problem;
        problem = now;
        if (now === null && before !== null) log?.warn({ address }, 'Redis takes jobs again');
        // One that flaps between two reasons is one absence.
        else if (now !== null && before === null) {
          absences += 1;
          say();
        }
      },
      onRemoteWarning(text) {
        if (text !== warning) log?.warn({ address }, text);
        warning = text;
      },
      onRemoteError(error) {
        // The driver hangs the command and its arguments on an error: payloads do not belong into a log.
        const { message, stack } = error as Error;
        // Four times a second, as long as it lasts: said once.
        if (message === trouble) return;
        trouble = message;
        log?.error({ err: { message, stack } }, 'Unforeseen trouble with Redis; trying again');
      },
    },
    moveTo(now) {
      address = now;
      if (now !== null) return;
      problem = null;
      warning = null;
    },
    absences: () => (address === null ? null : absences),
    problem: () => problem,
    sayIn(where) {
      log = where;
      say();
      if (warning !== null) log.warn({ address }, warning);
    },
  };
}
