import type { SqliteStore } from '../sqlite/store.js';
import type { Books } from './books.js';
import type { Claims } from './claims.js';
import type { FleetLimits } from './fleet-limits.js';
import type { Queues } from './queues.js';
import { isAway, type RedisLink } from './redis-link.js';

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
  /** Whether the workers before are proved gone. */
  readonly isHeir: () => boolean;
  readonly onError: (error: unknown) => void;
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
    const { link, limits, isHeir, onError } = this.#options;
    if (this.#isPutBack || !link.isUp || !isHeir()) return 0;
    let found = 0;
    for (const { workspace, task } of await limits.set()) {
      try {
        found += await this.#putBackIn(workspace, task);
      } catch (error) {
        if (isAway(error)) throw error;
        onError(error);
      }
    }
    this.#isPutBack = true;
    return found;
  }

  async #putBackIn(workspace: string, task: string): Promise<number> {
    const { link, queues, claims, sqlite, books, onError } = this.#options;
    const { client } = link;
    const queue = queues.get(workspace, task);
    const { prefix, lock } = queue.keys;
    const active = await link.call(() => client.lrange(`${prefix}active`, 0, -1));
    if (active.length === 0) return 0;
    const tokens = await link.call(() => client.mget(active.map(lock)));
    const written = await sqlite.look(() => books().tokens());
    let found = 0;
    for (const [index, redisId] of active.entries()) {
      const token = tokens[index] ?? '';
      if (!this.#isOfEarlierWorker(token) || written.has(token)) continue;
      try {
        await claims.giveBack({ queue, redisId, token });
        found += 1;
      } catch (error) {
        if (isAway(error)) throw error;
        // Where its lease has ended meanwhile, whoever claims it next has seen to it.
        if (!/Missing lock/.test((error as Error).message)) onError(error);
      }
    }
    return found;
  }

  /** A token is the id of the store, the epoch of the worker, and a number. */
  #isOfEarlierWorker(token: string): boolean {
    const { origin, epoch } = this.#options;
    const [store, owner] = token.split('/');
    return store === origin && Number(owner) < epoch();
  }
}
