/**
 * The shape of `heartbeat.json`, schema 1, as `docs/heartbeat.md` promises it to scripts.
 *
 * It proves progress, not life: each counter is raised only by the thing that it counts. A reader compares counters
 * between two of its own looks, and never subtracts times of different processes.
 */
export interface Beat {
  readonly schema: 1;
  readonly version: string;
  readonly bootId: string;
  readonly pid: number;
  readonly startTicks: number;
  readonly nonce: string;
  readonly epoch: number;
  readonly seq: number;
  readonly wallTime: string;
  readonly monotonicMs: number;
  readonly state: WorkerState;
  readonly counters: BeatCounters;
  readonly queue: BeatQueue;
  /** Jobs that a claim could take now: ready, and their task neither paused nor full. */
  readonly runnable: number;
  readonly freeSlots: number;
  readonly oldestRunningMs: number;
  readonly oldestPendingMs: number;
  readonly monitor: { readonly pid: number | null; readonly seen: boolean };
  readonly slots: readonly BeatSlot[];
  readonly sources: readonly BeatSource[];
  readonly waiting: readonly BeatWaiting[];
  /** What is away now: each breaker that is not closed. Left out while none is. */
  readonly outages?: readonly BeatOutage[];
  /** The job that this worker saw fail for good last. Left out while there was none. */
  readonly lastFailed?: BeatFailure;
  /** Why no further job is begun: the machine has no room. Left out when it has. */
  readonly pressure?: 'memory' | 'disk';
  /** Another process keeps the worker from its database. Left out while none does. */
  readonly held?: { readonly forMs: number; readonly pids: readonly number[] };
  /** The disk refuses the database's writes: why. Intake and claims wait, and go on by themselves. Left out when it takes them. */
  readonly storage?: string;
  /** Why the metrics cannot be told where the config wants them. Left out when they can. */
  readonly metrics?: string;
  /** Why Redis takes nothing: intake goes on, and jobs wait. Left out when it does, and where there is none. */
  readonly redis?: string;
  /** Other machines that run with the same Redis. Left out while there are none. */
  readonly machines?: readonly BeatMachine[];
  /** Attempts that have ended, and whose ends the store does not take: they are offered again. Left out while there are none. */
  readonly endsKept?: readonly BeatEnd[];
  /** The wall clock is not trusted. Left out while it is. */
  readonly clock?: BeatClock;
  /** When the wall clock was set during the last hour, or the machine slept; the newest last. Left out when it was not. */
  readonly clockJumps?: readonly ClockJump[];
  readonly lag: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  readonly memory: { readonly rssBytes: number };
}

export interface ClockJump {
  /** How long before this beat, by the monotonic clock. */
  readonly agoMs: number;
  /** Below zero: back. */
  readonly byMs: number;
}

export type WorkerState = 'starting' | 'running' | 'draining' | 'stopping' | 'stopped';

export interface BeatCounters {
  /** Turns of the main loop's tick. */
  readonly loop: number;
  /** Source polls that were finished; one that reads a large backlog also counts every 10 s. */
  readonly polls: number;
  /** Commits to the database that really happened. */
  readonly commits: number;
  /** Asynchronous file reads that came back: the pool of I/O threads still works. */
  readonly asyncFs: number;
  readonly claims: number;
  readonly completed: number;
  readonly failed: number;
}

export interface BeatQueue {
  /** Due and waiting. */
  readonly pending: number;
  /** Waiting for their time. */
  readonly scheduled: number;
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
  /** With a store on Redis: those of the pending that it does not hold yet. */
  readonly outbox: number;
}

export interface BeatSlot {
  readonly slot: number;
  readonly state: 'working' | 'idle';
  readonly job?: string;
  readonly task?: string;
  readonly key?: string;
  readonly sinceMs?: number;
  readonly timeoutMs?: number;
  readonly progress?: number;
  /** Of a job whose worker died: these processes cannot be killed, and until they are gone it does not run again. */
  readonly orphanPids?: readonly number[];
}

export interface BeatSource {
  readonly name: string;
  readonly records: number;
  readonly rejected: number;
  readonly lastPollMs: number | null;
  readonly problem: string | null;
  /** Files that are being written, or that wait for a second look. Beats of older versions lack it. */
  readonly waitingFiles?: number;
  /** A backlog that is being read just now; left out when there is none. */
  readonly reading?: BeatReading;
  /** The last time that all of it was to be held against the ledger; left out before there was one. */
  readonly look?: BeatLook;
}

export interface BeatLook {
  /** How long before this beat. */
  readonly agoMs: number;
  /** Records that nobody accounts for; null where it is not known. */
  readonly unaccounted: number | null;
  /** Why it is not known; left out where it is. */
  readonly unknown?: 'network' | 'large' | 'missing' | 'unreadable';
}

export interface BeatReading {
  readonly unit: 'bytes' | 'files';
  readonly done: number;
  readonly total: number;
}

export interface BeatOutage {
  readonly id: string;
  readonly dependency: string;
  /** Wall time, ISO 8601: for people. */
  readonly since: string;
  /** What the attempt said that opened the breaker, cut short. */
  readonly cause: string;
}

/** Whose texts come from records and programs: cut short, and to be escaped by whoever shows them. */
export interface BeatFailure {
  readonly job: string;
  readonly task: string;
  readonly key: string;
  readonly reason: string;
}

export interface BeatMachine {
  readonly site: string;
  /** How long before this beat it last said that it is there; each does every 15 s. */
  readonly seenMsAgo: number;
}

/** In the database its job runs until the end is written down. */
export interface BeatEnd {
  readonly job: string;
  readonly workspace: string;
  readonly task: string;
  readonly attempt: number;
}

export interface BeatClock {
  /** `suspect`: what is due by it is held. `believed`: no longer, but only because `clock.timeout` is over. */
  readonly state: 'suspect' | 'believed';
  readonly why: string;
  readonly forMs: number;
  /** While it is suspect: it is believed after this, in any case. */
  readonly believedInMs?: number;
}

export type WaitingReason =
  | 'slots'
  | 'concurrency'
  | 'group'
  | 'paused'
  | 'breaker'
  | 'memory'
  | 'disk'
  | 'clock'
  /** Redis takes nothing, and gives nothing. */
  | 'redis'
  /** Other machines have its group, or all that may run of its task, or take it just now. */
  | 'elsewhere'
  /** A job that must run alone does so, or waits for it. */
  | 'alone';

export interface BeatWaiting {
  readonly task: string;
  readonly reason: WaitingReason;
  readonly jobs: number;
}
