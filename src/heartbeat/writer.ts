import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { replaceFile } from '../platform/atomic-file.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { Beat } from './beat.js';
import { beatFile } from './read-beat.js';

export interface BeatWriter {
  /** Beats now, and from then on every `everyMs`. */
  start(): void;
  /**
   * Writes a beat that is composed after this call, for a change that should be seen at once. Resolves when it was
   * tried, and never rejects: a beat that could not be written is counted, logged and tried again.
   */
  beatNow(): Promise<void>;
  /** No more beats of its own; `beatNow` still works, for the last one. */
  stop(): void;
  /** Beats that could not be composed or written since the start. */
  failures(): number;
}

export interface BeatWriterOptions {
  readonly folder: string;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Pick<Log, 'error' | 'warn'>;
  /** Tells how things stand. `seq` counts the beats of this worker from 1. */
  readonly compose: (seq: number) => Beat | Promise<Beat>;
}

const NO_ROOM: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * A full disk has no room for a second file; the place of the last beat is room enough, and a worker that goes silent
 * because the disk is full would be taken for one that hangs.
 */
function write(path: string, content: string): void {
  try {
    replaceFile(path, content);
  } catch (error) {
    if (!NO_ROOM.has((error as NodeJS.ErrnoException).code)) throw error;
    overwriteInPlace(path, content);
  }
}

/** Padded to the length of what was there: a shorter beat leaves no end of a longer one behind. */
function overwriteInPlace(path: string, content: string): void {
  const fd = openSync(path, 'r+');
  try {
    const bytes = Buffer.from(`${content.trimEnd().padEnd(fstatSync(fd).size - 1)}\n`);
    if (writeSync(fd, bytes, 0, bytes.length, 0) < bytes.length) throw new Error('no room for a longer beat');
  } finally {
    closeSync(fd);
  }
}

/** A beat that failed is tried again after this, or sooner where the beats are quicker. */
const RETRY_AFTER_MS = 5_000;

/**
 * Writes the heartbeat. Each beat is composed when it is due: there is no copy of an older one that a timer could go
 * on writing while nothing moves, and a `compose` that never answers means that no beat is written.
 */
export function createBeatWriter(options: BeatWriterOptions): BeatWriter {
  const { folder, everyMs, clock, log, compose } = options;
  const path = beatFile(folder);
  let seq = 0;
  let failures = 0;
  let failedInARow = 0;
  let beating = false;
  let cancelTimer: (() => void) | null = null;
  let lastTry: Promise<void> = Promise.resolve();

  const beat = async () => {
    try {
      const content = `${JSON.stringify(await compose(seq + 1))}\n`;
      write(path, content);
      seq += 1;
      if (failedInARow > 0) log.warn({ path, failed: failedInARow }, 'the heartbeat can be written again');
      failedInARow = 0;
    } catch (error) {
      failures += 1;
      failedInARow += 1;
      // The first, and then ever fewer: a full disk must not be filled with its own complaints.
      if (Number.isInteger(Math.log2(failedInARow))) {
        log.error({ err: error, path, failed: failedInARow }, 'the heartbeat could not be written');
      }
    }
  };

  const beatNow = () => {
    lastTry = lastTry.then(beat);
    return lastTry;
  };

  const beatOnTime = async () => {
    await beatNow();
    if (!beating) return;
    const delayMs = failedInARow > 0 ? Math.min(everyMs, RETRY_AFTER_MS) : everyMs;
    cancelTimer = clock.after(delayMs, () => void beatOnTime());
  };

  return {
    start() {
      if (beating) return;
      beating = true;
      void beatOnTime();
    },
    beatNow,
    stop() {
      beating = false;
      cancelTimer?.();
    },
    failures: () => failures,
  };
}
