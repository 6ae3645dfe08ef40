import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredBackup } from '../care.js';

/** Ours by their name; whatever else lies there was put there by somebody and stays. */
const REGULAR = /^dogged-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z\.db$/;
const BEFORE_UPGRADE = /^dogged-schema-\d+-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z\.db$/;
const PART = /^dogged-\d.*Z\.db\.(\d+)\.part$/;

function backupFolder(stateFolder: string): string {
  return join(stateFolder, 'backups');
}

export function backupName(nowMs: number): string {
  return `dogged-${new Date(nowMs).toISOString().replace(/[:.]/g, '-')}.db`;
}

/** The newest first. `all`: also those that were made before an upgrade of the schema. */
export function listBackups(
  stateFolder: string,
  which: 'regular' | 'all' = 'regular',
): readonly StoredBackup[] {
  const folder = backupFolder(stateFolder);
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder).flatMap((name) => {
    const match = REGULAR.exec(name) ?? (which === 'all' ? BEFORE_UPGRADE.exec(name) : null);
    if (match === null) return [];
    const [, day, hour, minute, second, milli] = match;
    const file = join(folder, name);
    const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size;
    const madeAtMs = Date.parse(`${day}T${hour}:${minute}:${second}.${milli}Z`);
    return sizeBytes === undefined ? [] : [{ file, madeAtMs, sizeBytes }];
  });
  return found.sort((a, b) => b.madeAtMs - a.madeAtMs);
}

/** Makes the folder, and removes what a copy that was cut off has left. Nobody but the worker's helper writes there. */
export function prepareBackupFolder(stateFolder: string): string {
  const folder = backupFolder(stateFolder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder)) {
    const pid = PART.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(folder, name), { force: true });
  }
  return folder;
}

/** Removes all but the `keep` newest; the one that was just made stays, whatever the clock said when. Returns how many went. */
export function pruneBackups(stateFolder: string, keep: number, justMade: string): number {
  const others = listBackups(stateFolder).filter(({ file }) => file !== justMade);
  const surplus = others.slice(Math.max(0, keep - 1));
  for (const { file } of surplus) rmSync(file, { force: true });
  return surplus.length;
}
