import type { SourceConfig } from '../config/config.js';
import type { FileAccess } from './file-access.js';
import { errorCode } from './path-trouble.js';

/** Reading so much takes a worker some 40 ms of CPU. */
const SMALL_FILE_BYTES = 4n * 1024n * 1024n;
const SMALL_FOLDER_FILES = 1_000;

/** Why a source is not read as a whole every few minutes. */
export type NotWhole = 'network' | 'large' | 'missing' | 'unreadable';

/** null for one that may be. */
export function whyNotWhole(source: SourceConfig, files: FileAccess): NotWhole | null {
  // A mount is never touched from the loop: it may not answer.
  if (source.network) return 'network';
  try {
    return isSmall(source, files) ? null : 'large';
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    return code === 'ENOENT' ? 'missing' : 'unreadable';
  }
}

function isSmall(source: SourceConfig, files: FileAccess): boolean {
  if (source.kind === 'every') return true;
  if (source.kind !== 'directory') return files.lstat(source.path).size <= SMALL_FILE_BYTES;
  const names = files.list(source.path);
  try {
    for (let n = 0; n <= SMALL_FOLDER_FILES; n += 1) if (names.next() === null) return true;
    return false;
  } finally {
    names.close();
  }
}
