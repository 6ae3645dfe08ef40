import type { Beat } from '../heartbeat/beat.js';
import type { FoundHang } from '../heartbeat/hang-file.js';
import { readBeat } from '../heartbeat/read-beat.js';
import type { Settings } from '../heartbeat/settings.js';
import type { Clock } from '../platform/clock.js';
import { judge, type Verdict } from './decide.js';
import { createHangWatch } from './hang-watch.js';
import { createObserver } from './observe.js';
import type { WorkerProcess } from './worker-process.js';

/** One worker, from its start or its adoption to its end. */
export interface WorkerWatch {
  readonly worker: WorkerProcess;
  look(settings: Settings, checkEveryMs: number): Verdict;
  /** The last beat that this worker wrote; null before its first. */
  lastBeat(): Beat | null;
  /** What its hang guard said at the last look. */
  hang(): FoundHang | null;
  /** It has moved for a while: what fruitless starts came before it no longer matter. */
  hasProved(): boolean;
  /** Asked at its end: whether it beat, and then was of use for a while; time in which it was stuck is no use. */
  wasFruitful(wasStuck: boolean): boolean;
}

const FRUITFUL_AFTER_MS = 10_000;

export function watchWorker(worker: WorkerProcess, stateFolder: string, clock: Clock): WorkerWatch {
  const observer = createObserver(clock);
  const hangs = createHangWatch(stateFolder);
  // An adopted worker was at work before we came; how long, only its kernel knows.
  const bornAtMs = worker.adopted ? Number.NEGATIVE_INFINITY : clock.monotonicMs();
  let lastMovedAtMs = clock.monotonicMs();
  let lastBeat: Beat | null = null;
  let hang: FoundHang | null = null;

  return {
    worker,
    look(settings, checkEveryMs) {
      const beat = beatOf(worker, settings.heartbeatFolder);
      const sight = observer.look(beat, settings, checkEveryMs);
      if (sight.moved) lastMovedAtMs = clock.monotonicMs();
      lastBeat = beat ?? lastBeat;
      hang = lastBeat === null ? null : hangs.look(lastBeat.nonce, worker.identity.pid);
      return judge(sight, { ...settings.health, heartbeatEveryMs: settings.heartbeatEveryMs }, hang);
    },
    lastBeat: () => lastBeat,
    hang: () => hang,
    hasProved: () => lastBeat !== null && lastMovedAtMs - bornAtMs >= FRUITFUL_AFTER_MS,
    wasFruitful(wasStuck) {
      const usefulUntilMs = wasStuck ? lastMovedAtMs : clock.monotonicMs();
      return lastBeat !== null && usefulUntilMs - bornAtMs >= FRUITFUL_AFTER_MS;
    },
  };
}

function beatOf({ identity }: WorkerProcess, heartbeatFolder: string): Beat | null {
  const file = readBeat(heartbeatFolder);
  if (file.status !== 'read') return null;
  const { pid, startTicks, bootId } = file.content;
  const same = pid === identity.pid && startTicks === identity.startTicks && bootId === identity.bootId;
  return same ? file.content : null;
}
