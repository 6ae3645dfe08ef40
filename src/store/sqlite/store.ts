import type { Database } from 'better-sqlite3';
import { DoggedError } from '../../job/errors.js';
import type { JobId } from '../../job/job.js';
import { failpoint } from '../../platform/failpoint.js';
import { BrokenHandOff } from '../../trace/broken-hand-off.js';
import type { StoredBreaker } from '../breaker-contract.js';
import type {
  CancelAnswer,
  End,
  HeldElsewhere,
  Orphan,
  Owner,
  Ownership,
  RedriveAnswer,
  TaskSettings,
  Turn,
  TurnResult,
} from '../contract.js';
import type { Capabilities, Store, StoreUse } from '../engine.js';
import type { AdmissionBatch, AdmissionReport, CursorPage, CursorRecord, Scope } from '../intake-contract.js';
import type { Connection } from './connection.js';
import { type Core, createCore } from './core.js';
import { SqliteReads } from './reads.js';
import { Verbs } from './verbs.js';

/** Most rows for which a command may hold the lock: the worker waits meanwhile. */
const ROWS_PER_LOCK = 1_000;

/** The SQLite engine: each call is one transaction of the verbs in this folder, which are prepared when first used. */
export class SqliteStore extends SqliteReads implements Store {
  readonly capabilities: Capabilities = { globalOrder: true, atomicBatchClaim: true };

  readonly #use: StoreUse;
  readonly #core: Core;
  /** Our epoch, once we own the store. */
  #epoch: number | null = null;
  /** By how much the wall clock has been set in all, as far as we were told: see `Retries`. */
  #clockMovedMs = 0;
  #dataVersion: number;
  #guard: (() => void) | null = null;

  constructor(connection: Connection, use: StoreUse) {
    const core = createCore(connection.db);
    super(connection, new Verbs(core));
    this.#use = use;
    this.#core = core;
    this.#dataVersion = this.#readDataVersion();
  }

  // --- intake

  async admit(batch: AdmissionBatch): Promise<AdmissionReport> {
    const report = await this.#admit(batch);
    failpoint('admit.after-commit');
    if (this.#use === 'worker') await this.verbs.admission.checkpoint.afterAdmission();
    return report;
  }

  async #admit(batch: AdmissionBatch): Promise<AdmissionReport> {
    try {
      return await this.#write(() => this.verbs.admission.admit(batch));
    } catch (error) {
      // All of it was rolled back; that it was broken is kept for whoever asks.
      if (error instanceof BrokenHandOff)
        await this.#write(() => this.verbs.cycles.keepBroken(batch, error.trace));
      throw error;
    }
  }

  cursors(scope: Scope, page?: CursorPage): Promise<readonly CursorRecord[]> {
    return this.read(() => this.verbs.admission.cursors(scope, page));
  }

  // --- claims

  async turn(turn: Turn): Promise<TurnResult> {
    const epoch = this.#ownEpoch();
    // As it is now: the clock may be set again while the database keeps us waiting.
    const clockMovedMs = this.#clockMovedMs;
    if (turn.ends.length === 0 && turn.breakers === undefined) {
      const idle = await this.read(() => this.verbs.dispatch.idle(turn, epoch, clockMovedMs));
      if (idle !== null) return idle;
    }
    const result = await this.#write(() => this.verbs.dispatch.turn(turn, epoch, clockMovedMs));
    failpoint('turn.after-commit');
    return result;
  }

  clockJumped(byMs: number): void {
    this.#clockMovedMs += byMs;
  }

  /** This engine has no leases: a job is its owner's until another owner is proved. */
  async renew(): Promise<readonly JobId[]> {
    return [];
  }

  changedElsewhere(): boolean {
    const found = this.#readDataVersion();
    const changed = found !== this.#dataVersion;
    this.#dataVersion = found;
    return changed;
  }

  breakers(): Promise<readonly StoredBreaker[]> {
    return this.read(() => this.verbs.breakers.stored());
  }

  // --- upkeep

  async takeOwnership(owner: Owner, nowMs: number): Promise<Ownership> {
    const { ownership, clockMovedMs } = await this.#write(() => this.verbs.owners.take(owner, nowMs));
    this.#epoch = ownership.epoch;
    this.#clockMovedMs = clockMovedMs;
    return ownership;
  }

