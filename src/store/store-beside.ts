import type { Clock } from '../platform/clock.js';
import type { BullmqStore } from './bullmq/store.js';
import { DelegatingStore } from './delegating-store.js';
import type { Store } from './engine.js';
import type { SqliteStore } from './sqlite/store.js';

/** The jobs were moved to another store since this one was opened; nothing of the transaction came about. */
class StoreMoved extends Error {
  constructor() {
    super('the jobs were moved to another store');
  }
}

/**
 * The store of a command or a screen, beside the worker: which engine runs the jobs is asked anew with each call, and once
 * more in the transaction of each write, so that a move under way is never missed.
 */
export class StoreBeside extends DelegatingStore {
  readonly #use: 'command' | 'read';
  readonly #clock: Clock;
  #redis: BullmqStore | null = null;
  #runsThroughRedis = false;

  constructor(sqlite: SqliteStore, use: 'command' | 'read', clock: Clock) {
    super(sqlite);
    this.#use = use;
    this.#clock = clock;
    sqlite.guardWrites(() => {
      if (this.#isRemote() !== this.#runsThroughRedis) throw new StoreMoved();
    });
  }

  get engine(): Store {
    return this.#runsThroughRedis && this.#redis !== null ? this.#redis : this.sqlite;
  }

  override async counts(nowMs?: number): ReturnType<Store['counts']> {
    return this.call((engine) => engine.counts(nowMs));
  }

  protected async call<T>(work: (engine: Store) => Promise<T>): Promise<T> {
    for (;;) {
      await this.#follow();
      try {
        return await work(this.engine);
      } catch (error) {
        if (!(error instanceof StoreMoved)) throw error;
      }
    }
  }

  async #follow(): Promise<void> {
    const runsThroughRedis = await this.sqlite.look(() => this.#isRemote());
    if (runsThroughRedis === this.#runsThroughRedis) return;
    const { openBeside, unwatch } = await import('./bullmq/open.js');
    if (runsThroughRedis) this.#redis = await openBeside(this.sqlite, this.#use, this.#clock);
    else unwatch(this.sqlite);
    this.#runsThroughRedis = runsThroughRedis;
  }

  #isRemote(): boolean {
    return this.sqlite.database.prepare('SELECT 1 FROM remote').get() !== undefined;
  }
}
