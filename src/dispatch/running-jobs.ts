import PQueue from 'p-queue';
import type { BreakerConfig, Config, TaskConfig } from '../config/config.js';
import type { JobId } from '../job/job.js';
import type { AttemptReport, RunOutcome } from '../job/outcome.js';
import { isIntact, sha256 } from '../job/snapshot.js';
import { type Clock, isoTime, pause } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { Claim, Orphan } from '../store/contract.js';
import type { ReadBook } from '../trace/read-book.js';
import { sayRead } from '../trace/say.js';
import { endedAtOnce, type Interruption, type RunContext, type Runner, timeoutOf } from './attempt.js';
import type { ChildMark } from './child-environment.js';
import { Children } from './children.js';
import { type ProbeResult, Probes } from './probes.js';
import { createRunner } from './runners.js';
import { type Occupant, Slots } from './slots.js';
import { startVerification } from './verification.js';
import { Windows } from './windows.js';

export interface RunningJobsOptions {
  readonly config: Config;
  readonly mark: ChildMark;
  readonly clock: Clock;
  readonly log: Log;
  readonly moduleHost?: string | undefined;
  /** Where intake tells what it has put into the queue. */
  readonly reads?: ReadBook | undefined;
  /** Called when an attempt is over and nothing of it is left; its slot is free again. */
  readonly onEnd: (claim: Claim, report: AttemptReport) => void;
  readonly onProbe: (result: ProbeResult) => void;
}

/** A job of a dead worker with the processes that may belong to it and cannot be killed. */
interface StuckOrphan {
  readonly orphan: Orphan;
  readonly pids: readonly number[];
}

/** Bytes that are not those that were admitted must not run, whichever way their task runs. */
const DAMAGED: RunOutcome = { kind: 'damaged', reason: 'the stored payload does not match its hash' };

/** How long killed processes have to go before we stop waiting for them. */
const KILL_PATIENCE_MS = 10_000;

/** What runs now: one promise in the queue and one slot for each job, and the children behind them. */
export class RunningJobs {
  readonly slots: Slots;
  readonly #options: RunningJobsOptions;
  /** Holds only what runs: a claim asks for free slots, never for a backlog. */
  readonly #queue: PQueue;
  readonly #children: Children;
  readonly #probes: Probes;
  readonly #context: RunContext;
  readonly #windows: Windows;
  readonly #runners: ReadonlyMap<string, { readonly task: TaskConfig; readonly runner: Runner }>;
  #stuckIds: readonly JobId[] = [];

