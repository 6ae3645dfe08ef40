import type { PlaceTotals } from '../job/job.js';
import type { ProcessIdentity } from '../platform/process-identity.js';
import type {
  Beat,
  BeatCounters,
  BeatEnd,
  BeatFailure,
  BeatMachine,
  BeatOutage,
  BeatQueue,
  BeatSlot,
  BeatSource,
  BeatWaiting,
  WorkerState,
} from './beat.js';

/** What the worker knows about itself at one moment. */
export interface WorkerFacts {
  readonly version: string;
  readonly identity: ProcessIdentity;
  readonly nonce: string;
  readonly epoch: number;
  readonly seq: number;
  readonly state: WorkerState;
  readonly nowWallMs: number;
  readonly nowMonotonicMs: number;
  readonly counters: BeatCounters;
  readonly places: PlaceTotals;
  readonly oldestDueAtMs: number | null;
  readonly runnable: number;
  readonly freeSlots: number;
  readonly oldestRunningMs: number;
  readonly monitor: Beat['monitor'];
  readonly slots: readonly BeatSlot[];
  readonly sources: readonly BeatSource[];
  readonly waiting: readonly BeatWaiting[];
  readonly outages: readonly BeatOutage[];
  readonly lastFailed: BeatFailure | null;
  readonly pressure: NonNullable<Beat['pressure']> | null;
  readonly held: NonNullable<Beat['held']> | null;
  readonly storage: string | null;
  readonly metrics: string | null;
  readonly redis: string | null;
  readonly machines: readonly BeatMachine[];
  readonly endsKept: readonly BeatEnd[];
  /** Jobs that Redis does not hold yet. */
  readonly outbox: number;
  readonly clock: NonNullable<Beat['clock']> | null;
  readonly clockJumps: NonNullable<Beat['clockJumps']>;
  readonly lag: Beat['lag'];
  readonly rssBytes: number;
}

export function composeBeat(facts: WorkerFacts): Beat {
  return {
    schema: 1,
    version: facts.version,
    ...facts.identity,
    nonce: facts.nonce,
    epoch: facts.epoch,
    seq: facts.seq,
    wallTime: new Date(facts.nowWallMs).toISOString(),
    monotonicMs: Math.round(facts.nowMonotonicMs),
    state: facts.state,
    counters: facts.counters,
    queue: queueOf(facts.places, facts.outbox),
    runnable: facts.runnable,
    freeSlots: facts.freeSlots,
    oldestRunningMs: Math.round(facts.oldestRunningMs),
    oldestPendingMs: facts.oldestDueAtMs === null ? 0 : Math.max(0, facts.nowWallMs - facts.oldestDueAtMs),
    monitor: facts.monitor,
    slots: facts.slots,
    sources: facts.sources,
    waiting: facts.waiting,
    ...(facts.outages.length === 0 ? {} : { outages: facts.outages }),
    ...(facts.lastFailed === null ? {} : { lastFailed: facts.lastFailed }),
    ...(facts.pressure === null ? {} : { pressure: facts.pressure }),
    ...(facts.held === null ? {} : { held: { ...facts.held, forMs: Math.round(facts.held.forMs) } }),
    ...(facts.storage === null ? {} : { storage: facts.storage }),
    ...(facts.metrics === null ? {} : { metrics: facts.metrics }),
    ...(facts.redis === null ? {} : { redis: facts.redis }),
    ...(facts.machines.length === 0 ? {} : { machines: facts.machines }),
    ...(facts.endsKept.length === 0 ? {} : { endsKept: facts.endsKept }),
    ...(facts.clock === null ? {} : { clock: facts.clock }),
    ...(facts.clockJumps.length === 0 ? {} : { clockJumps: facts.clockJumps }),
    lag: facts.lag,
    memory: { rssBytes: facts.rssBytes },
  };
}

/** The queue as users count it: `pending` is due and waits, whether it is ready or parked. */
export function queueOf(places: PlaceTotals, outbox = 0): BeatQueue {
  return {
    pending: places.ready + places.parked,
    scheduled: places.scheduled,
    running: places.running,
    completed: places.completed,
    failed: places.failed,
    cancelled: places.cancelled,
    expired: places.expired,
    outbox,
  };
}
