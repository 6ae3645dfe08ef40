import { isLoginRefused } from './bullmq/address.js';

/*
 * Moving jobs from one store to another while they run: what `dogged migrate` does, and what screens tell of it.
 */

/**
 * - `dual`: the old store runs everything; each change is mirrored in Redis.
 * - `cutover`: the worker hands the open jobs over, or, to SQLite, calls them home.
 * - `moved`: the new store runs everything; the mirror is still kept, and the way back is open.
 * - `return`: the way back, for good: the worker undoes a cutover.
 * - `ending`: whatever store runs things now keeps them. Nothing is mirrored any more; what is left of it is removed.
 */
export type MovePhase = 'dual' | 'cutover' | 'moved' | 'return' | 'ending';

/** Which store is to run the jobs in this phase; null: the one that does. */
export function wantedStore({
  phase,
  source,
  target,
}: Pick<Move, 'phase' | 'source' | 'target'>): string | null {
  switch (phase) {
    case 'dual':
    case 'return':
      return source;
    case 'cutover':
    case 'moved':
      return target;
    case 'ending':
      return null;
  }
}

export interface Move {
  /** `sqlite`, or the address of a Redis without user and password. */
  readonly target: string;
  /** The same of the store that the jobs come from. */
  readonly source: string;
  readonly phase: MovePhase;
  readonly startedAtMs: number;
  /** Part of the keys of the mirror; null without one. */
  readonly mirror: string | null;
  /** Jobs that were put in line for the mirror so far, by id, and up to which; null: the copy has not begun. */
  readonly copiedTo: number;
  readonly copyUntil: number | null;
  /** Changes that the mirror still has to follow. */
  readonly behind: number;
  readonly verifiedAtMs: number | null;
  /** Jobs that differed at the last look at both sides, and those that readers have met since; null: nobody has looked. */
  readonly divergent: number | null;
  /** Jobs up to this id that were open when the target took over; null before. */
  readonly cutoverUntil: number | null;
  readonly cutoverAtMs: number | null;
  /** Why the move does not go on. */
  readonly problem: string | null;
  readonly problemSinceMs: number | null;
  /** Why the mirror takes nothing, or not all. */
  readonly mirrorProblem: string | null;
  readonly mirrorProblemSinceMs: number | null;
}

/** Why a worker cannot use the Redis of a move, in words; `why`: those of Redis. */
export function awayText(address: string, why: string): string {
  if (!isLoginRefused(why)) return `Redis at ${address} is away: ${why}`;
  return `the worker cannot log in to Redis at ${address} (${why}): give it DOGGED_REDIS_USERNAME and DOGGED_REDIS_PASSWORD in its environment, then: dogged restart`;
}

/** Why the mirror takes nothing, or not all, in words for a user; null: it does. */
export function mirrorProblemText({ mirrorProblem, source, target }: Move): string | null {
  if (mirrorProblem === null) return null;
  return isLoginRefused(mirrorProblem)
    ? awayText(target === 'sqlite' ? source : target, mirrorProblem)
    : `the mirror in Redis does not follow: ${mirrorProblem}`;
}

/** What keeps a move from going on; null: nothing that is known of. */
export function hindranceOf(move: Move): string | null {
  return move.problem ?? mirrorProblemText(move);
}

/** What keeps it is that Redis does not let the worker in. */
export function isLockedOut({ problem, mirrorProblem }: Pick<Move, 'problem' | 'mirrorProblem'>): boolean {
  return isLoginRefused(problem ?? mirrorProblem ?? '');
}

/** Which store runs the jobs, where that was decided by a move and the config may still name another. */
export interface ChosenStore {
  readonly store: string;
  readonly atMs: number;
}

/** What a user is told while the config names another store than the one that runs the jobs. */
export function chosenStoreText(store: string): string {
  return `Jobs run from ${store}, to which dogged migrate has moved them. The config has to say so: write this line into it: store: ${store}`;
}
