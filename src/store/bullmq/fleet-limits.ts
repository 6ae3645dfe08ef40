import type { TaskLine } from './outbox.js';
import type { Queues } from './queues.js';
import type { RedisLink } from './redis-link.js';
import type { RemoteSettings } from './settings.js';

export interface FleetLimitsOptions {
  readonly lines: () => Promise<readonly TaskLine[]>;
  readonly link: RedisLink;
  readonly queues: Queues;
  readonly limits: RemoteSettings['fleetConcurrency'];
}

/** Limits across all machines, for each queue that we have to do with. */
export class FleetLimits {
  readonly #options: FleetLimitsOptions;
  readonly #set = new Set<string>();

  constructor(options: FleetLimitsOptions) {
    this.#options = options;
  }

  /** Redis may be another one than before: they are set again. */
  forget(): void {
    this.#set.clear();
  }

  /** Returns all of them. Throws REDIS_AWAY. */
  async set(): Promise<readonly TaskLine[]> {
    const { link, queues, limits } = this.#options;
    const lines = await this.#options.lines();
    for (const { workspace, task } of lines) {
      const { queue, keys } = queues.get(workspace, task);
      const fleet = limits.find((one) => one.task === task);
      if (fleet === undefined || this.#set.has(keys.prefix)) continue;
      await link.call<unknown>(() =>
        fleet.limit === null ? queue.removeGlobalConcurrency() : queue.setGlobalConcurrency(fleet.limit),
      );
      this.#set.add(keys.prefix);
    }
    return lines;
  }
}
