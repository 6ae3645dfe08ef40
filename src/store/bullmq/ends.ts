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

/** Ends of attempts, as Redis is told of them: it says which of them count. */
export class Ends {
  readonly #link: RedisLink;
  readonly #origin: string;
  readonly #site: string;
  readonly #told: string;
  readonly #home: string;
  /** Whether every answer so far has been heard: then Redis need remember none of them. */
  #hasHeardAll = true;

  constructor(options: { readonly link: RedisLink; readonly origin: string; readonly site: string }) {
    this.#link = options.link;
    this.#origin = options.origin;
    this.#site = options.site;
    this.#told = `${PREFIX}:told:${options.origin}`;
    this.#home = `${PREFIX}:home:${options.origin}`;
  }

  /**
   * `lost`: the lease was over. Asked again with the next call after one that gave no answer, the answers are the same. One
   * call at a time, and no more than `ENDS_AT_ONCE`. Throws REDIS_AWAY.
   */
  async tell(ends: readonly Told[], by: string, nowMs: number): Promise<readonly Answer[]> {
    return this.#end(
      ends.map(({ ending, report, next }) => {
        const { redisId, attempt, isShared } = ending;
        const waitMs = next.to === 'pending' ? Math.max(0, next.runAtMs - nowMs) : 0;
        const message: Message = {
          kind: 'ended',
          id: redisId,
          attempt,
          site: this.#site,
          by,
          report,
          next,
          waitMs,
        };
        const bare = { ...report, stdout: null, stderr: null };
        return {
          ending,
          message: JSON.stringify(message),
          // Also for ourselves, should we have run it as another's, and come to our own later.
          later: isShared ? JSON.stringify({ ...message, by: `${by}/kept`, report: bare }) : '',
        };
      }),
    );
  }

  /** Nobody waits for these, and nobody is told. */
  async drop(endings: readonly Ending[]): Promise<void> {
    await this.#end(endings.map((ending) => ({ ending, message: '', later: '' })));
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
    ends: readonly {
      readonly ending: Ending;
      readonly message: string;
      readonly later: string;
    }[],
  ): Promise<readonly Answer[]> {
    if (ends.length === 0) return [];
    const args: (string | number)[] = [this.#told, this.#hasHeardAll ? 1 : 0, SETTLED, this.#home];
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
    this.#hasHeardAll = false;
    const answers = await this.#link.call(() => this.#link.run<number[]>('end', args));
    this.#hasHeardAll = true;
    return answers.map((answer) => (answer === 1 ? 'recorded' : 'lost'));
  }
}
