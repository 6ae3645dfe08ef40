import type { TaskConfig } from '../config/config.js';
import type { BeatFailure } from '../heartbeat/beat.js';
import { DoggedError } from '../job/errors.js';
import type { JobId } from '../job/job.js';
import type { AttemptReport } from '../job/outcome.js';
import { pause } from '../platform/clock.js';
import { stuckpoint } from '../platform/failpoint.js';
import type { Claim, TurnResult } from '../store/contract.js';
import { bareReport } from './attempt.js';
import { announceMoves, Breakers, type Moment } from './breakers.js';
import { ClaimPressure } from './claim-pressure.js';
import type {
  CutOffJob,
  DispatchCounters,
  Dispatcher,
  DispatcherOptions,
  DispatchStatus,
} from './dispatcher.js';
import { DueTimes } from './due-times.js';
import { eligibleTasks } from './eligible-tasks.js';
import { toldEnds } from './kept-ends.js';
import { readMachineRoom } from './machine-room.js';
import type { ProbeResult } from './probes.js';
import { announceEnd, announceFailedTurn, decideEnd, type EndedAttempt, type OverAttempt } from './record.js';
import { Rescue } from './rescue.js';
import { RunningJobs } from './running-jobs.js';
import { TurnTimer } from './turn-timer.js';

/** How often the loop looks whether another process has changed the database, and at the wall clock. */
const TICK_MS = 250;
/** How long a stop waits for a store that takes no ends: SQLite waits 30 s for a lock, and a Redis that is away may stay so. */
const STOP_PATIENCE_MS = { orderly: 35_000, hurried: 5_000 };
/** While the database refuses a turn it is asked again after this, doubled each time. */
const STORE_RETRY_MS = { first: 50, longest: 2_000 };
const FATAL_CODES: ReadonlySet<string> = new Set(['OWNER_CHANGED', 'STORE_DAMAGED']);

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new DispatchLoop(options);
}

