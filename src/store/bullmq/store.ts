import { dirname } from 'node:path';
import { DoggedError } from '../../job/errors.js';
import type { JobId } from '../../job/job.js';
import type { Clock } from '../../platform/clock.js';
import type { StoredBreaker } from '../breaker-contract.js';
import type {
  CancelAnswer,
  Claim,
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
import type { Capabilities, Store } from '../engine.js';
import type { AdmissionBatch, AdmissionReport, CursorPage, CursorRecord, Scope } from '../intake-contract.js';
import type { QueueCounts } from '../read-contract.js';
import { refuseWhileHeld } from '../sqlite/remote-mark.js';
import type { SqliteStore } from '../sqlite/store.js';
import { BookReads } from './book-reads.js';
import { Books } from './books.js';
import { Outbox } from './outbox.js';
import { Recall } from './recall.js';
import type { Remote } from './remote.js';
import { Touched } from './touched.js';
import type { TurnParts } from './turn.js';
import { Unleased } from './unleased.js';

/** What is done with the rows here, whoever does it. */
export interface Rows {
  readonly sqlite: SqliteStore;
  readonly outbox: () => Outbox;
  readonly books: () => Books;
  readonly clock: Clock;
}

/** What only a worker has: it speaks with Redis. Handed in, so that commands and screens need not load that part. */
export interface WorkerSide {
  readonly connect: (rows: Rows, resolve: () => Promise<number>) => Remote;
  readonly site: string;
  readonly takeTurn: (parts: TurnParts) => Promise<TurnResult>;
  readonly findOrphans: (parts: Omit<TurnParts, 'turn'>) => Promise<readonly Orphan[]>;
  readonly rescueEnds: (
    parts: Omit<TurnParts, 'turn'> & { readonly ends: readonly End[]; readonly nowMs: number },
  ) => Promise<readonly ('recorded' | 'lost')[]>;
}

/**
 * Jobs run through BullMQ, and keep their rows here: cursors, ledger, waiting, limits, history and every read are SQLite's. A
 * job stands in Redis from when it is ready until its attempt has ended, wherever it runs.
 */
export class BullmqStore extends BookReads implements Store {
  readonly capabilities: Capabilities = { globalOrder: false, atomicBatchClaim: false };
  readonly recall: Recall;
  readonly #clock: Clock;
  readonly #worker: WorkerSide | null;
  readonly #remote: Remote | null;
  #outbox: Outbox | undefined;
  #books: Books | undefined;
  #touched: Touched | undefined;
  #unleased: Unleased | undefined;
  #epoch: number | null = null;

  /** `worker`: null in commands and screens. They look, and ask by way of the rows; the worker does what they ask for. */
  constructor(sqlite: SqliteStore, clock: Clock, worker: WorkerSide | null) {
    super(sqlite);
    this.#clock = clock;
    this.#worker = worker;
    const rows: Rows = { sqlite, outbox: () => this.outbox, books: () => this.books, clock };
    this.#remote = worker?.connect(rows, () => this.recall.resolve()) ?? null;
    this.recall = new Recall({ ...rows, remote: this.#remote });
  }

  /** Statements are prepared when they are first needed: a reader needs few of them. */
  get outbox(): Outbox {
    if (this.#outbox === undefined) throw new Error('prepare the store first');
    return this.#outbox;
  }

  get books(): Books {
    if (this.#books === undefined) throw new Error('prepare the store first');
    return this.#books;
  }

  get unleased(): Unleased {
    if (this.#unleased === undefined) throw new Error('prepare the store first');
    return this.#unleased;
  }

  /** Once the tables are there. */
  async prepare(): Promise<void> {
    await this.sqlite.look((core, verbs) => {
      this.#outbox = new Outbox(core);
      this.#books = new Books(core, verbs);
      this.#touched = new Touched(core);
      this.#unleased = new Unleased(core.db);
    });
  }

  /** Throws REDIS_UNSAFE for a Redis that is there and must not be used; one that is away is waited for in the background. */
  async settled(): Promise<void> {
    const { link, address } = this.#working().remote;
    await link.settled();
    const { unsafe } = link;
    if (unsafe !== null) throw new DoggedError('REDIS_UNSAFE', { address, detail: unsafe });
  }

  /**
   * From now on jobs run through Redis. In a transaction of the caller's; what is ready by then goes there with
   * `Outbox.sync`. Throws STORE_ELSEWHERE while another Redis may hold jobs of ours.
   */
  register(): void {
    const { remote, worker } = this.#working();
    const { database } = this.sqlite;
    refuseWhileHeld(database, dirname(database.name), remote.address);
    this.books.register(worker.site, remote.address);
    Outbox.watch(database);
  }

  /** Takes over from the engine that has run the jobs of this epoch until now. */
  adopt(epoch: number): void {
    this.#epoch = epoch;
    this.#remote?.start(epoch);
  }

  /** Only of a worker. */
  get remote(): Remote {
    return this.#working().remote;
  }

  // --- intake

  async admit(batch: AdmissionBatch): Promise<AdmissionReport> {
    return this.#exclusively(async () => {
      await this.recall.run(await this.sqlite.look(() => this.#touches().byAdmission(batch)));
      return this.sqlite.admit(batch);
    });
  }

  cursors(scope: Scope, page?: CursorPage): Promise<readonly CursorRecord[]> {
    return this.sqlite.cursors(scope, page);
  }

  // --- claims

  async turn(turn: Turn): Promise<TurnResult> {
    const { remote, worker } = this.#working();
    const epoch = this.#ownEpoch();
    return this.#exclusively(() => worker.takeTurn({ store: this, remote, epoch, turn }));
  }

  clockJumped(byMs: number): void {
    this.sqlite.clockJumped(byMs);
  }

  async renew(claims: readonly Pick<Claim, 'id' | 'epoch' | 'attempt'>[]): Promise<readonly JobId[]> {
    const { remote } = this.#working();
    const leases = claims.map(({ id }) => remote.leases.get(id));
    const lost = new Set(await remote.claims.renew(leases.filter((lease) => lease !== undefined)));
    const isLost = await this.sqlite.look(() =>
      claims.map((claim, index) => {
        const lease = leases[index];
        return lease === undefined ? !this.unleased.is(claim) : lost.has(lease);
      }),
    );
    return claims.filter((_, index) => isLost[index]).map(({ id }) => id);
  }

  changedElsewhere(): boolean {
    const isNews = this.#remote?.takeNews() ?? false;
    return this.sqlite.changedElsewhere() || isNews;
  }

  breakers(): Promise<readonly StoredBreaker[]> {
    return this.sqlite.breakers();
  }

  // --- upkeep

  async takeOwnership(owner: Owner, nowMs: number): Promise<Ownership> {
    const ownership = await this.sqlite.takeOwnership(owner, nowMs);
    await this.sqlite.within(() => this.outbox.sync());
    this.adopt(ownership.epoch);
    return ownership;
  }

  releaseOwnership(epoch: number, nowMs: number): Promise<void> {
    return this.sqlite.releaseOwnership(epoch, nowMs);
  }

  /** A group whose limit falls is counted anew: what Redis holds of it is called back first. */
  async configureTasks(workspaces: readonly string[], tasks: readonly TaskSettings[]): Promise<void> {
    await this.#exclusively(async () => {
      for (const { task, groupLimit } of tasks) {
        await this.recall.run(await this.sqlite.look(() => this.#touches().byLimit(task, groupLimit)));
      }
      await this.sqlite.configureTasks(workspaces, tasks);
    });
  }

  orphans(): Promise<readonly Orphan[]> {
    const { remote, worker } = this.#working();
    const epoch = this.#ownEpoch();
    return this.#exclusively(() => worker.findOrphans({ store: this, remote, epoch }));
  }

  rescue(ends: readonly End[], nowMs: number): Promise<readonly ('recorded' | 'lost')[]> {
    const { remote, worker } = this.#working();
    const epoch = this.#ownEpoch();
    return this.#exclusively(() => worker.rescueEnds({ store: this, remote, epoch, ends, nowMs }));
  }

  pulse(epoch: number, nowMs: number, isTrusted: boolean): Promise<void> {
    return this.sqlite.pulse(epoch, nowMs, isTrusted);
  }

  heldElsewhere(): HeldElsewhere | null {
    return this.sqlite.heldElsewhere();
  }

  /** `requested` also while nobody can tell whether another machine has begun it. */
  cancel(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly CancelAnswer[]> {
    return this.#exclusively(async () => {
      await this.recall.run(await this.sqlite.look(() => this.#touches().byPeople(workspace, ids)));
      return this.sqlite.cancel(workspace, ids, nowMs);
    });
  }

  redrive(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly RedriveAnswer[]> {
    return this.sqlite.redrive(workspace, ids, nowMs);
  }

  setPaused(workspace: string, task: string | null, paused: boolean): Promise<boolean> {
    return this.sqlite.setPaused(workspace, task, paused);
  }

  prune(endedBeforeMs: number, limit: number): Promise<number> {
    return this.sqlite.prune(endedBeforeMs, limit);
  }

  // --- reads

  async counts(nowMs?: number): Promise<QueueCounts> {
    const counts = await this.sqlite.counts(nowMs);
    const claimable = this.#remote?.claimable ?? null;
    const nowMonotonicMs = this.#clock.monotonicMs();
    const machines = this.#remote?.neighbours.map(({ site, seenAtMs }) => ({
      site,
      seenMsAgo: Math.max(0, Math.round(nowMonotonicMs - seenAtMs)),
    }));
    const outbox = await this.sqlite.look(() => {
      const remote = this.books.remote();
      if (remote === null) return undefined;
      const { address, problem, problemSinceMs } = remote;
      return {
        ...this.outbox.counts(),
        address,
        problem,
        problemSinceMs,
        claimable,
        guests: this.books.guests(),
        ...(machines === undefined ? {} : { machines }),
      };
    });
    return outbox === undefined ? counts : { ...counts, outbox };
  }

  acknowledgeDamaged(nowMs: number): Promise<number> {
    return this.sqlite.acknowledgeDamaged(nowMs);
  }

  // --- engine

  async close(): Promise<void> {
    await this.closeRemote();
    await this.sqlite.close();
  }

  async closeRemote(): Promise<void> {
    await this.#remote?.close();
  }

  #touches(): Touched {
    if (this.#touched === undefined) throw new Error('prepare the store first');
    return this.#touched;
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#remote === null ? work() : this.#remote.exclusively(work);
  }

  #working(): { readonly remote: Remote; readonly worker: WorkerSide } {
    if (this.#remote === null || this.#worker === null) throw new Error('only a worker speaks with Redis');
    return { remote: this.#remote, worker: this.#worker };
  }

  #ownEpoch(): number {
    if (this.#epoch === null) throw new Error('take ownership of the store first');
    return this.#epoch;
  }
}
