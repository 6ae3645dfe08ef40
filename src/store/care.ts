import type { Clock } from '../platform/clock.js';

/** A whole copy of the store. */
export interface StoredBackup {
  readonly file: string;
  readonly madeAtMs: number;
  readonly sizeBytes: number;
}

/** What a worker does for its store beside using it. Each runs in a process of its own: the loop turns on meanwhile. */
export interface StoreCare {
  /** The newest first; those that people or upgrades made are not among them. */
  backups(): readonly StoredBackup[];
  /** Makes one in `state/backups/` and removes all but the `keep` newest. Throws; then the older ones are all there. */
  backUp(keep: number, signal: AbortSignal): Promise<StoredBackup & { readonly removed: number }>;
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

/** The regular backups in a state folder, the newest first. */
export async function backupsIn(stateFolder: string): Promise<readonly StoredBackup[]> {
  const { listBackups } = await import('./sqlite/backup-folder.js');
  return listBackups(stateFolder);
}
