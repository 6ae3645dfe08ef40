import type { DoggedError } from '../job/errors.js';
import type { Log } from '../platform/log.js';

/** Whether the disk takes what the database writes. */
export interface StorageWatch {
  /** The store's word: a problem, or null when a write has succeeded again. */
  tell(problem: DoggedError | null): void;
  /** In words; null when all is well. */
  problem(): string | null;
  /** Says each change there. */
  sayIn(log: Log): void;
}

/**
 * A full or read-only disk is no reason to end: polls and turns are refused and tried again, so the work goes on by itself when
 * there is room. Said once at its beginning and once at its end.
 */
export function createStorageWatch(): StorageWatch {
  let problem: string | null = null;
  let log: Log | null = null;
  return {
    tell(error) {
      problem = error?.message ?? null;
      if (error === null) log?.warn('the disk takes writes again: intake and claims go on');
      else log?.error({ err: error }, 'the disk takes no writes: intake and claims wait until it does');
    },
    problem: () => problem,
    sayIn(where) {
      log = where;
    },
  };
}
