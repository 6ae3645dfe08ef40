import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { breadcrumb } from './breadcrumb.js';
import { failpoint } from './failpoint.js';

/**
 * Replaces a file so that a reader sees the old content or the new, never a part, also after a power cut:
 * temp file in the same folder, fsync, rename, fsync of the folder.
 *
 * Throws what the file system says (ENOSPC, EROFS …); the old file is then untouched and no temp file stays.
 */
export function writeFileAtomic(path: string, content: string | Buffer, mode = 0o600): void {
  breadcrumb('file.replace', path);
  const folder = dirname(path);
  const temp = join(folder, `.${basename(path)}.${process.pid}.tmp`);
  const fd = openSync(temp, 'w', mode);
  try {
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    failpoint('beat.before-rename');
    renameSync(temp, path);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  }
  syncFolder(folder);
}

/** Makes a rename or a new name in `folder` survive a power cut. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
