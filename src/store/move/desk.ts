import type { Database } from 'better-sqlite3';
import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import { lookAtRedis } from '../bullmq/look-at-redis.js';
import { otherMachines, type SeenMachine } from '../bullmq/machines.js';
import { SEND_STATES } from '../bullmq/outbox.js';
import { startCopy, startMirror, stopMirror } from '../mirror/mirroring.js';
import { RedisMirror } from '../mirror/redis-mirror.js';
import { type VerifyReport, verifyMirror } from '../mirror/verify.js';
import type { ChosenStore, Move, MovePhase } from '../move-contract.js';
import { beginMove, changePhase, currentStore, endMove, readChosenStore } from '../sqlite/move-book.js';
import { readMove } from '../sqlite/move-row.js';
import type { SqliteStore } from '../sqlite/store.js';
import { machinesText } from './machines-text.js';
import { checkOpenJobs, type OpenJobsReport, rememberOpenJobs } from './open-jobs.js';
import { originOf } from './origin.js';
import { composePlan, type MovePlan } from './plan.js';
import { withRedis } from './with-redis.js';

/** How a move stands. */
export interface MoveLook {
  /** null: nothing is being moved. */
  readonly move: Move | null;
  /** Which store runs the jobs. */
  readonly current: string;
  readonly chosen: ChosenStore | null;
  /** Jobs that Redis is still to be given, and those that it holds or may hold. Counted up to 100,000. */
  readonly toSend: number;
  readonly inRedis: number;
}

/** A look must not count a million rows. */
const MOST_COUNTED = 100_000;
/** How long Redis may take to follow what was changed before both sides are compared. */
const FOLLOW_WITHIN_MS = 30_000;

/** What `dogged migrate` has in hand: it asks by way of rows, and the worker does what it asks for. */
export class MoveDesk {
  readonly #sqlite: SqliteStore;
  readonly #clock: Clock;

  constructor(sqlite: SqliteStore, clock: Clock) {
    this.#sqlite = sqlite;
    this.#clock = clock;
  }