  async releaseOwnership(epoch: number, nowMs: number): Promise<void> {
    await this.#write(() => this.verbs.owners.release(epoch, nowMs));
  }

  async configureTasks(workspaces: readonly string[], tasks: readonly TaskSettings[]): Promise<void> {
    await this.#write(() => this.verbs.people.configureTasks(workspaces, tasks));
  }

  orphans(): Promise<readonly Orphan[]> {
    return this.read(() => this.verbs.owners.orphans());
  }

  async rescue(ends: readonly End[], nowMs: number): Promise<readonly ('recorded' | 'lost')[]> {
    const epoch = this.#ownEpoch();
    const clockMovedMs = this.#clockMovedMs;
    return this.#write(() => {
      const fenced = this.verbs.owners.epoch() !== epoch;
      const answers = ends.map((end) =>
        fenced || end.claim.epoch >= epoch ? 'lost' : this.verbs.ending.record(end, nowMs, clockMovedMs),
      );
      failpoint('rescue.before-commit');
      return answers;
    });
  }

  async pulse(epoch: number, nowMs: number, isTrusted: boolean): Promise<void> {
    const found = await this.#write(() => this.verbs.owners.pulse(epoch, nowMs, isTrusted));
    if (found !== epoch) throw new DoggedError('OWNER_CHANGED', { found, ours: epoch });
  }

  heldElsewhere(): HeldElsewhere | null {
    return this.connection.heldElsewhere();
  }

  cancel(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly CancelAnswer[]> {
    return this.#writeInParts(ids, (id) => this.verbs.people.cancel(workspace, id, nowMs));
  }

  redrive(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly RedriveAnswer[]> {
    return this.#writeInParts(ids, (id) => this.verbs.people.redrive(workspace, id, nowMs));
  }

  acknowledgeDamaged(nowMs: number): Promise<number> {
    return this.#write(() => this.verbs.damaged.acknowledge(nowMs));
  }

  setPaused(workspace: string, task: string | null, paused: boolean): Promise<boolean> {
    return this.#write(() => this.verbs.people.setPaused(workspace, task, paused));
  }

  async prune(endedBeforeMs: number, limit: number): Promise<number> {
    let removed = 0;
    while (removed < limit) {
      const part = Math.min(limit - removed, ROWS_PER_LOCK);
      const went = await this.#write(() => this.verbs.pruning.prune(endedBeforeMs, part));
      removed += went;
      if (went < part) break;
    }
    return removed;
  }

  // --- engine

  /** For an engine that keeps rows of its own beside these: `work` in one transaction, with the verbs at hand. */
  within<T>(work: (core: Core, verbs: Verbs) => T): Promise<T> {
    return this.#write(() => work(this.#core, this.verbs));
  }

  /** The same for what only reads. */
  look<T>(work: (core: Core, verbs: Verbs) => T): Promise<T> {
    return this.read(() => work(this.#core, this.verbs));
  }

  async close(): Promise<void> {
    this.connection.db.close();
  }

  /** `check` runs at the beginning of each transaction that writes, and ends it by throwing. */
  guardWrites(check: () => void): void {
    this.#guard = check;
  }

  #write<T>(work: () => T): Promise<T> {
    const { names, tally, recordTally } = this.#core;
    return this.connection.write(
      () => {
        this.#guard?.();
        // Only a worker changes the settings of tasks, so only a worker may remember them.
        if (this.#use !== 'worker') names.forget();
        const result = work();
        tally.write();
        recordTally.write();
        return result;
      },
      () => {
        names.forget();
        tally.forget();
        recordTally.forget();
      },
    );
  }

  async #writeInParts<T, A>(items: readonly T[], work: (item: T) => A): Promise<readonly A[]> {
    const answers: A[] = [];
    for (let from = 0; from < items.length; from += ROWS_PER_LOCK) {
      const part = items.slice(from, from + ROWS_PER_LOCK);
      answers.push(...(await this.#write(() => part.map(work))));
    }
    return answers;
  }

  #ownEpoch(): number {
    if (this.#epoch === null) throw new Error('take ownership of the store first');
    return this.#epoch;
  }

  get database(): Database {
    return this.connection.db;
  }

  /** By how much the wall clock has been set in all, as far as we were told. */
  get clockMovedMs(): number {
    return this.#clockMovedMs;
  }

  #readDataVersion(): number {
    return this.connection.db.pragma('data_version', { simple: true }) as number;
  }
}
