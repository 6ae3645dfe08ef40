import { failpoint } from '../../platform/failpoint.js';
import type { SqliteStore } from '../sqlite/store.js';
import { mailKey } from './mail.js';
import type { Outbox, Sending } from './outbox.js';
import { type Parcel, toWire } from './parcel.js';
import type { Queues, TaskQueue } from './queues.js';
import { isFull, type RedisLink } from './redis-link.js';
import { SETTLED } from './scripts.js';

/** Jobs that are sent at once: their answer comes within some ten milliseconds. */
export const BATCH = 500;

export interface RelayOptions {
  readonly sqlite: SqliteStore;
  readonly outbox: () => Outbox;
  readonly link: RedisLink;
  readonly queues: Queues;
  readonly origin: string;
  readonly site: string;
  readonly isShared: (source: string) => boolean;
  readonly onFull: (isFull: boolean) => void;
}

/**
 * Hands jobs from the outbox to Redis. That Redis may hold them is written down before they are sent, and that it does once
 * it has said so: so a crash, a time-out or a Redis that is full in the middle of a batch loses none and sends none twice.
 */
export class Relay {
  readonly #options: RelayOptions;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Sends one batch; true when there may be more. Throws REDIS_AWAY. */
  async run(): Promise<boolean> {
    const { sqlite, outbox, origin, site, isShared } = this.#options;
    const from = { origin, site, isShared };
    const sendings = await sqlite.look(() => outbox().next('waiting', BATCH, from));
    if (sendings.length === 0) return false;
    const permitted = await this.#permit(sendings);
    const turnedAway = sendings.filter((sending) => !permitted.has(sending.parcel.id));
    const going = sendings.filter((sending) => permitted.has(sending.parcel.id));
    await sqlite.within(() => {
      outbox().restate(jobIds(turnedAway), 'refused');
      outbox().beginSending(going);
    });
    failpoint('relay.before-add');
    const open = await this.#join(going);
    for (const [queue, part] of this.#byQueue(open)) if (!(await this.#send(queue, part))) return false;
    return sendings.length === BATCH;
  }

  /** Those that found their group full may find room by now. Throws REDIS_AWAY. */
  async retryRefused(): Promise<void> {
    const { sqlite, outbox, link, queues } = this.#options;
    const groups = await sqlite.look(() => outbox().refusedGroups());
    if (groups.length === 0) return;
    for (const { workspace, task, group } of groups) {
      const { keys } = queues.get(workspace, task);
      await link.script('leaks', keys.permits(group), keys.prefix);
    }
    await sqlite.within(() => outbox().retryRefused());
  }

  /** Those that may go: a job of a group needs a permit, of which all machines together have as many as its limit. */
  async #permit(sendings: readonly Sending[]): Promise<ReadonlySet<string>> {
    const { link, queues } = this.#options;
    const permitted = new Set<string>();
    const groups = new Map<string, { key: string; limit: number; ids: string[] }>();
    for (const { parcel } of sendings) {
      const { group, groupLimit, id, workspace, task } = parcel;
      if (group === null || groupLimit === null) {
        permitted.add(id);
        continue;
      }
      const key = queues.get(workspace, task).keys.permits(group);
      const found = groups.get(key);
      if (found === undefined) groups.set(key, { key, limit: groupLimit, ids: [id] });
      else found.ids.push(id);
    }
    const granted = await Promise.all(
      [...groups.values()].map(({ key, limit, ids }) => link.script<string[]>('permit', key, limit, ...ids)),
    );
    for (const id of granted.flat()) permitted.add(id);
    return permitted;
  }

  /** Those of shared sources may have ended at another machine: then their end is in our mail by now, and they stay here. */
  async #join(sendings: readonly Sending[]): Promise<readonly Sending[]> {
    const { link, queues, origin, sqlite, outbox } = this.#options;
    const joined = await Promise.all(
      sendings.map(async ({ parcel: { id, isShared, workspace, task } }) => {
        if (!isShared) return true;
        const owners = queues.get(workspace, task).keys.owners(id);
        return (await link.script<number>('join', SETTLED, owners, mailKey(origin), id)) === 1;
      }),
    );
    const ended = sendings.filter((_, index) => !joined[index]);
    if (ended.length > 0) await sqlite.within(() => outbox().restate(jobIds(ended), 'sent'));
    return sendings.filter((_, index) => joined[index]);
  }

  async #send({ queue, keys }: TaskQueue, sendings: readonly Sending[]): Promise<boolean> {
    const { link, sqlite, outbox, onFull } = this.#options;
    const jobs = sendings.map(({ parcel }) => ({
      name: parcel.task,
      data: toWire(parcel),
      opts: { jobId: parcel.id, priority: 1, attempts: 1, removeOnComplete: true, removeOnFail: true },
    }));
    try {
      await link.call(() => queue.addBulk(jobs));
      onFull(false);
    } catch (error) {
      if (!isFull(error)) throw error;
      onFull(true);
      // What it did take is found by asking, when it is: see `Mail.reconcile`.
      return false;
    }
    const ranks = sendings.flatMap(({ jobId, parcel }) => [
      parcel.id,
      scoreOf(parcel.rank, jobId),
      parcel.crashes,
      ownMark(parcel),
    ]);
    failpoint('relay.after-add');
    await link.script('rank', keys.prioritized, keys.prefix, ...ranks);
    // All were taken: one that is not there any more has been run and ended since.
    await sqlite.within(() => outbox().restate(jobIds(sendings), 'sent'));
    return true;
  }

  #byQueue(sendings: readonly Sending[]): Map<TaskQueue, Sending[]> {
    const parts = new Map<TaskQueue, Sending[]>();
    for (const sending of sendings) {
      const queue = this.#options.queues.get(sending.parcel.workspace, sending.parcel.task);
      const part = parts.get(queue);
      if (part === undefined) parts.set(queue, [sending]);
      else part.push(sending);
    }
    return parts;
  }
}

/** By rank, then by age: what a double has left beside the rank holds the order of 4,096 jobs of one millisecond. */
function scoreOf(rank: number, jobId: number): number {
  return rank + (jobId % 4_096) / 4_096;
}

/** All of it stands in the row of its owner, who need not be sent it back. Not what others may own or hold a permit for. */
function ownMark({ group, isShared, origin, attempt }: Parcel): string {
  return group === null && !isShared ? `${origin}/${attempt}` : '';
}

function jobIds(sendings: readonly Sending[]): number[] {
  return sendings.map(({ jobId }) => jobId);
}
