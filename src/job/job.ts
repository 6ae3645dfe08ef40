/** Where a job stands, as users see it. `pending` is due now or at `runAt`; the last four are terminal. */
export const JOB_STATES = ['pending', 'running', 'completed', 'failed', 'cancelled', 'expired'] as const;
export type JobState = (typeof JOB_STATES)[number];

/**
 * The one column that says where a job stands: the public state, with `pending` split by what it waits for.
 *
 * - `scheduled`: not due yet.
 * - `ready`: due, and its group's permit is paid: a claim may take it without asking anything more.
 * - `parked`: due, but its group is full, or an older version of the same record is still running.
 *
 * The numbers are stored: never renumber them.
 */
export const PLACES = {
  scheduled: 0,
  ready: 1,
  parked: 2,
  running: 3,
  completed: 4,
  failed: 5,
  cancelled: 6,
  expired: 7,
} as const;
export type Place = keyof typeof PLACES;

/** How many jobs stand in each place. */
export type PlaceTotals = Readonly<Record<Place, number>>;

const PLACE_NAMES = Object.keys(PLACES) as Place[];

export function placeFromCode(code: number): Place {
  const place = PLACE_NAMES[code];
  if (place === undefined) throw new RangeError(`no place has the code ${code}`);
  return place;
}

export function stateOfPlace(place: Place): JobState {
  return place === 'scheduled' || place === 'ready' || place === 'parked' ? 'pending' : place;
}

export function isTerminal(state: JobState): boolean {
  return state !== 'pending' && state !== 'running';
}

/** Minutes that one step of priority is worth in the line: see `rankOf`. */
export const PRIORITY_STEP_MS = 60_000;
export const MAX_PRIORITY = 1000;

/**
 * The one number by which ready jobs are ordered, smallest first. A job of priority N stands in the line as if
 * it had become due N minutes earlier, so important work goes first and nothing starves.
 */
export function rankOf(runAtMs: number, priority: number): number {
  return runAtMs - priority * PRIORITY_STEP_MS;
}

/**
 * A job that was running at this many deaths of a worker runs alone from then on: if it is the cause, it takes nobody
 * along any more, and if it is innocent, it comes to its end.
 */
export const ALONE_FROM_CRASHES = 2;

/** The public name of a job: digits on SQLite, a deterministic string elsewhere. Never parse it otherwise than `isOwnJob`. */
export type JobId = string;

const WORKSPACE = /^[a-z0-9][a-z0-9_-]{0,31}$/;

/** Checked at every door through which a workspace id can come in: also one that is missing, which looks like a word. */
export function isWorkspaceId(id: unknown): id is string {
  return typeof id === 'string' && WORKSPACE.test(id);
}

/** Jobs of other machines that run here have ids that say nothing to people. */
export function isOwnJob(id: JobId): boolean {
  return /^\d+$/.test(id);
}