/** Ends in, claims out, one transaction a turn. */
class DispatchLoop implements Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #tasks: ReadonlyMap<string, TaskConfig>;
  readonly #running: RunningJobs;
  readonly #rescue: Rescue;
  readonly #turns: TurnTimer;
  /** Over, and not yet committed: nobody is told. What follows is decided with the turn, by the clock as it is then. */
  readonly #ends: OverAttempt[] = [];
  /** In the turn that is being taken: neither committed nor given back yet. */
  #committing: readonly OverAttempt[] = [];
  readonly #breakers: Breakers;
  readonly #pressure: ClaimPressure;
  readonly #due: DueTimes;
  /** Found by probes, and not yet committed. */
  readonly #probed: ProbeResult[] = [];
  readonly #counters = { turns: 0, claims: 0, completed: 0, failed: 0 };
  #lastFailed: BeatFailure | null = null;
  readonly #cutOff: CutOffJob[] = [];
  readonly #hurried = new AbortController();
  #started = false;
  #stopping: Promise<readonly CutOffJob[]> | null = null;
  #wasIdle = false;
  /** The job that must run alone and has come to the head of the line. While it runs, no other is claimed. */
  #alone: { readonly id: JobId; readonly runs: boolean } | null = null;

  constructor(options: DispatcherOptions) {
    const { config, store, clock, log, storeId, nonce, moduleHost, epoch, reads } = options;
    this.#options = options;
    this.#tasks = new Map(config.tasks.map((task) => [task.name, task]));
    this.#running = new RunningJobs({
      config,
      mark: { storeId, nonce },
      clock,
      log,
      moduleHost,
      reads,
      onEnd: (claim, report) => this.#onEnd(claim, report),
      onProbe: (result) => {
        this.#probed.push(result);
        this.#turns.request();
      },
    });
    this.#turns = new TurnTimer({
      clock,
      takeTurn: () => stuckpoint('turn.begin') ?? this.#takeTurn(),
      retryAfterMs: (error, failures) => this.#retryAfterMs(error, failures),
      tickMs: TICK_MS,
      hasNews: () => this.#hasNews(),
    });
    this.#due = new DueTimes({
      clock,
      log,
      trust: options.clockTrust,
      onJump: (byMs) => {
        store.clockJumped(byMs);
        options.onClockJump?.(byMs);
        this.#turns.request();
      },
    });
    this.#breakers = new Breakers(config.tasks, options.breakers, this.#due.now());
    const readRoom = options.readRoom ?? (() => readMachineRoom(config.stateFolder));
    this.#pressure = new ClaimPressure(config.pressure, readRoom, clock, log);
    this.#rescue = new Rescue({
      store,
      mark: { storeId, nonce },
      clock,
      log,
      tasks: this.#tasks,
      running: this.#running,
      epoch,
      lastKilledByUs: options.lastKilledByUs ?? false,
      decide: (over) => this.#decide(over, this.#due.now()),
      onEnd: (end, recorded) => this.#countAndAnnounce(end, recorded),
      onFree: () => this.nudge(),
    });
  }

  get counters(): DispatchCounters {
    return this.#counters;
  }

  readonly nudge = (): void => this.#turns.request();

  start(): void {
    this.#started = true;
    this.#turns.startTicking();
    this.#turns.request();
  }

  drained(): boolean {
    const isQuiet = this.#started && this.#turns.isQuiet && this.#wasIdle;
    const isProbing = this.#running.probing > 0 || this.#probed.length > 0;
    return isQuiet && !isProbing && this.#running.slots.taken === 0 && this.#ends.length === 0;
  }

  status(): DispatchStatus {
    const nowMs = this.#options.clock.monotonicMs();
    const { slots } = this.#running;
    return {
      slots: slots.describe(nowMs),
      freeSlots: slots.free,
      oldestRunningMs: slots.oldestMs(nowMs),
      runningByTask: slots.runningByTask,
      alone: this.#alone?.id ?? null,
      pressure: this.#pressure.now,
      away: this.#breakers.away(),
      endsKept: this.#turns.isFailing ? toldEnds([...this.#committing, ...this.#ends]) : [],
      lastFailed: this.#lastFailed,
    };
  }

  rescue(): Promise<{ readonly recovered: number; readonly stuck: number }> {
    return this.#rescue.run();
  }

  stop(graceMs: number): Promise<readonly CutOffJob[]> {
    if (graceMs === 0) {
      this.#hurried.abort();
      if (this.#stopping !== null) this.#running.hurry();
    }
    this.#stopping ??= this.#windDown(graceMs);
    return this.#stopping;
  }

  async #takeTurn(): Promise<void> {
    const { config, store, log } = this.#options;
    const moment = this.#due.now();
    const ends = this.#ends.splice(0);
    const probed = this.#probed.splice(0);
    this.#committing = ends;
    this.#pressure.look();
    const takesJobs = this.#stopping === null && this.#alone?.runs !== true && this.#pressure.now === null;
    const decided = ends.map((over) => this.#decide(over, moment));
    const judgement = this.#breakers.judge(decided, probed, moment);
    const admits = (task: string) => this.#breakers.admits(task, judgement);
    const { slots } = this.#running;
    let result: TurnResult;
    try {
      result = await store.turn({
        ends: judgement.ends,
        ...(judgement.moves.length > 0 ? { breakers: judgement.moves } : {}),
        freeSlots: takesJobs ? slots.free : 0,
        eligible: takesJobs ? eligibleTasks(config.tasks, slots, admits) : [],
        nowMs: moment.nowMs,
        holdsTimes: this.#due.hold(),
      });
    } catch (error) {
      this.#ends.unshift(...ends);
      this.#probed.unshift(...probed);
      throw error;
    } finally {
      this.#committing = [];
    }
    this.#counters.turns += 1;
    this.#breakers.commit(judgement, result.claims);
    judgement.ends.forEach((end, index) => {
      this.#countAndAnnounce(end, result.ends[index] === 'recorded');
    });
    announceMoves(log, judgement.moves);
    for (const move of judgement.moves) this.#options.observer?.breakerMoved(move);
    this.#wasIdle = result.claims.length === 0 && result.hasJobsElsewhere !== true;
    this.#counters.claims += result.claims.length;
    this.#noteAlone(result);
    for (const claim of result.claims) {
      this.#options.observer?.claimed(claim);
      if (this.#stopping === null) this.#running.start(claim);
      else this.#giveBack(claim);
    }
    for (const id of result.cancelRequests) this.#running.interrupt(id, 'cancelled');
    this.#due.noteNext(result.nextDueAtMs);
    if (this.#stopping !== null) return;
    for (const breaker of this.#breakers.takeProbes()) this.#running.probe(breaker);
    // A cool-down that ended while the turn was taken has been judged too early: it must not be forgotten.
    this.#turns.wakeAfter(this.#due.sleepMs(this.#breakers.nextTryMs(moment.nowMonotonicMs)));
  }

  #noteAlone({ alone, claims }: TurnResult): void {
    if (this.#alone?.runs) return;
    this.#alone = alone === null ? null : { id: alone, runs: claims.some(({ id }) => id === alone) };
  }

  #countAndAnnounce(end: EndedAttempt, recorded: boolean): void {
    const { claim, next } = end;
    if (recorded && next.to === 'completed') this.#counters.completed += 1;
    if (recorded && next.to === 'failed') {
      this.#counters.failed += 1;
      this.#lastFailed = { job: claim.id, task: claim.task, key: claim.key, reason: next.reason };
    }
    if (recorded) this.#options.observer?.ended(end);
    announceEnd(this.#options.log, end, recorded);
  }

  /** Also sees that a wall clock which was set has made something due, or ended its window: no timer does. */
  #hasNews(): boolean {
    const { store, clock, clockTrust, log } = this.#options;
    this.#rescue.lookAgain();
    if (clockTrust.isSuspect() === null) this.#running.stopEnded(clock.wallMs());
    try {
      const isDue = this.#due.hasNews();
      const hasTurned = this.#pressure.look();
      return store.changedElsewhere() || isDue || hasTurned;
    } catch (error) {
      log.error({ err: error }, 'Could not see whether the database has changed; taking a turn instead');
      return true;
    }
  }

  #retryAfterMs(error: unknown, failures: number): number | null {
    if (error instanceof DoggedError && FATAL_CODES.has(error.code)) {
      void this.#failForGood(error);
      return null;
    }
    const kept = this.#ends.length;
    // Once at its beginning and then now and then: a lock that lasts must not fill the log.
    if (failures === 1 || failures % 10 === 0) {
      announceFailedTurn(this.#options.log, error, failures, kept);
    }
    return Math.min(STORE_RETRY_MS.longest, STORE_RETRY_MS.first * 2 ** (failures - 1));
  }

  #onEnd(claim: Claim, report: AttemptReport): void {
    const { kind } = report.outcome;
    if (kind === 'released' && this.#stopping !== null)
      this.#cutOff.push({ id: claim.id, task: claim.task, key: claim.key });
    if (this.#alone?.id === claim.id) this.#alone = null;
    this.#ends.push({ claim, report });
    this.#turns.request();
  }

  /** Claimed while the stop began: nothing of it was started. */
  #giveBack(claim: Claim): void {
    const outcome = { kind: 'released', reason: 'given back: the worker stopped before it began' } as const;
    const report = bareReport(outcome, this.#options.clock.wallMs());
    this.#ends.push({ claim, report });
    this.#turns.request();
  }

  #decide(over: OverAttempt, { nowMs }: Moment): EndedAttempt {
    const { config, random = Math.random } = this.#options;
    const task = this.#tasks.get(over.claim.task);
    return decideEnd(over, task, config.health.poisonAfter, { nowMs, random: random() });
  }

  async #windDown(graceMs: number): Promise<readonly CutOffJob[]> {
    const { clock, log } = this.#options;
    this.#turns.stopTicking();
    if (graceMs > 0) await this.#running.idleWithin(graceMs, this.#hurried.signal);
    const urgent = this.#hurried.signal.aborted;
    this.#running.interruptAll('released', urgent);
    await this.#running.close(urgent ? 0 : graceMs);
    const settled = new AbortController();
    await Promise.race([this.#rescue.settled(), pause(clock, STOP_PATIENCE_MS.hurried, settled.signal)]);
    // Else its timer would keep a worker that has stopped alive.
    settled.abort();

    await this.#turns.settle(
      () => this.#ends.length === 0,
      (failure) =>
        this.#hurried.signal.aborted || (failure instanceof DoggedError && failure.code === 'REDIS_AWAY')
          ? STOP_PATIENCE_MS.hurried
          : STOP_PATIENCE_MS.orderly,
    );
    const unrecorded = [...this.#committing, ...this.#ends];
    if (unrecorded.length > 0) {
      const jobs = unrecorded.map(({ claim }) => claim.id);
      log.error({ jobs }, 'The store took no more ends: the next worker finds these jobs running');
    }
    return this.#cutOff;
  }

  /** Nothing can be recorded any more: what runs is killed, and left to whoever owns the store. */
  async #failForGood(error: DoggedError): Promise<void> {
    const { log, onFatal } = this.#options;
    log.fatal({ code: error.code }, error.message);
    await this.stop(0);
    if (onFatal === undefined) throw error;
    onFatal(error);
  }
}
