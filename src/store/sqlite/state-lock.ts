import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DoggedError } from '../../job/errors.js';
import { isBusy, makePrivateFile, named } from './connection.js';
import { openDatabase } from './driver.js';

/** Two that start at the same instant can refuse each other once; the second try tells who is first. */
const WAIT_MS = 300;

export interface StateLock {
  release(): void;
}

/**
 * Takes the state folder for this process until `release`, or until the process ends in whatever way: the kernel
 * gives the lock back, so no stale one can stay. Throws STATE_IN_USE, naming the holder by `worker.pid`.
 *
 * The lock is SQLite's own on a file without content. Nothing in this process may open that file by other means:
 * closing any descriptor of it would drop the lock.
 */
export function acquireStateLock(stateFolder: string): StateLock {
  const file = join(stateFolder, 'lock');
  makePrivateFile(file);
  const db = openDatabase(file, { timeout: WAIT_MS });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (!isBusy(error)) throw named(error, file);
    throw new DoggedError(
      'STATE_IN_USE',
      { state: stateFolder, pid: readHolder(stateFolder) },
      { cause: error },
    );
  }
  return { release: () => db.close() };
}

function readHolder(stateFolder: string): string {
  try {
    return readFileSync(join(stateFolder, 'worker.pid'), 'utf8').split('\n')[0]?.trim() || 'unknown';
  } catch {
    // Taken a moment ago: the pid file is written after the lock.
    return 'unknown';
  }
}
