import type { SourceConfig } from '../config/config.js';
import type { FileAccess } from './file-access.js';
import { errorCode } from './path-trouble.js';

/** Reading so much takes a worker some 40 ms of CPU. */
const SMALL_FILE_BYTES = 4n * 1024n * 1024n;
const SMALL_FOLDER_FILES = 1_000;

/** Whether a source may be read as a whole every few minutes. One that cannot be looked at now is not. */
export function isSmall(source: SourceConfig, files: FileAccess): boolean {
  try {
    if (source.kind === 'every') return true;
    if (source.kind !== 'directory') return files.lstat(source.path).size <= SMALL_FILE_BYTES;
    const names = files.list(source.path);
    try {
      for (let n = 0; n <= SMALL_FOLDER_FILES; n += 1) if (names.next() === null) return true;
      return false;
    } finally {
      names.close();
    }
  } catch (error) {
    if (errorCode(error) === null) throw error;
    return false;
  }
}
