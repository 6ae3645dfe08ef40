import { existsSync } from 'node:fs';
import { type Location, locate } from '../config/locate.js';
import { DoggedError } from '../job/errors.js';
import type { JobId } from '../job/job.js';
import type { Clock } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import type { ClaimStore } from '../store/contract.js';
import type { Store, Upgrade } from '../store/engine.js';
import { openJobReads, openStore, putMirrorRight, upgradeText } from '../store/open.js';
import type { JobSummary, ReadStore } from '../store/read-contract.js';
import type { TraceReads } from '../store/trace-contract.js';
import { composeSnapshot, lookAtStore, type StoreLook, type SystemSnapshot } from '../view/snapshot.js';
import type { CommonOptions } from './command.js';

/**
 * Config file and state folder that a command line means. A broken config has a state folder too, and so has one that was taken
 * away; throws CONFIG_MISSING where a file was named and there is neither: it is another name that is meant.
 */
export async function locateSystem({ config }: CommonOptions): Promise<Location> {
  const location = await locate(config);
  if (config !== undefined && !location.configExists && !existsSync(location.stateFolder)) {
    throw new DoggedError('CONFIG_MISSING', { file: location.configFile });
  }
  return location;
}

/** What a reader may ask, and whether asking again can give another answer. */
export type Reader = ReadStore & TraceReads & Pick<ClaimStore, 'changedElsewhere'>;

/** Opens the store for reading only, for as long as `work` takes. Throws STORE_MISSING where nothing has run yet. */
export async function withReader<T>(
  stateFolder: string,
  clock: Clock,
  work: (store: Reader) => Promise<T>,
): Promise<T> {
  return closing(await openStore(stateFolder, 'read', clock), work);
}

/**
 * The same for who shows jobs: while a move keeps a mirror, `jobs` asks that first. What differs there is put right, and
 * `note` tells where that could not be done.
 */
export async function withJobReader<T>(
  stateFolder: string,
  clock: Clock,
  note: (text: string) => void,
  work: (store: Reader, jobs: Pick<ReadStore, 'get' | 'list'>) => Promise<T>,
): Promise<T> {
  const store = await openStore(stateFolder, 'read', clock);
  return closing(store, async () => {
    const jobs = await openJobReads(store, clock);
    try {
      return await work(store, jobs);
    } finally {
      jobs.close();
      if (jobs.divergent.size > 0) await putRight(stateFolder, clock, jobs.divergent, note);
    }
  });
}

/** A screen shows the rows in any case: that the mirror could not be put right is told, and found again by the next look. */
async function putRight(
  stateFolder: string,
  clock: Clock,
  divergent: ReadonlySet<string>,
  note: (text: string) => void,
): Promise<void> {
  const jobs = plural(divergent.size, 'job differs', 'jobs differ');
  try {
    await withStore(stateFolder, clock, (store) => putMirrorRight(store, divergent));
    note(`${jobs} in the mirror from what is shown here; sent to it again`);
  } catch (error) {
    if (!(error instanceof DoggedError)) throw error;
    note(`${jobs} in the mirror from what is shown here: ${error.message}`);
  }
}

/** Opens the store to change what is there already, for as long as `work` takes. Throws STORE_MISSING where nothing is. */
export async function withExisting<T>(
  stateFolder: string,
  clock: Clock,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  // Opening it as a command would create it, and a wrong folder would go unnoticed.
  await withReader(stateFolder, clock, async () => undefined);
  return withStore(stateFolder, clock, work);
}

/** Opens the store for a short change; makes it where there is none, and brings an older one up to date, which is noted. */
export async function withStore<T>(
  stateFolder: string,
  clock: Clock,
  work: (store: Store) => Promise<T>,
  note: (text: string) => void = () => undefined,
): Promise<T> {
  const onUpgrade = (upgrade: Upgrade) => note(upgradeText(upgrade));
  return closing(await openStore(stateFolder, 'command', clock, { onUpgrade }), work);
}

/**
 * Brings the database of an older program up to date before the worker is started: here a large one may take its time,
 * and the user is told. Leaves it alone where there is none, or where a worker has it.
 */
export async function upgradeStore(
  stateFolder: string,
  clock: Clock,
  note: (text: string) => void,
): Promise<void> {
  const codeOf = (error: unknown) => (error instanceof DoggedError ? error.code : null);
  const found = await withReader(stateFolder, clock, async () => null).catch(codeOf);
  if (found !== 'STORE_TOO_OLD') return;
  try {
    await withStore(stateFolder, clock, async () => undefined, note);
  } catch (error) {
    if (codeOf(error) !== 'STATE_IN_USE') throw error;
  }
}

export interface SystemLook<T> {
  readonly snapshot: SystemSnapshot;
  readonly extras: T;
}

/**
 * The one snapshot that every screen shows, and what a screen reads beside it from the same store. Works without a
 * database and with a broken one: then `extras` is `none`, and the snapshot says why.
 */
export async function lookAtSystem<T>(
  stateFolder: string,
  clock: Clock,
  none: T,
  readExtras: (store: ReadStore & TraceReads) => Promise<T>,
): Promise<SystemLook<T>> {
  let look: StoreLook;
  let extras = none;
  try {
    [look, extras] = await withReader(stateFolder, clock, async (store) => [
      await lookAtStore(store, clock.wallMs()),
      await readExtras(store),
    ]);
  } catch (error) {
    look = storeProblem(error);
  }
  return { snapshot: composeSnapshot(stateFolder, look, clock.wallMs()), extras };
}

/** Told by the snapshot: a database that cannot be read must not hide what the processes do. */
export function storeProblem(error: unknown): StoreLook {
  return error instanceof DoggedError && error.code === 'STORE_MISSING'
    ? { status: 'missing' }
    : { status: 'failed', why: (error as Error).message };
}

/** The jobs of a command line by the workspace of each: ids are unique in a store, so nobody has to name it. */
export async function byWorkspace(
  store: ReadStore,
  ids: readonly JobId[],
): Promise<{ readonly known: ReadonlyMap<string, readonly JobId[]>; readonly unknown: readonly JobId[] }> {
  const found: JobSummary[] = [];
  const unknown: JobId[] = [];
  for (const id of new Set(ids)) {
    const job = await store.get(null, id);
    if (job === null) unknown.push(id);
    else found.push(job);
  }
  return { known: groupByWorkspace(found), unknown };
}

export function groupByWorkspace(jobs: readonly JobSummary[]): ReadonlyMap<string, readonly JobId[]> {
  const groups = new Map<string, JobId[]>();
  for (const { workspace, id } of jobs) {
    const group = groups.get(workspace);
    if (group === undefined) groups.set(workspace, [id]);
    else group.push(id);
  }
  return groups;
}

async function closing<S extends Store, T>(store: S, work: (store: S) => Promise<T>): Promise<T> {
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
