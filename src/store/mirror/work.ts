import { type Clock, pause } from '../../platform/clock.js';
import { redisAddress } from '../bullmq/address.js';
import { RedisLink } from '../bullmq/redis-link.js';
import type { SqliteStore } from '../sqlite/store.js';
import { Line } from './line.js';
import { copyNext, startCopy } from './mirroring.js';
import { RedisMirror } from './redis-mirror.js';
import { MirrorRelay, type NoteResult, type Step } from './relay.js';

/** How soon a change is sent. */
const TICK_MS = 250;
/** What went wrong is tried again after so long, then after twice that, and so on. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30_000;
/** How often somebody looks whether Redis has lost the mirror while there is nothing to send. */
const LOOK_EVERY_MS = 10_000;
const COPY_PAGE = 500;
const STOP_WITHIN_MS = 500;

/** What is told beside the work. */
export interface MirrorEvents {
  readonly onResult: NoteResult;
  /** The mirror takes nothing, or not all; null: all is well again. */
  readonly onMirror?: (problem: string | null) => void;
  readonly onMirrorWarning?: (text: string) => void;
  /** Something unforeseen; it is tried again. */
  readonly onMirrorError?: (error: unknown) => void;
}

export interface MirrorWorkParts {
  readonly sqlite: Pick<SqliteStore, 'look' | 'within'>;
  /** `move.target`. User and password come from the environment. */
  readonly target: string;
  /** `move.mirror`. */
  readonly mirror: string;
  readonly clock: Clock;
  readonly events: MirrorEvents;
}

/**
 * Keeps the mirror in step with the jobs while a move is under way: sends what stands in line, copies what was there before, and
 * begins the copy anew when Redis has lost it. Has a connection of its own, so no claim waits for it. Whatever goes wrong is told
 * and tried again, and is nobody else's failure.
 */
export class MirrorWork {
  readonly #parts: MirrorWorkParts;
  readonly #link: RedisLink;
  readonly #mirror: RedisMirror;
  readonly #relay: MirrorRelay;
  #line: Line | undefined;
  #cancelTick: (() => void) | null = null;
  #work: Promise<void> = Promise.resolve();
  #isStopped = false;
  #problem: string | null | undefined;
  /** What is told is of jobs that Redis did not take while it took others: it stands until they are taken. */
  #isOfJobs = false;
  #retryMs = FIRST_RETRY_MS;
  #retryAtMs = 0;
  /** Nothing at all is sent until then. */
  #blockedUntilMs = 0;
  #lookAtMs = 0;

