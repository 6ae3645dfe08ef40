import type { AttemptReport, Next } from '../../job/outcome.js';
import type { Ending } from './lease.js';
import { mailKey } from './mail.js';
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
  /** None: nobody is told. */
  readonly message: string;
  /** For owners who come later; none: it has one. */
  readonly later: string;
}

/** Ends of attempts, as Redis is told of them: it says which of them count. */
export class Ends {
  readonly #link: RedisLink;
  readonly #site: string;
  readonly #told: string;
  readonly #home: string;
  /** Whether every answer of `tell` so far has been heard: then Redis need remember none of them. */
  #hasHeardAll = true;

  constructor(options: { readonly link: RedisLink; readonly origin: string; readonly site: string }) {
    this.#link = options.link;
    this.#site = options.site;
    this.#told = `${PREFIX}:told:${options.origin}`;
    this.#home = `${PREFIX}:home:${options.origin}`;
  }

  /**
   * `lost`: the lease was over. Asked again with the next call after one that gave no answer, the answers are the same. One
   * call at a time, and no more than `ENDS_AT_ONCE`. Throws REDIS_AWAY.
   */
  async tell(ends: readonly Told[], by: string, nowMs: number): Promise<readonly Answer[]> {
    if (ends.length === 0) return [];
    const isSure = this.#hasHeardAll;
    this.#hasHeardAll = false;
    const answers = await this.#end([this.#told, isSure ? 1 : 0, SETTLED, by], this.#written(ends, nowMs));
    this.#hasHeardAll = true;
    return answers;
  }

  /** Nobody here waits for an answer: should none come, the lease ends, and whoever claims the job next comes to the same. */
  async leave(ends: readonly Told[], by: string, nowMs: number): Promise<void> {
    await this.#end(['', 0, SETTLED, by], this.#written(ends, nowMs));
  }

  /** Nobody waits for these, and nobody is told. */
  async drop(endings: readonly Ending[]): Promise<void> {
    await this.#end(
      ['', 0, SETTLED, ''],
      endings.map((ending) => ({ ending, message: '', later: '' })),
    );
  }

  #written(ends: readonly Told[], nowMs: number): readonly Written[] {
    return ends.map(({ ending, report, next }) => {
      const { redisId, attempt, isShared } = ending;
      const waitMs = next.to === 'pending' ? Math.max(0, next.runAtMs - nowMs) : 0;
      const message: Message = {
        kind: 'ended',
        id: redisId,
        attempt,
        site: this.#site,
        report,
        next,
        waitMs,
      };
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
    return (await this.#link.script<number>('home', ...at, keys.prefix, id, token)) === 1;
  }

  /** All that was taken home is written down. */
  async leaveHome(): Promise<void> {
    await this.#link.call(() => this.#link.client.del(this.#home));
  }

  async #end(
    head: readonly [told: string, isSure: number, settled: string, by: string],
    ends: readonly Written[],
  ): Promise<readonly Answer[]> {
    if (ends.length === 0) return [];
    const args: (string | number)[] = [...head, this.#home];
    for (const { ending, message, later } of ends) {
      const { queue, redisId, token, origin, group } = ending;
      const { prefix, permits } = queue.keys;
      args.push(
        prefix,
        redisId,
        token,
        message,
        mailKey(origin),
        group === null ? '' : permits(group),
        later,
      );
    }
    const answers = await this.#link.call(() => this.#link.run<number[]>('end', args));
    return answers.map((answer) => (answer === 1 ? 'recorded' : 'lost'));
  }
}