  look(): Promise<MoveLook> {
    return this.#sqlite.look(({ db }) => ({
      move: readMove(db),
      current: currentStore(db),
      chosen: readChosenStore(db),
      toSend: count(db, `outbox WHERE state IN (${SEND_STATES.waiting}, ${SEND_STATES.unsure})`),
      inRedis: count(db, `outbox WHERE state NOT IN (${SEND_STATES.waiting}, ${SEND_STATES.refused})`),
    }));
  }

  /**
   * Throws REDIS_AWAY, REDIS_REFUSED and REDIS_UNSAFE, and MOVE_REFUSED for a way that there is not; what else speaks against
   * it stands in the plan.
   */
  async plan(target: string): Promise<MovePlan> {
    const { source, origin } = await this.#sqlite.look(({ db }) => ({
      source: currentStore(db),
      origin: originOf(db),
    }));
    refuseBetweenRedis(source, target);
    const address = target === 'sqlite' ? source : target;
    return withRedis(address, this.#clock, async (link, warnings) => {
      const redis = await lookAtRedis(link);
      const others = await otherMachines(link, origin);
      const othersText = others.length === 0 ? null : machinesText(others, address);
      return composePlan({ sqlite: this.#sqlite, source, target, redis, warnings, others, othersText });
    });
  }

  /**
   * Towards Redis it begins with a mirror; towards SQLite there is nothing to mirror, and the jobs are called home. Throws
   * MOVE_REFUSED for a way that there is not. Does nothing where a move is under way, or the jobs are there already.
   */
  async begin(target: string): Promise<void> {
    const startedAtMs = this.#clock.wallMs();
    await this.#sqlite.within(({ db }) => {
      if (readMove(db) !== null || currentStore(db) === target) return;
      const phase = target === 'sqlite' ? 'cutover' : 'dual';
      const source = currentStore(db);
      refuseBetweenRedis(source, target);
      beginMove(db, { target, source, phase, startedAtMs });
      if (target !== 'sqlite') startMirror(db);
    });
  }

  /** Whether the worker has come to the mirror: it leaves a mark there before anything else. */
  async isFollowed({ target, mirror }: Pick<Move, 'target' | 'mirror'>): Promise<boolean> {
    if (mirror === null) return false;
    try {
      return await withRedis(target, this.#clock, (link) => new RedisMirror(link, mirror).isMarked());
    } catch (error) {
      // It is waited for.
      if (error instanceof DoggedError && error.code === 'REDIS_AWAY') return false;
      throw error;
    }
  }

  /** From now on the worker copies the jobs that were there before. Does nothing where it does so already. */
  async copy(): Promise<void> {
    await this.#sqlite.within(({ db }) => {
      if (readMove(db)?.copyUntil === null) startCopy(db);
    });
  }

  /** Holds both sides against each other. Throws REDIS_AWAY, REDIS_REFUSED and REDIS_UNSAFE. */
  verify(
    { target, mirror }: Pick<Move, 'target'> & { readonly mirror: string },
    onProgress: (done: number, total: number) => void,
  ): Promise<VerifyReport> {
    const sqlite = this.#sqlite;
    const clock = this.#clock;
    return withRedis(target, clock, (link) =>
      verifyMirror({ sqlite, link, mirror, clock, waitMs: FOLLOW_WITHIN_MS, onProgress }),
    );
  }

  /** Throws MOVE_REFUSED where the jobs would have to come home from a Redis with which other machines run. */
  async refuseRollBack(): Promise<void> {
    const { move, current, origin } = await this.#sqlite.look(({ db }) => ({
      move: readMove(db),
      current: currentStore(db),
      origin: originOf(db),
    }));
    if (move === null || move.source !== 'sqlite' || current === 'sqlite') return;
    if (move.phase !== 'cutover' && move.phase !== 'moved') return;
    const others = await this.#othersIn(current, origin);
    if (others.length === 0) return;
    const detail = machinesText(others, current);
    throw new DoggedError('MOVE_REFUSED', { source: current, target: 'sqlite', detail });
  }

  /** None where Redis cannot be asked: then the worker waits until it can, and looks by itself. */
  async #othersIn(address: string, origin: string): Promise<readonly SeenMachine[]> {
    try {
      return await withRedis(address, this.#clock, (link) => otherMachines(link, origin));
    } catch (error) {
      if (error instanceof DoggedError) return [];
      throw error;
    }
  }

  /** False where the move stands in another phase by now. */
  ask(from: MovePhase, to: MovePhase): Promise<boolean> {
    return this.#sqlite.within(({ db }) => {
      const isDone = changePhase(db, from, to);
      if (isDone && to === 'ending') stopMirror(db);
      return isDone;
    });
  }

  /** The open jobs as they are before the cutover: kept by this desk alone. */
  remember(): void {
    rememberOpenJobs(this.#sqlite);
  }

  /** After the cutover. Throws REDIS_AWAY, REDIS_REFUSED and REDIS_UNSAFE. */
  checkOpen({ target, source }: Pick<Move, 'target' | 'source'>): Promise<OpenJobsReport> {
    const isInRedis = target !== 'sqlite';
    return withRedis(isInRedis ? target : source, this.#clock, (link) =>
      checkOpenJobs(this.#sqlite, link, isInRedis),
    );
  }

  /** What is left in Redis of the mirror stays there. Only of a move that is ending. */
  async abandon(): Promise<void> {
    await this.#sqlite.within(({ db }) => {
      if (readMove(db)?.phase === 'ending') endMove(db);
    });
  }

  close(): Promise<void> {
    return this.#sqlite.close();
  }
}

function refuseBetweenRedis(source: string, target: string): void {
  if (source === 'sqlite' || target === 'sqlite') return;
  const detail = `from one Redis to another, or to the same by another name, the way leads through SQLite. First: dogged migrate --to sqlite. Then: dogged migrate --to ${target}`;
  throw new DoggedError('MOVE_REFUSED', { source, target, detail });
}

function count(db: Database, what: string): number {
  const found = db
    .prepare<[], number>(`SELECT count(*) FROM (SELECT 1 FROM ${what} LIMIT ${MOST_COUNTED})`)
    .pluck();
  return found.get() ?? 0;
}
