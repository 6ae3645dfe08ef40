import type { TaskConfig } from '../config/config.js';
import { DoggedError } from '../job/errors.js';
import { ALONE_FROM_CRASHES, type JobId } from '../job/job.js';
import type { RunOutcome } from '../job/outcome.js';
import { type Clock, pause } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';
import type { Claim, Orphan, UpkeepStore } from '../store/contract.js';
import { bareReport } from './attempt.js';
import type { ChildMark } from './child-environment.js';
import type { EndedAttempt, OverAttempt } from './record.js';
import type { RunningJobs } from './running-jobs.js';
import { type Survivor, sweep } from './sweep.js';
import { verifiedReport } from './verification.js';

export interface RescueOptions {
  readonly store: Pick<UpkeepStore, 'orphans' | 'rescue'>;
  readonly mark: ChildMark;
  readonly clock: Clock;
  readonly log: Log;
  readonly tasks: ReadonlyMap<string, TaskConfig>;
  readonly running: Pick<RunningJobs, 'holdStuck' | 'verify' | 'leave'>;
  /** Of the worker that we are: the one before it had the epoch before this one. */
  readonly epoch: number;
  /** The worker before us did not die by itself: the health monitor or a stop ended it. */
  readonly lastKilledByUs: boolean;
  readonly decide: (over: OverAttempt) => EndedAttempt;
  /** An end was answered by the store. */
  readonly onEnd: (end: EndedAttempt, recorded: boolean) => void;
  /** A slot is free again. */
  readonly onFree: () => void;
}

type Crash = Extract<RunOutcome, { kind: 'crashed' }>;

const SWEEP_MS = 2_000;
const BUSY_RETRY_MS = 100;
const AGAIN_MS = 2_000;

/**
 * Takes up what a dead worker left: kills every process that carries this store's mark and another worker's nonce, then
 * ends the attempts whose processes are proved gone, or has them verified. What is not proved gone keeps its slot and
 * its group's permit, and is tried again.
 */
export class Rescue {
  readonly #options: RescueOptions;
  readonly #verifying = new Map<JobId, Promise<void>>();
  /** The one job of the last worker, if there was only one; known from the first look, when nothing was ended yet. */
  #onlyJob: JobId | null | undefined;
  #againAtMs = Number.POSITIVE_INFINITY;
  /** For a Redis that is away; told once. */
  #isWaiting = false;

  constructor(options: RescueOptions) {
    this.#options = options;
  }

