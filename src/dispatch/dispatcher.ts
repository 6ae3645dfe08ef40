import type { Config } from '../config/config.js';
import type { BeatEnd, BeatFailure, BeatSlot } from '../heartbeat/beat.js';
import type { DoggedError } from '../job/errors.js';
import type { JobId } from '../job/job.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { ClockTrust } from '../policy/clock-trust.js';
import type { MachineRoom, Pressure } from '../policy/pressure.js';
import type { BreakerMove, StoredBreaker } from '../store/breaker-contract.js';
import type { Claim, ClaimStore, UpkeepStore } from '../store/contract.js';
import type { ReadBook } from '../trace/read-book.js';
import type { EndedAttempt } from './record.js';

/** Hears of what was committed, and of nothing else. Called on the loop's hot path: it must be quick, and never throw. */
interface DispatchObserver {
  claimed(claim: Claim): void;
  ended(end: EndedAttempt): void;
  breakerMoved(move: BreakerMove): void;
}

export interface DispatcherOptions {
  readonly config: Config;
  readonly store: ClaimStore & Pick<UpkeepStore, 'orphans' | 'rescue'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly epoch: number;
  readonly storeId: string;
  readonly nonce: string;
  /** As they were stored when this worker took the store. */
  readonly breakers: readonly StoredBreaker[];
  /** Whether the wall clock may say that a time has come. */
  readonly clockTrust: ClockTrust;
  readonly observer?: DispatchObserver;
  /** The wall clock was set, or the machine slept: by how much, below 0 back. It is in the log already. */
  readonly onClockJump?: (byMs: number) => void;
  /** The worker before us did not die by itself: the health monitor or a stop ended it. */
  readonly lastKilledByUs?: boolean;
  /** Only tests fill a machine by other means than filling it. */
  readonly readRoom?: () => MachineRoom;
  /** 0 ≤ random() < 1; spreads the retries. */
  readonly random?: () => number;
  /** Called once when the store can no longer be used (damaged, or another worker's): all children are ended by then. */
  readonly onFatal?: (error: DoggedError) => void;
  /** Where intake tells what it has put into the queue. */
  readonly reads?: ReadBook;
  /** Program that hosts module tasks: only tests run from source need another one. */
  readonly moduleHost?: string;
}

/** A job that was still running when the worker's grace was over. It is pending again, uncharged. */
export interface CutOffJob {
  readonly id: JobId;
  readonly task: string;
  readonly key: string;
}

export interface DispatchStatus {
  readonly slots: readonly BeatSlot[];
  readonly freeSlots: number;
  readonly oldestRunningMs: number;
  readonly runningByTask: ReadonlyMap<string, number>;
  /** The job that runs alone, or waits for everything else to end so that it can; else null. */
  readonly alone: JobId | null;
  /** Why no further job is begun: the machine has no room for it. */
  readonly pressure: Pressure | null;
  /** Dependencies whose breaker is not closed. */
  readonly away: readonly string[];
  /** Ends that the store did not take when they were offered last, and those that have come since. */
  readonly endsKept: readonly BeatEnd[];
  /** The last job that was recorded as failed for good. */
  readonly lastFailed: BeatFailure | null;
}

export interface DispatchCounters {
  /** Turns of the loop that the store has answered. */
  readonly turns: number;
  readonly claims: number;
  readonly completed: number;
  readonly failed: number;
}

export interface Dispatcher {
  /** Before `start`: proves a dead worker's processes gone and takes up its jobs. Repeats itself for what is stuck. */
  rescue(): Promise<{ readonly recovered: number; readonly stuck: number }>;
  start(): void;
  /** Something may be ready to run: take a turn soon. May be called as often as one likes. */
  readonly nudge: () => void;
  /** Nothing runs, every end is committed, and the last turn found nothing to claim. */
  drained(): boolean;
  /**
   * Takes no more jobs, lets what runs go on for `graceMs`, then ends it and gives it back uncharged; answers with what
   * was cut off. Called again with 0 while it waits, it waits no longer.
   */
  stop(graceMs: number): Promise<readonly CutOffJob[]>;
  status(): DispatchStatus;
  readonly counters: DispatchCounters;
}
