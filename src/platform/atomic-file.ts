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
  replace(path, content, mode, fsyncSync);
  syncFolder(dirname(path));
}

/**
 * The same for readers, and throws the same; but after a power cut the file may be the old one, or empty. For what says
 * nothing of the next boot: an fsync writes 8 KiB of the file system's journal beside it, and a worn card takes seconds.
 */
export function replaceFile(path: string, content: string): void {
  replace(path, content, 0o600, () => undefined);
}

function replace(path: string, content: string | Buffer, mode: number, sync: (fd: number) => void): void {
  breadcrumb('file.replace', path);
  const temp = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const fd = openSync(temp, 'w', mode);
  try {
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      sync(fd);
    } finally {
      closeSync(fd);
    }
    failpoint('beat.before-rename');
    renameSync(temp, path);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  }
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
