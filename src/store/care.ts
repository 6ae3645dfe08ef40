import { type Clock, systemClock } from '../platform/clock.js';
import type { RemoteEvents, RemoteSettings } from './bullmq/settings.js';
import type { StoreEvents, Upgrade } from './engine.js';
import type { LiveStore } from './live-store.js';

/** A whole copy of the store. */
export interface StoredBackup {
  readonly file: string;
  readonly madeAtMs: number;
  readonly sizeBytes: number;
}

/** That a damaged database was moved aside and another put in its place. */
export interface Restoration {
  readonly atMs: number;
  /** What was found. */
  readonly detail: string;
  /** Name of the damaged one in the state folder. */
  readonly damagedAs: string;
  /** Name of the backup in its place; null: there was no sound one, and it is empty. */
  readonly from: string | null;
  readonly madeAtMs: number | null;
  /** Somebody has read of it. */
  readonly acknowledged: boolean;
}

/** What the config says of Redis; used where jobs run through it, which a move may have decided otherwise. */
export interface ConfiguredRedis {
  /** null: the config says `store: sqlite`. */
  readonly url: string | null;
  readonly settings: Omit<RemoteSettings, 'url'>;
  readonly events: RemoteEvents;
}

export interface MendedStore {
  readonly store: LiveStore;
  /** The Redis through which jobs run, without user and password; null: SQLite alone. */
  readonly redisAddress: string | null;
  /** The store that a move has chosen, while the config names another. */
  readonly chosenStore: string | null;
  readonly upgrade: Upgrade | null;
  readonly restoration: Restoration | null;
}

/** What a worker does for its store beside using it. Each runs in a process of its own: the loop turns on meanwhile. */
export interface StoreCare {
  /** The newest first; those that people or upgrades made are not among them. */
  backups(): readonly StoredBackup[];
  /** Makes one in `state/backups/` and removes all but the `keep` newest. Throws; then the older ones are all there. */
  backUp(keep: number, signal: AbortSignal): Promise<StoredBackup & { readonly removed: number }>;
  /** Reads every page; resolves with what is wrong, null when all is sound. It makes way for all else, unless somebody waits for it. */
  findDamage(signal: AbortSignal, inHaste?: boolean): Promise<string | null>;
}

/**
 * Opens the store for a worker, which holds the lock of the state folder. A database that is damaged is moved aside, and the
 * newest sound backup, or an empty one, takes its place without its cursors: so all that stands in the files is held against
 * it anew. `events.onDamage` hears of damage that is found from then on; the next call of this mends it. Which store runs the jobs
 * is what a move has chosen, else what the config says; Redis may be away. Throws REDIS_UNSAFE, and STORE_ELSEWHERE while
 * another store than that may hold jobs of ours.
 */
export async function openMendedStore(
  stateFolder: string,
  clock: Clock,
  events: Required<Pick<StoreEvents, 'onDamage' | 'onStorage'>>,
  redis: ConfiguredRedis,
): Promise<MendedStore> {
  const { openMended } = await import('./sqlite/open-mended.js');
  const { store, ...mended } = await openMended(stateFolder, clock, events);
  try {
    const { openChosen } = await import('./move/open-chosen.js');
    return { ...mended, ...(await openChosen(store, stateFolder, redis, clock)) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Notes damage that was found by a check: the next worker mends it. */
export async function noteDamage(stateFolder: string, detail: string): Promise<void> {
  const notes = await import('./sqlite/damage-note.js');
  notes.noteDamage(stateFolder, detail);
}

/** The last restoration of a state folder, or null. */
export async function restorationIn(stateFolder: string): Promise<Restoration | null> {
  const { readRestoration } = await import('./sqlite/restoration.js');
  return readRestoration(stateFolder);
}

/** Says that somebody has read of it. Returns it; null when there was none. */
export async function acknowledgeRestoration(stateFolder: string): Promise<Restoration | null> {
  const { readRestoration, writeRestoration } = await import('./sqlite/restoration.js');
  const restoration = readRestoration(stateFolder);
  if (restoration !== null) writeRestoration(stateFolder, { ...restoration, acknowledged: true });
  return restoration;
}

/** `leaveFreeBytes`: no backup is made that would leave less of the disk. */
export async function careFor(stateFolder: string, leaveFreeBytes: number, clock: Clock): Promise<StoreCare> {
  const { SqliteCare } = await import('./sqlite/care.js');
  return new SqliteCare(stateFolder, leaveFreeBytes, clock);
}

/** Copies the store to a file of the user's, in this process. See `backUpTo` for what it promises and throws. */
export async function backUpStore(stateFolder: string, file: string, clock: Clock): Promise<StoredBackup> {
  const { backUpTo } = await import('./sqlite/back-up.js');
  return backUpTo(stateFolder, file, 0, clock);
}

/** Reads every page in a process of its own, until `signal`; what is wrong, null when all is sound. */
export async function findDamageIn(stateFolder: string, signal: AbortSignal): Promise<string | null> {
  return (await careFor(stateFolder, 0, systemClock)).findDamage(signal, true);
}

/** What keeps the store, with its version. */
export async function engineVersion(): Promise<string> {
  const { sqliteVersion } = await import('./sqlite/driver.js');
  return `SQLite ${sqliteVersion()}`;
}

/** The regular backups in a state folder, the newest first. */
export async function backupsIn(stateFolder: string): Promise<readonly StoredBackup[]> {
  const { listBackups } = await import('./sqlite/backup-folder.js');
  return listBackups(stateFolder);
}
