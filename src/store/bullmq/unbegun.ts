import type { SqliteStore } from '../sqlite/store.js';
import type { Books } from './books.js';
import type { Claims } from './claims.js';
import type { FleetLimits } from './fleet-limits.js';
import type { Queues } from './queues.js';
import type { RedisLink } from './redis-link.js';

export interface UnbegunOptions {
  readonly sqlite: SqliteStore;
  readonly books: () => Books;
  readonly link: RedisLink;
  readonly queues: Queues;
  readonly claims: Claims;
  readonly limits: FleetLimits;
  readonly origin: string;
  /** Of this worker. */
  readonly epoch: () => number;
}

/**
 * What earlier workers of this state folder had claimed when they died, and of which nothing is written down: nobody had heard of
 * those claims, so nothing of them was begun, and none has died of them. What is written down is for `rescue`.
 */
export class Unbegun {
  readonly #options: UnbegunOptions;
  #isPutBack = false;

  constructor(options: UnbegunOptions) {
    this.#options = options;
  }

  /** Puts it back, once; until then it runs into the end of its lease. Returns how many. Throws REDIS_AWAY. */
  async putBack(): Promise<number> {
    if (this.#isPutBack) return 0;
    const { link, queues, claims, limits, sqlite, books } = this.#options;
    const { client } = link;
    let found = 0;
    for (const { workspace, task } of await limits.set()) {
      const queue = queues.get(workspace, task);
      const { prefix, lock } = queue.keys;
      const active = await link.call(() => client.lrange(`${prefix}active`, 0, -1));
      if (active.length === 0) continue;
      const tokens = await link.call(() => client.mget(active.map(lock)));
      const written = await sqlite.look(() => books().tokens());
      for (const [index, redisId] of active.entries()) {
        const token = tokens[index] ?? '';
        if (!this.#isOfEarlierWorker(token) || written.has(token)) continue;
        await claims.giveBack({ queue, redisId, token });
        found += 1;
      }
    }
    this.#isPutBack = true;
    return found;
  }

  /** A token is the id of the store, the epoch of the worker, and a number. */
  #isOfEarlierWorker(token: string): boolean {
    const { origin, epoch } = this.#options;
    const [store, owner] = token.split('/');
    return store === origin && Number(owner) < epoch();
  }
}
