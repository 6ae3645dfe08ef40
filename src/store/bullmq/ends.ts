import type { AttemptReport, Next } from '../../job/outcome.js';
import type { EndsInRedis } from './bulk-scripts.js';
import type { Ending } from './lease.js';
import { type Mail, mailKey, toldKey } from './mail.js';
import type { Message } from './parcel.js';
import type { RedisLink } from './redis-link.js';
import { PREFIX, SETTLED } from './scripts.js';

/** Ends that are told in one call: Redis does nothing else for a millisecond or two. */
export const ENDS_AT_ONCE = 100;

export type Answer = 'recorded' | 'lost';

export interface Told {
  readonly ending: Ending;
  readonly report: AttemptReport;
  readonly next: Next;
}

interface Written {
  readonly ending: Ending;
  /** '': nobody is told. */
  readonly message: string;
  /** For owners who come later; '': it has one. */
  readonly later: string;
}

export interface EndsOptions {
  readonly link: RedisLink;
  readonly origin: string;
  readonly site: string;
  /** Who knows what the worker before has told. */
  readonly mail: () => Pick<Mail, 'hasReadTold' | 'readTold'>;
  /** Whether ends that were told, and answered, are still to be written down. */
  readonly hasUnwritten: () => boolean;
}

/** Ends of attempts, as Redis is told of them: it says which of them count. */
export class Ends {
  readonly #options: EndsOptions;
  readonly #home: string;
  /** Whether every answer of `tell` so far has been heard. */
  #hasHeardAll = true;

  constructor(options: EndsOptions) {
    this.#options = options;
    this.#home = `${PREFIX}:home:${options.origin}`;
  }

  /**
   * `lost`: the lease was over. Asked again with the next call after one that gave no answer, the answers are the same. One
   * call at a time, and no more than `ENDS_AT_ONCE`. Throws REDIS_AWAY.
   */
  async tell(ends: readonly Told[], by: string, nowMs: number): Promise<readonly Answer[]> {
    if (ends.length === 0) return [];
    const { origin, mail, hasUnwritten } = this.#options;
    if (!mail().hasReadTold) await mail().readTold();
    const isSure = this.#hasHeardAll && !hasUnwritten();
    this.#hasHeardAll = false;
    const answers = await this.#end({ told: toldKey(origin), isSure, by }, this.#written(ends, nowMs));
    this.#hasHeardAll = true;
    return answers;
  }

  /** Nobody here waits for an answer: should none come, the lease ends, and whoever claims the job next comes to the same. */
  async leave(ends: readonly Told[], by: string, nowMs: number): Promise<void> {
    await this.#end({ told: '', isSure: false, by }, this.#written(ends, nowMs));
  }

  /** Nobody waits for these, and nobody is told. */
  async drop(endings: readonly Ending[]): Promise<void> {
    const ends = endings.map((ending) => ({ ending, message: '', later: '' }));
    for (let from = 0; from < ends.length; from += ENDS_AT_ONCE) {
      await this.#end({ told: '', isSure: false, by: '' }, ends.slice(from, from + ENDS_AT_ONCE));
    }
  }

  #written(ends: readonly Told[], nowMs: number): readonly Written[] {
    const { site } = this.#options;
    return ends.map(({ ending, report, next }) => {
      const { redisId: id, attempt, isShared } = ending;
      const waitMs = next.to === 'pending' ? Math.max(0, next.runAtMs - nowMs) : 0;
      const message: Message = { kind: 'ended', id, attempt, site, report, next, waitMs };
      const bare = { ...report, stdout: null, stderr: null };
      const later = isShared ? JSON.stringify({ ...message, report: bare }) : '';
      return { ending, message: JSON.stringify(message), later };
    });
  }

  /**
   * The attempt goes on, and Redis knows of it no longer. False: the lease was over. Asked again the answer is the same, also
   * to its end, until `leaveHome`. Throws REDIS_AWAY.
   */
  async takeHome({ queue: { keys }, redisId: id, token, group }: Ending): Promise<boolean> {
    const at = [this.#home, keys.job(id), keys.lock(id), keys.owners(id), keys.permits(group)];
    return (await this.#options.link.script<number>('home', ...at, keys.prefix, id, token)) === 1;
  }

  /** All that was taken home is written down. */
  async leaveHome(): Promise<void> {
    const { link } = this.#options;
    await link.call(() => link.client.del(this.#home));
  }

  async #end(
    { told, isSure, by }: Pick<EndsInRedis, 'told' | 'isSure' | 'by'>,
    ends: readonly Written[],
  ): Promise<readonly Answer[]> {
    if (ends.length === 0) return [];
    const { link, origin } = this.#options;
    const queues = [...new Set(ends.map(({ ending }) => ending.queue.keys.prefix))];
    const question: EndsInRedis = {
      told,
      isSure,
      settled: SETTLED,
      by,
      home: this.#home,
      queues,
      ends: ends.map(({ ending, later }) => {
        const { queue, redisId, token, origin: owner, group, isShared } = ending;
        const isOwn = told !== '' && owner === origin && !isShared;
        const permits = group === null ? '' : queue.keys.permits(group);
        const mail = isOwn ? '' : mailKey(owner);
        return [queues.indexOf(queue.keys.prefix), redisId, token, mail, permits, later];
      }),
    };
    const args = [JSON.stringify(question), ...ends.map(({ message }) => message)];
    const answers = await link.call(() => link.run<number[]>('end', args));
    return answers.map((answer) => (answer === 1 ? 'recorded' : 'lost'));
  }
}
