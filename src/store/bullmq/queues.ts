import { createRedisBackend, type IQueueBackend, Queue, type RedisQueueBackend, Worker } from 'bullmq';
import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

interface QueueKeys {
  /** `dogged:WORKSPACE.TASK:`, with which each of its keys begins. */
  readonly prefix: string;
  readonly prioritized: string;
  readonly wait: string;
  readonly job: (id: string) => string;
  readonly lock: (id: string) => string;
  /** Mail of all who own it: only of jobs of shared sources. */
  readonly owners: (id: string) => string;
  readonly permits: (group: string | null) => string;
}

/** One queue of BullMQ: the jobs of a task in a workspace, of all machines. */
export interface TaskQueue {
  readonly workspace: string;
  readonly task: string;
  readonly keys: QueueKeys;
  readonly queue: Pick<Queue, 'addBulk' | 'getJob' | 'setGlobalConcurrency' | 'removeGlobalConcurrency'>;
  readonly worker: Pick<Worker, 'close'>;
}

/** The queues that this machine has to do with, made when they are first asked for; all share one connection. */
export class Queues {
  readonly #link: RedisLink;
  readonly #lockMs: number;
  readonly #maxStalledCount: number;
  readonly #backend: RedisQueueBackend;
  readonly #all = new Map<string, TaskQueue>();

  constructor(link: RedisLink, lockMs: number, maxStalledCount: number) {
    this.#link = link;
    this.#lockMs = lockMs;
    this.#maxStalledCount = maxStalledCount;
    const options = {
      connection: link.client,
      prefix: PREFIX,
      skipVersionCheck: true,
      lockDuration: lockMs,
      stalledInterval: lockMs / 2,
      maxStalledCount,
    } as Parameters<typeof createRedisBackend>[1];
    this.#backend = createRedisBackend(PREFIX, options, {}) as RedisQueueBackend;
    this.#backend.on('error', (error: Error) => link.noteError(error));
  }

  get(workspace: string, task: string): TaskQueue {
    const name = `${workspace}.${task}`;
    const known = this.#all.get(name);
    if (known !== undefined) return known;
    const backend = (): IQueueBackend => this.#backend.forQueue(name, PREFIX);
    const connection = this.#link.client;
    const shared = { connection, prefix: PREFIX, skipVersionCheck: true } as const;
    const worker = new Worker(
      name,
      undefined,
      {
        ...shared,
        autorun: false,
        lockDuration: this.#lockMs,
        stalledInterval: this.#lockMs / 2,
        maxStalledCount: this.#maxStalledCount,
      },
      backend,
    );
    const queue = new Queue(name, shared, backend);
    // The link knows by itself when Redis is away.
    worker.on('error', () => undefined);
    queue.on('error', () => undefined);
    // Nobody renews leases or looks after those that are over where jobs are claimed by hand.
    void worker.startStalledCheckTimer();
    const made = { workspace, task, keys: keysOf(name), queue, worker };
    this.#all.set(name, made);
    return made;
  }

  all(): readonly TaskQueue[] {
    return [...this.#all.values()];
  }

  async close(): Promise<void> {
    // Their backend does not own the connection: this only ends their timers.
    await Promise.all(this.all().map(({ worker }) => worker.close(true)));
  }
}

function keysOf(name: string): QueueKeys {
  const prefix = `${PREFIX}:${name}:`;
  return {
    prefix,
    prioritized: `${prefix}prioritized`,
    wait: `${prefix}wait`,
    job: (id) => `${prefix}${id}`,
    lock: (id) => `${prefix}${id}:lock`,
    owners: (id) => `${prefix}${id}:owners`,
    permits: (group) => `${prefix}permits:${group ?? ''}`,
  };
}