  constructor(parts: MirrorWorkParts) {
    const { sqlite, target, mirror, clock, events } = parts;
    this.#parts = parts;
    this.#link = openMirrorLink(target, clock, undefined, {
      onBack: () => this.#beginAfresh(),
      onWarning: (text) => events.onMirrorWarning?.(text),
    });
    this.#mirror = new RedisMirror(this.#link, mirror);
    this.#relay = new MirrorRelay({ sqlite, mirror: this.#mirror, onResult: events.onResult });
  }

  /** In words; null while all is well, as far as is known. */
  get problem(): string | null {
    return this.#problem ?? null;
  }

  start(): void {
    this.#tickLater();
  }

  /** What is being sent is waited for, for a short while; what is not known to be there is sent by the next. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTick?.();
    const isOver = new AbortController();
    const work = this.#work.then(() => isOver.abort());
    await pause(this.#parts.clock, STOP_WITHIN_MS, isOver.signal);
    this.#link.close();
    await work;
  }

  #tickLater(): void {
    if (this.#isStopped) return;
    this.#cancelTick = this.#parts.clock.after(
      TICK_MS,
      () => {
        this.#work = this.#tick();
      },
      { background: true },
    );
  }

  async #tick(): Promise<void> {
    const { clock, events } = this.#parts;
    try {
      if (this.#problem === undefined) await this.#link.settled();
      if (this.#link.isUp) await this.#link.look();
      const mayGo = this.#link.isUp && this.#link.unsafe === null;
      if (mayGo && clock.monotonicMs() >= this.#blockedUntilMs) await this.#drain();
      const problem = this.#link.isUp ? this.#link.unsafe : this.#link.why;
      if (problem !== null) await this.#tell(problem);
    } catch (error) {
      if (this.#link.isUp) events.onMirrorError?.(error);
      this.#waitLonger();
      this.#blockedUntilMs = this.#retryAtMs;
      await this.#tellAnyhow((error as Error).message);
    }
    this.#tickLater();
  }

  async #drain(): Promise<void> {
    const { sqlite, clock } = this.#parts;
    if (clock.monotonicMs() >= this.#lookAtMs) await this.#lookForLoss();
    while (this.#link.isUp && !this.#isStopped) {
      const fresh = await this.#relay.send('fresh');
      if (await this.#settled(fresh)) return;
      if (fresh.sent > fresh.failed && !this.#isOfJobs) await this.#tell(null);
      if (fresh.sent > 0) continue;
      if (clock.monotonicMs() >= this.#retryAtMs) {
        const again = await this.#relay.send('failed');
        if (await this.#settled(again)) return;
        if (again.sent > again.failed) continue;
        if (again.sent === 0) await this.#allIsWell();
      }
      const isCopying = await sqlite.look((core, verbs) => {
        this.#line ??= new Line(core.db, verbs);
        return this.#line.isCopying();
      });
      if (!isCopying || !(await sqlite.within(({ db }) => copyNext(db, COPY_PAGE)))) return;
    }
  }

  /** True: nothing more is to be sent in this round. */
  async #settled(step: Step): Promise<boolean> {
    if (step.isLost) await this.#lookForLoss();
    if (step.failed === 0) return false;
    this.#waitLonger();
    if (step.isBlocked) this.#blockedUntilMs = this.#retryAtMs;
    this.#isOfJobs = !step.isAway;
    await this.#tell(step.why);
    return step.isBlocked;
  }

  #waitLonger(): void {
    this.#retryAtMs = this.#parts.clock.monotonicMs() + this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
  }

  async #allIsWell(): Promise<void> {
    this.#retryMs = FIRST_RETRY_MS;
    this.#isOfJobs = false;
    await this.#tell(null);
  }

  /** Redis answers again; what it holds may be another thing than before. */
  #beginAfresh(): void {
    this.#retryMs = FIRST_RETRY_MS;
    this.#retryAtMs = 0;
    this.#blockedUntilMs = 0;
    this.#lookAtMs = 0;
  }

  /** A mark that is not there: Redis is new to us, or was emptied, or restarted without what it held. */
  async #lookForLoss(): Promise<void> {
    const { sqlite, clock } = this.#parts;
    if (!(await this.#mirror.isMarked())) {
      await sqlite.within(({ db }) => {
        const isBegun = db.prepare('SELECT 1 FROM move WHERE copy_until IS NOT NULL').get() !== undefined;
        if (isBegun) startCopy(db);
      });
      // After that: whoever dies in between finds no mark, and begins the copy once more.
      await this.#mirror.setMark();
    }
    this.#lookAtMs = clock.monotonicMs() + LOOK_EVERY_MS;
  }

  async #tell(problem: string | null): Promise<void> {
    if (problem === this.#problem || this.#isStopped) return;
    const { sqlite, clock, events } = this.#parts;
    await sqlite.within((core, verbs) => {
      this.#line ??= new Line(core.db, verbs);
      this.#line.setProblem(problem, clock.wallMs());
    });
    const isNews = problem !== null || (this.#problem ?? null) !== null;
    this.#problem = problem;
    if (isNews) events.onMirror?.(problem);
  }

  /** Where that itself cannot be written down, the next round tells. */
  async #tellAnyhow(problem: string): Promise<void> {
    try {
      await this.#tell(problem);
    } catch (error) {
      this.#parts.events.onMirrorError?.(error);
    }
  }
}

/** A connection of one's own to the Redis where a mirror is. User and password come from the environment. */
export function openMirrorLink(
  target: string,
  clock: Clock,
  callWithinMs?: number,
  told: { readonly onBack?: () => void; readonly onWarning?: (text: string) => void } = {},
): RedisLink {
  return new RedisLink({
    address: redisAddress(target, process.env),
    clock,
    ...(callWithinMs === undefined ? {} : { callWithinMs }),
    onBack: told.onBack ?? (() => undefined),
    onProblem: () => undefined,
    onWarning: told.onWarning ?? (() => undefined),
  });
}