  async run(): Promise<{ readonly recovered: number; readonly stuck: number }> {
    const { store, clock, log, tasks, running } = this.#options;
    const orphans = (await store.orphans()).filter(({ claim }) => !this.#verifying.has(claim.id));
    if (this.#onlyJob === undefined) this.#onlyJob = this.#findOnlyJob(orphans);
    const survivors = await this.#sweep();
    const stuck = orphans
      .map((orphan) => ({ orphan, pids: survivors.filter((s) => mayBelongTo(s, orphan)).map((s) => s.pid) }))
      .filter(({ pids }) => pids.length > 0);
    const gone = orphans.filter((orphan) => !stuck.some((one) => one.orphan === orphan));

    const over: OverAttempt[] = [];
    for (const orphan of gone) {
      const task = tasks.get(orphan.claim.task);
      if (task?.verify) this.#verify(orphan, task, task.verify);
      else over.push(this.#crashed(orphan));
    }
    let isAway = false;
    const recovered = await this.#record(over).catch((error: unknown) => {
      if (!(error instanceof DoggedError) || error.code !== 'REDIS_AWAY') throw error;
      // Nobody can tell what became of them: until then they stay running, and all else goes on.
      if (!this.#isWaiting) log.warn(`The jobs of a worker that is no more wait: ${error.message}`);
      isAway = true;
      return 0;
    });
    this.#isWaiting = isAway;
    running.holdStuck(stuck);
    const isOver = stuck.length === 0 && !isAway;
    this.#againAtMs = isOver ? Number.POSITIVE_INFINITY : clock.monotonicMs() + AGAIN_MS;
    if (recovered > 0)
      log.warn({ recovered }, `Took up ${plural(recovered, 'job')} of a worker that is no more`);
    return { recovered, stuck: stuck.length };
  }

  /** Tries again what was stuck, once it is time for that. May be called as often as one likes. */
  lookAgain(): void {
    const { clock, log, onFree } = this.#options;
    if (clock.monotonicMs() < this.#againAtMs) return;
    this.#againAtMs = Number.POSITIVE_INFINITY;
    this.run().then(onFree, (error: unknown) => {
      log.error({ err: error }, 'Could not take up the jobs of a dead worker; trying again');
      this.#againAtMs = clock.monotonicMs() + AGAIN_MS;
    });
  }

  /** Resolves when no verification is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#verifying.values());
  }

  async #sweep(): Promise<readonly Survivor[]> {
    const { mark, clock, log } = this.#options;
    const { killed, survivors } = await sweep(
      {
        isMarked: (found) => found.storeId === mark.storeId && found.nonce !== mark.nonce,
        startedSinceTicks: 0,
      },
      clock,
      SWEEP_MS,
    );
    if (killed > 0) log.warn({ killed }, `Killed ${killed} process(es) of a worker that is no more`);
    if (survivors.length > 0) {
      const pids = survivors.map(({ pid }) => pid);
      log.error(
        { pids },
        `Processes of a dead worker cannot be killed: ${pids.join(', ')}; their jobs stay running`,
      );
    }
    return survivors;
  }

  /** Only this job waits for its answer; its slot and its permit are kept meanwhile. */
  #verify(orphan: Orphan, task: TaskConfig, argv: readonly string[]): void {
    const { running, log, clock, onFree } = this.#options;
    const { id } = orphan.claim;
    const work = async () => {
      try {
        const answer = await running.verify(orphan, task, argv);
        const report = verifiedReport(orphan, this.#crashOf(orphan), answer);
        if (report !== null) await this.#record([{ claim: orphan.claim, report }]);
      } catch (error) {
        log.error({ err: error, job: id }, `Could not verify job ${id}; trying again`);
        this.#againAtMs = clock.monotonicMs() + AGAIN_MS;
      } finally {
        running.leave(id);
        this.#verifying.delete(id);
        onFree();
      }
    };
    this.#verifying.set(id, work());
  }

  #crashed(orphan: Orphan): OverAttempt {
    const report = bareReport(this.#crashOf(orphan), orphan.startedAtMs, this.#options.clock.wallMs());
    return { claim: orphan.claim, report };
  }

  #crashOf({ claim }: Orphan): Crash {
    const killedByUs = this.#options.lastKilledByUs && this.#isOfLastWorker(claim);
    return {
      kind: 'crashed',
      reason: killedByUs
        ? 'its worker was stuck or stopped, and was ended while it ran'
        : 'its worker died while it ran',
      ranAlone: claim.crashes >= ALONE_FROM_CRASHES || this.#onlyJob === claim.id,
      killedByUs,
    };
  }

  /** What an earlier worker left, and the last one found stuck, ran beside nobody knows what. */
  #findOnlyJob(orphans: readonly Orphan[]): JobId | null {
    const [first, ...others] = orphans.filter(({ claim }) => this.#isOfLastWorker(claim));
    return first === undefined || others.length > 0 ? null : first.claim.id;
  }

  #isOfLastWorker({ epoch }: Claim): boolean {
    return epoch === this.#options.epoch - 1;
  }

  /** Patiently: a command may hold the lock for a moment, and there is nothing else to do until it lets go. */
  async #record(over: readonly OverAttempt[]): Promise<number> {
    const { store, clock, log, decide, onEnd } = this.#options;
    if (over.length === 0) return 0;
    for (let tries = 0; ; tries += 1) {
      try {
        // Anew with each try: the clock may have been set meanwhile.
        const ends = over.map(decide);
        const answers = await store.rescue(ends, clock.wallMs());
        for (const [index, end] of ends.entries()) onEnd(end, answers[index] === 'recorded');
        return answers.filter((answer) => answer === 'recorded').length;
      } catch (error) {
        if (!(error instanceof DoggedError) || error.code !== 'STORE_BUSY') throw error;
        if (tries % 50 === 0)
          log.warn({ err: error }, 'The database is locked: the jobs of a dead worker wait');
        await pause(clock, BUSY_RETRY_MS);
      }
    }
  }
}

/** A process that hides whose it is may belong to any of them. */
function mayBelongTo({ mark }: Survivor, { claim }: Orphan): boolean {
  if (mark === null) return true;
  if (mark.job !== null) return mark.job === claim.id;
  return mark.task === null || mark.task === claim.task;
}
