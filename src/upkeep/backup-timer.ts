import type { Clock } from '../platform/clock.js';
import { sizeText } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';

/** What is asked of the store's care. */
export interface Backups {
  backups(): readonly { readonly madeAtMs: number }[];
  backUp(
    keep: number,
    signal: AbortSignal,
  ): Promise<{ readonly file: string; readonly sizeBytes: number; readonly removed: number }>;
}

export interface BackupTimer {
  start(): void;
  /** Makes one now if it is due. Never rejects. */
  makeIfDue(): Promise<void>;
  /** Resolves when nothing is being copied any more; a copy in the making is given up. */
  stop(): Promise<void>;
}

/** A worker that has just started has better things to do. */
const FIRST_AFTER_MS = 60_000;
const RETRY_AFTER_MS = 3_600_000;

/**
 * Keeps the `keep` newest backups, a new one every `everyMs`; none at all with 0. Due by the wall clock at the start, by the
 * monotonic one from then on: a clock that is set makes no backup and spares none. A failure is logged and tried again
 * within the hour.
 */
export function createBackupTimer(options: {
  readonly everyMs: number;
  readonly keep: number;
  readonly care: Backups;
  readonly clock: Clock;
  readonly log: Log;
}): BackupTimer {
  const { everyMs, keep, care, clock, log } = options;
  const stopped = new AbortController();
  let cancel: () => void = () => {};
  let making: Promise<boolean> = Promise.resolve(true);

  const dueInMs = (): number => {
    try {
      const newest = care.backups()[0];
      // One from the future tells of a clock that was set: it is as good as one of now.
      return newest === undefined ? 0 : clamp(newest.madeAtMs + everyMs - clock.wallMs(), 0, everyMs);
    } catch (error) {
      log.error({ err: error }, 'the folder of the backups could not be read');
      return 0;
    }
  };

  const make = async (): Promise<boolean> => {
    const startedAtMs = clock.monotonicMs();
    try {
      const { file, sizeBytes, removed } = await care.backUp(keep, stopped.signal);
      const tookMs = Math.round(clock.monotonicMs() - startedAtMs);
      log.info({ file, sizeBytes, removed, tookMs }, `backed up: ${sizeText(sizeBytes)} in ${file}`);
      return true;
    } catch (error) {
      if (!stopped.signal.aborted) log.error({ err: error }, 'no backup could be made; it is tried again');
      return false;
    }
  };

  const schedule = (afterMs: number) => {
    if (stopped.signal.aborted) return;
    cancel = clock.after(afterMs, () => void tick(), { background: true });
  };
  const tick = async () => {
    making = make();
    schedule((await making) ? everyMs : Math.min(everyMs, RETRY_AFTER_MS));
  };

  return {
    start() {
      if (keep > 0) schedule(Math.max(dueInMs(), Math.min(everyMs, FIRST_AFTER_MS)));
    },
    async makeIfDue() {
      if (keep === 0 || dueInMs() > 0) return;
      making = make();
      await making;
    },
    async stop() {
      cancel();
      stopped.abort();
      await making;
    },
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
