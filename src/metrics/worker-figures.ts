import type { BeatEnd } from '../heartbeat/beat.js';
import { checkBeatEnd } from '../heartbeat/read-beat.js';
import {
  amount,
  type Check,
  count,
  flag,
  listOf,
  mapOf,
  oneOf,
  orNull,
  shapeOf,
  text,
} from '../heartbeat/shape.js';
import { DURATION_BOUNDS, type HistogramCounts, LATENESS_BOUNDS } from './histogram.js';

type Counts = Readonly<Record<string, number>>;

export interface TaskFigures {
  /** Attempts that are over, by the kind of their outcome. */
  readonly attempts: Counts;
  /** Jobs that ended with an attempt, by the state that they ended in. */
  readonly ended: Counts;
  readonly retries: number;
  readonly durations: HistogramCounts;
  /** null for a task that no timed source feeds. */
  readonly lateness: HistogramCounts | null;
}

export interface SourceFigures {
  readonly polls: number;
  readonly failedPolls: number;
  readonly admitted: Counts;
  readonly refused: Counts;
  readonly gone: Counts;
  readonly reconciled: number;
}

/** What one worker has counted since its start, by the names that its config has, and how it is just now. */
export interface WorkerFigures {
  readonly schema: 1;
  readonly startedAtMs: number;
  readonly tasks: Readonly<Record<string, TaskFigures>>;
  readonly sources: Readonly<Record<string, SourceFigures>>;
  /** Outages that began, by dependency. */
  readonly outages: Counts;
  /** Writes to the mirror of a move, by workspace and result. */
  readonly dualWrites: Readonly<Record<string, Counts>>;
  readonly slots: number;
  readonly freeSlots: number;
  /** Attempts that have ended, and whose ends the store does not take yet. */
  readonly endsKept: readonly BeatEnd[];
  readonly pressure: 'memory' | 'disk' | null;
  readonly storageRefuses: boolean;
  /** How often Redis has ceased to take jobs; null where they run through none. */
  readonly redisAbsences: number | null;
  readonly databaseHeld: boolean;
  readonly rssBytes: number;
  readonly cpuSeconds: number;
  readonly lag: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
}

function histogramOf(bounds: readonly number[]): Check {
  const shape = shapeOf<HistogramCounts>({ counts: listOf(count), sum: amount });
  return (value, at) => {
    const problem = shape(value, at);
    if (problem !== null) return problem;
    const { counts } = value as HistogramCounts;
    return counts.length === bounds.length + 1 ? null : `${at} has other buckets`;
  };
}

/** They come from another process, which may be of another version. */
export const checkWorkerFigures = shapeOf<WorkerFigures>({
  schema: oneOf(1),
  startedAtMs: amount,
  tasks: mapOf(
    shapeOf<TaskFigures>({
      attempts: mapOf(count),
      ended: mapOf(count),
      retries: count,
      durations: histogramOf(DURATION_BOUNDS),
      lateness: orNull(histogramOf(LATENESS_BOUNDS)),
    }),
  ),
  sources: mapOf(
    shapeOf<SourceFigures>({
      polls: count,
      failedPolls: count,
      admitted: mapOf(count),
      refused: mapOf(count),
      gone: mapOf(count),
      reconciled: count,
    }),
  ),
  outages: mapOf(count),
  dualWrites: mapOf(mapOf(count)),
  slots: count,
  freeSlots: count,
  endsKept: listOf(checkBeatEnd),
  pressure: orNull(text),
  storageRefuses: flag,
  redisAbsences: orNull(count),
  databaseHeld: flag,
  rssBytes: count,
  cpuSeconds: amount,
  lag: shapeOf<WorkerFigures['lag']>({ p50Ms: amount, p99Ms: amount, maxMs: amount }),
});
