import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

/**
 * For how long a worker counts as being there after it was last heard of; it is heard of every 10 s. Two that speak for one state
 * folder, as a copied one makes of it, would take each other's jobs and mail for their own.
 */
const HEARD_OF_FOR_MS = 30_000;

export interface SoleWorkerOptions {
  /** Id of our store: a copied state folder has the same. */
  readonly origin: string;
  /** Tells this machine from others, for people. */
  readonly site: string;
  /** Name of this worker. */
  readonly worker: string;
  /** Name of the one before in this state folder, which is proved gone; null: there was none. */
  readonly before: string | null;
}

/** Holds the right to speak for a state folder, which one worker has at a time on each Redis. */
export class SoleWorker {
  readonly #key: string;
  readonly #options: SoleWorkerOptions;

  constructor(options: SoleWorkerOptions) {
    this.#options = options;
    this.#key = `${PREFIX}:worker:${options.origin}`;
  }

  /** Takes the right, or keeps it. Why it cannot be had; null: we have it. Without a time limit. */
  async claim(link: Pick<RedisLink, 'run'>): Promise<string | null> {
    const { worker, before, site } = this.#options;
    const names = [worker, before ?? worker, `${worker} ${site}`];
    const holder = await link.run<string>('speak', [this.#key, ...names, HEARD_OF_FOR_MS]);
    if (holder === '') return null;
    const other = holder.slice(holder.indexOf(' ') + 1);
    return `a worker of site "${other}" is at work there with a copy of this state folder, and this one waits until it has been silent for ${HEARD_OF_FOR_MS / 1_000} s: give one of the two machines a state folder of its own`;
  }

  /** The next worker need not wait. Throws REDIS_AWAY. */
  async release(link: Pick<RedisLink, 'script'>): Promise<void> {
    await link.script('fall_silent', this.#key, this.#options.worker);
  }
}
