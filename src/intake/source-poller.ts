import type { SourceConfig, TaskConfig } from '../config/config.js';
import { DoggedError } from '../job/errors.js';
import { type Clock, pause } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { ClockTrust } from '../policy/clock-trust.js';
import type { IntakeStore } from '../store/intake-contract.js';
import type { ReadStore } from '../store/read-contract.js';
import type { ReadBook } from '../trace/read-book.js';
import { AdmissionDoor } from './admit.js';
import type { FileAccess } from './file-access.js';
import type { HungRecord } from './hung.js';
import type { IntakeObserver } from './intake-observer.js';
import { createJudge } from './judge.js';
import { type PollParts, pollSource } from './poll.js';
import { type ReconcileParts, type Reconciliation, reconcileSource } from './reconcile.js';
import type { RejectCopies } from './reject-copies.js';
import { createReader } from './source-reader.js';
import { type NotWhole, whyNotWhole } from './source-size.js';
import type { ReadingProgress } from './step.js';
import { ThreadedReader } from './threaded-reader.js';

/** What a source asks the store beside its admissions. */
export type PolledReads = Pick<ReadStore, 'account' | 'knowsRejects'>;

export interface PollerParts {
  readonly tasks: readonly TaskConfig[];
  readonly hung?: readonly HungRecord[];
  readonly store: IntakeStore & PolledReads;
  readonly clock: Clock;
  readonly clockTrust: ClockTrust;
  readonly log: Log;
  readonly copies: RejectCopies;
  readonly files: FileAccess;
  readonly onQueued: () => void;
  readonly observer?: IntakeObserver;
  readonly reads?: ReadBook | undefined;
  readonly isTraced?: boolean | undefined;
}

/** What came of the last time at which all that stands in a source was to be held against the ledger. */
export interface SourceLook {
  readonly atMonotonicMs: number;
  /** Records that nobody accounts for, and that could not be queued; null where it is not known. */
  readonly unaccounted: number | null;
  /** Why it is not known; null where it is. */
  readonly unknown: NotWhole | null;
}

export interface SourceStatus {
  readonly name: string;
  readonly lastPollMonotonicMs: number | null;
  /** Why the source cannot be read now, for people; null when all is well. */
  readonly problem: string | null;
  /** Files that are being written, or that wait for a second look. */
  readonly waitingFiles: number;
  /** One of them; null when there is none. */
  readonly waitingPath: string | null;
  /** A backlog that is being read just now. */
  readonly reading: ReadingProgress | null;
  /** null until there was one. */
  readonly look: SourceLook | null;
}

/** Between two looks at a file that is being written. */
const LOOK_AGAIN_MS = 250;
const MOST_LOOKS = 4;

/** What a reconciliation came to, and how many records the polls before it queued. */
export interface SourceReconciliation extends Reconciliation {
  readonly name: string;
  readonly polled: number;
}

/** A poll that reads a large backlog counts as often as this, or its worker would be taken for one that hangs. */
const LONG_POLL_COUNTS_EVERY_MS = 10_000;

/** Polls one source: on its own timer or on demand, never twice at once, and whatever goes wrong goes on. */
export class SourcePoller {
  readonly #source: SourceConfig;
  readonly #parts: PollerParts;
  readonly #door: AdmissionDoor;
  #poll: PollParts | null = null;
  #cancelTimer: () => void = () => undefined;
  #running: Promise<void> | null = null;
  #timed = false;
  #stopping = false;
  #lastPollMonotonicMs: number | null = null;
  /** What the last poll threw, for people. */
  #failure: string | null = null;
  /** Why the wall clock is not trusted, where times depend on it. */
  #doubt: string | null = null;
  #polls = 0;
  #countedAtMs = 0;
  /** Records were read since they were last held against the ledger. */
  #hasMoved = true;
  #look: SourceLook | null = null;
  /** Who waits for a reconciliation hears how its polls go on, too. */
  #onProgress: ReconcileParts['onProgress'] | null = null;

  constructor(source: SourceConfig, parts: PollerParts) {
    this.#source = source;
    this.#parts = parts;
    const scope = { workspace: source.workspace, kind: 'source' as const, name: source.name };
    this.#door = new AdmissionDoor(parts.store, scope);
  }

  /** It opens jobs for times to come, and one look at it takes a moment. */
  get isTimed(): boolean {
    return this.#hasTimes && !this.#source.network;
  }

