import { DelegatingStore } from './delegating-store.js';
import type { Store } from './engine.js';
import type { SqliteStore } from './sqlite/store.js';

/** The store of a worker. Its engine can be exchanged while everybody holds it: calls wait meanwhile, and none is in two. */
export class LiveStore extends DelegatingStore {
  #engine: Store;
  #underWay = 0;
  #onIdle: (() => void) | null = null;
  #exchange: Promise<void> | null = null;

  constructor(sqlite: SqliteStore, engine: Store) {
    super(sqlite);
    this.#engine = engine;
  }

  get engine(): Store {
    return this.#engine;
  }

  /**
   * Once no call is under way, and while none begins, `make` is given the engine and returns the one that is to follow it, or
   * the same. When it throws, all stays as it was. One exchange at a time.
   */
  async exchange(make: (engine: Store) => Promise<Store>): Promise<void> {
    if (this.#exchange !== null) throw new Error('the engine is being exchanged already');
    let done = () => {};
    this.#exchange = new Promise((resolve) => {
      done = resolve;
    });
    try {
      if (this.#underWay > 0) {
        await new Promise<void>((resolve) => {
          this.#onIdle = resolve;
        });
      }
      this.#engine = await make(this.#engine);
    } finally {
      this.#exchange = null;
      done();
    }
  }

  protected async call<T>(work: (engine: Store) => Promise<T>): Promise<T> {
    while (this.#exchange !== null) await this.#exchange;
    this.#underWay += 1;
    try {
      return await work(this.#engine);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle?.();
    }
  }
}