  constructor(options: RunningJobsOptions) {
    const { config, mark, clock, log, moduleHost } = options;
    this.#options = options;
    this.slots = new Slots(config.slots);
    this.#windows = new Windows(config);
    this.#queue = new PQueue({ concurrency: config.slots });
    this.#children = new Children({ mark, folder: config.folder, clock, log });
    this.#context = { children: this.#children, clock, log, stateFolder: config.stateFolder };
    this.#probes = new Probes(this.#context, options.onProbe);
    this.#runners = new Map(
      config.tasks.map((task) => [
        task.name,
        { task, runner: createRunner(task, this.#context, moduleHost) },
      ]),
    );
  }

  start(claim: Claim): void {
    const found = this.#runners.get(claim.task);
    if (found === undefined)
      throw new Error(`job ${claim.id} was claimed for the unknown task ${claim.task}`);
    const { task, runner } = found;
    this.#windows.announceStart(this.#options.log, claim);
    const stopAtMs = this.#windows.stopAtMs(claim);
    void this.#queue.add(async () => {
      const attempt = this.#read(claim) ? runner.start(claim) : endedAtOnce(DAMAGED, this.#options.clock);
      const sinceMonotonicMs = this.#options.clock.monotonicMs();
      this.slots.take({ claim, sinceMonotonicMs, timeoutMs: timeoutOf(claim, task), stopAtMs, attempt });
      const report = await attempt.report;
      this.slots.leave(claim.id);
      this.#options.onEnd(claim, report);
    });
  }

  /** Whether the claim holds what was admitted: the last of the hand-offs, before anything is spawned. */
  #read({ id, cycle, task, attempt, payload }: Claim): boolean {
    const { log, clock, reads } = this.#options;
    const intact = isIntact(payload);
    if (reads !== undefined) {
      const read = reads.read(id, intact ? payload.hash : sha256(payload.bytes));
      if (read !== null) sayRead(log, read, clock.wallMs());
    }
    if (intact && log.isLevelEnabled('debug')) {
      const fields = { checkpoint: 'RUN', cycle_id: cycle, job: id, task, attempt };
      log.debug({ ...fields, now_utc: isoTime(clock.wallMs()) }, `RUN ${id}`);
    }
    return intact;
  }

  probe(breaker: BreakerConfig): void {
    this.#probes.start(breaker);
  }

  get probing(): number {
    return this.#probes.running;
  }

  interrupt(id: JobId, reason: Interruption): void {
    this.slots.find(id)?.attempt?.interrupt(reason, false);
  }

  /** Stops what runs beyond the end of its window. By the wall clock, which may have been set since: to be called often. */
  stopEnded(nowMs: number): void {
    for (const { stopAtMs, attempt } of this.slots.occupants()) {
      if (stopAtMs != null && stopAtMs <= nowMs) attempt?.interrupt('ended', false);
    }
  }

  interruptAll(reason: Interruption, urgent: boolean): void {
    for (const { attempt } of this.slots.occupants()) attempt?.interrupt(reason, urgent);
  }

  /** Ends everything at once, also what `close` is just waiting for. */
  hurry(): void {
    this.interruptAll('released', true);
    for (const { runner } of this.#runners.values()) void runner.close(0);
  }

  /** Jobs of a dead worker that cannot be proved gone sit in slots until they are. Replaces those of the last call. */
  holdStuck(stuck: readonly StuckOrphan[]): void {
    for (const id of this.#stuckIds) this.slots.leave(id);
    for (const { orphan, pids } of stuck) this.#seat(orphan, { attempt: null, orphanPids: pids });
    this.#stuckIds = stuck.map(({ orphan }) => orphan.claim.id);
  }

  /** Resolves with the answer of the `verify` command. The job sits in a slot until `leave` is called. */
  async verify(orphan: Orphan, task: TaskConfig, argv: readonly string[]): Promise<AttemptReport> {
    const attempt = isIntact(orphan.claim.payload)
      ? startVerification(orphan.claim, task, argv, this.#context)
      : endedAtOnce(DAMAGED, this.#options.clock);
    this.#seat(orphan, { attempt });
    await this.#queue.add(() => attempt.report);
    return attempt.report;
  }

  leave(id: JobId): void {
    this.slots.leave(id);
  }

  #seat({ claim, startedAtMs }: Orphan, rest: Pick<Occupant, 'attempt' | 'orphanPids'>): void {
    const { clock } = this.#options;
    const ageMs = Math.max(0, clock.wallMs() - startedAtMs);
    const sinceMonotonicMs = clock.monotonicMs() - ageMs;
    this.slots.take({ claim, sinceMonotonicMs, timeoutMs: claim.timeoutMs ?? 0, ...rest });
  }

  /** Resolves when nothing runs, after `withinMs`, or when `unless` is aborted. */
  async idleWithin(withinMs: number, unless?: AbortSignal): Promise<void> {
    await this.#settleWithin(this.#queue.onIdle(), withinMs, unless);
  }

  /**
   * Waits for what was interrupted, then ends the children that stay between jobs and whatever was left behind. What
   * the kernel does not let go is named in the log and given up: the next worker finds its job running.
   */
  async close(graceMs: number): Promise<void> {
    const { config, log } = this.#options;
    const longestGraceMs =
      graceMs === 0 ? 0 : Math.max(0, ...config.tasks.map(({ killGraceMs }) => killGraceMs));
    await this.idleWithin(longestGraceMs + KILL_PATIENCE_MS);
    const left = this.slots.occupants().filter(({ attempt }) => attempt !== null);
    if (left.length > 0) {
      const jobs = left.map(({ claim }) => claim.id);
      log.error({ jobs }, `Processes of these jobs cannot be killed, they stay running: ${jobs.join(', ')}`);
    }
    const runners = [...this.#runners.values()].map(({ runner }) => runner.close(graceMs));
    const closing = Promise.all([...runners, this.#probes.close()]);
    await this.#settleWithin(closing, longestGraceMs + KILL_PATIENCE_MS);
    await this.#children.sweepStrays();
    this.#children.abandon();
  }

  async #settleWithin(promise: Promise<unknown>, withinMs: number, unless?: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const signal = unless === undefined ? waiting.signal : AbortSignal.any([waiting.signal, unless]);
    await Promise.race([promise, pause(this.#options.clock, withinMs, signal)]);
    waiting.abort();
  }
}