  get #hasTimes(): boolean {
    const { kind } = this.#source;
    return kind === 'schedule' || kind === 'every';
  }

  /** Polls that were finished, and steps of long ones. */
  get polls(): number {
    return this.#polls;
  }

  start(): void {
    this.#timed = true;
    void this.#tick();
  }

  async stop(): Promise<void> {
    this.#timed = false;
    this.#stopping = true;
    this.#cancelTimer();
    this.#poll?.reader.close?.();
    await this.#running;
  }

  async pollOnce(): Promise<boolean> {
    // A poll that runs already may have looked before the caller's last write.
    if (this.#running !== null) await this.#running;
    await this.#run(true);
    return this.#failure === null && this.#doubt === null && (this.#poll?.reader.status().settled ?? false);
  }

  /**
   * Polls until everything is taken that can be, then holds all that stands in the files against the ledger and closes what
   * is open. Nothing else polls this source meanwhile. `moved` passes over a source that has not changed since the last
   * time, and one too large to be read whole every few minutes: null. Throws what the store throws.
   */
  async reconcile(
    which: 'all' | 'moved',
    onProgress: ReconcileParts['onProgress'],
  ): Promise<SourceReconciliation | null> {
    if (which === 'moved') {
      if (!this.#hasMoved || this.#doubts()) return null;
      const why = whyNotWhole(this.#source, this.#parts.files);
      if (why !== null) {
        this.#saw(null, why);
        return null;
      }
    }
    while (this.#running !== null) await this.#running;
    const work = this.#reconcile(onProgress);
    this.#running = work
      .then(
        () => undefined,
        () => {
          // It was not held against the ledger, so the next time it is not passed over.
          this.#hasMoved = true;
        },
      )
      .finally(() => {
        this.#running = null;
      });
    return work;
  }

  async #reconcile(onProgress: ReconcileParts['onProgress']): Promise<SourceReconciliation> {
    const { tasks, store, clock, files, onQueued } = this.#parts;
    let polled = 0;
    this.#onProgress = onProgress;
    for (let look = 1; look <= MOST_LOOKS && !this.#stopping; look += 1) {
      polled += await this.#pollGuarded(true);
      if (this.#poll?.reader.status().settled) break;
      await pause(clock, LOOK_AGAIN_MS);
    }
    this.#onProgress = null;
    this.#hasMoved = false;
    const reconciliation = await reconcileSource({
      source: this.#source,
      tasks,
      hung: this.#parts.hung ?? [],
      store,
      clock,
      files,
      lookAgainMs: LOOK_AGAIN_MS,
      onQueued,
      onProgress: (reading) => {
        this.#countLongPoll();
        onProgress(reading);
      },
      isStopping: () => this.#stopping,
    });
    this.#parts.observer?.reconciled(this.#source.name, reconciliation.queued);
    if (!this.#stopping) {
      const isWhole = reconciliation.account.problem === null;
      this.#saw(isWhole ? reconciliation.unaccounted : null, isWhole ? null : 'unreadable');
    }
    return { ...reconciliation, name: this.#source.name, polled };
  }

  #saw(unaccounted: number | null, unknown: NotWhole | null): void {
    this.#look = { atMonotonicMs: this.#parts.clock.monotonicMs(), unaccounted, unknown };
  }

  status(): SourceStatus {
    const reader = this.#poll?.reader.status();
    return {
      name: this.#source.name,
      lastPollMonotonicMs: this.#lastPollMonotonicMs,
      problem: this.#doubt ?? this.#failure ?? reader?.problem ?? null,
      waitingFiles: reader?.waitingFiles ?? 0,
      waitingPath: reader?.waitingPath ?? null,
      reading: reader?.reading ?? null,
      look: this.#look,
    };
  }

  async #tick(): Promise<void> {
    await this.#run(false);
    if (!this.#timed) return;
    const { pollMs } = this.#source;
    const waitMs = this.#poll?.reader.status().looksAgain ? Math.min(pollMs, LOOK_AGAIN_MS) : pollMs;
    this.#cancelTimer = this.#parts.clock.after(waitMs, () => void this.#tick());
  }

  /** One poll; whoever calls while it runs waits for the same one. Never rejects. */
  #run(thorough: boolean): Promise<void> {
    this.#running ??= this.#pollGuarded(thorough)
      .then(() => undefined)
      .finally(() => {
        this.#running = null;
      });
    return this.#running;
  }

  /** How many records it queued. */
  async #pollGuarded(thorough: boolean): Promise<number> {
    this.#countedAtMs = this.#parts.clock.monotonicMs();
    let queued = 0;
    try {
      if (this.#doubts()) return 0;
      this.#poll ??= await this.#prepare();
      const tally = await pollSource(this.#poll, thorough);
      queued = tally.queued;
      if (tally.seen > 0) this.#hasMoved = true;
      this.#failure = null;
    } catch (error) {
      // A stop may end a poll that waits for a mount.
      if (!this.#stopping) this.#fail(error);
    } finally {
      this.#polls += 1;
      this.#lastPollMonotonicMs = this.#parts.clock.monotonicMs();
      this.#parts.observer?.polled(this.#source.name, this.#failure === null && this.#doubt === null);
    }
    return queued;
  }

  /** A plan says what is to be done by the clock: while that is not trusted, nobody can tell what is late and what is over. */
  #doubts(): boolean {
    const why = this.#hasTimes ? this.#parts.clockTrust.isSuspect() : null;
    this.#doubt = why === null ? null : `waits for a clock that can be trusted: ${why}`;
    return why !== null;
  }

  async #prepare(): Promise<PollParts> {
    const { files, clock, tasks, copies, log, onQueued, observer, reads, isTraced } = this.#parts;
    const source = this.#source;
    const reader = source.network
      ? new ThreadedReader(source, tasks, clock)
      : await createReader(source, await createJudge(source, tasks, this.#parts.hung), files, clock);
    return {
      source,
      reader,
      door: this.#door,
      copies,
      clock,
      log,
      onQueued,
      onTally: (tally) => observer?.admitted(source.name, tally),
      reads,
      isTraced,
      onSlice: () => {
        this.#countLongPoll();
        this.#onProgress?.(reader.status().reading);
      },
      isStopping: () => this.#stopping,
    };
  }

  #countLongPoll(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#countedAtMs < LONG_POLL_COUNTS_EVERY_MS) return;
    this.#countedAtMs = nowMs;
    this.#polls += 1;
  }

  /** Said once for each new cause: a source that stays broken does not fill the log. */
  #fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== this.#failure) {
      const { log } = this.#parts;
      const isBusy = error instanceof DoggedError && error.code === 'STORE_BUSY';
      const message = `the source ${this.#source.name} could not be polled; it is tried again`;
      if (isBusy) log.warn({ source: this.#source.name, why: text }, message);
      else log.error({ source: this.#source.name, err: error }, message);
    }
    this.#failure = text;
  }
}
