import { join } from 'node:path';
import type { Clock } from '../../platform/clock.js';
import type { StoreCare, StoredBackup } from '../care.js';
import { backupName, listBackups, prepareBackupFolder, pruneBackups } from './backup-folder.js';
import { runCareProcess } from './run-care-process.js';

export class SqliteCare implements StoreCare {
  readonly #stateFolder: string;
  readonly #leaveFreeBytes: number;
  readonly #clock: Clock;

  constructor(stateFolder: string, leaveFreeBytes: number, clock: Clock) {
    this.#stateFolder = stateFolder;
    this.#leaveFreeBytes = leaveFreeBytes;
    this.#clock = clock;
  }

  backups(): readonly StoredBackup[] {
    return listBackups(this.#stateFolder);
  }

  async findDamage(signal: AbortSignal, inHaste = false): Promise<string | null> {
    const file = join(this.#stateFolder, 'dogged.db');
    return (await runCareProcess(['check', file, ...(inHaste ? ['now'] : [])], signal)) as string | null;
  }

  async backUp(keep: number, signal: AbortSignal): Promise<StoredBackup & { readonly removed: number }> {
    const folder = prepareBackupFolder(this.#stateFolder);
    const file = join(folder, backupName(this.#clock.wallMs()));
    const args = ['back-up', this.#stateFolder, file, String(this.#leaveFreeBytes)];
    const backup = (await runCareProcess(args, signal)) as StoredBackup;
    return { ...backup, removed: pruneBackups(this.#stateFolder, keep, file) };
  }
}
