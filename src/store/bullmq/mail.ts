import type { Clock } from '../../platform/clock.js';
import type { SqliteStore } from '../sqlite/store.js';
import type { Books } from './books.js';
import type { Held, HeldState, Outbox } from './outbox.js';
import { type Message, readLetter, readMessage } from './parcel.js';
import type { Queues } from './queues.js';
import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

const PAGE = 500;
/** Letters that are read at once; each holds as many messages as there were ends in one call. */
const LETTERS = 50;

export interface MailOptions {
  readonly sqlite: SqliteStore;
  readonly books: () => Books;
  readonly outbox: () => Outbox;
  readonly link: RedisLink;
  readonly queues: Queues;
  readonly origin: string;
  /** Store and epoch of this worker: what it has told it writes down itself. */
  readonly self: () => string;
  /** Redis may know of ends of this worker that are not written down yet: should it die now, the next one has to read of them. */
  readonly hasUnwritten: () => boolean;
  readonly clock: Clock;
}

export function mailKey(origin: string): string {
  return `${PREFIX}:ends:${origin}`;
}

/**
 * Where ends that a worker of this store has told stand until it has written them down: by id the token, and after it, of a
 * job of its own, what a letter would say.
 */
export function toldKey(origin: string): string {
  return `${PREFIX}:told:${origin}`;
}

/**
 * What other machines tell of jobs of ours, kept in Redis until we have read it, and settled in the same transaction that
 * remembers how far it was read: so each end counts once, also after this machine was off for a day.
 */
export class Mail {
  readonly #options: MailOptions;
  #hasReadTold = false;

  constructor(options: MailOptions) {
    this.#options = options;
  }

  get hasReadTold(): boolean {
    return this.#hasReadTold;
  }

  /**
   * Settles what the worker before has told of jobs of its own, and may not have written down. Once, before this one tells
   * anything. Returns how many jobs changed. Throws REDIS_AWAY.
   */
  async readTold(): Promise<number> {
    if (this.#hasReadTold) return 0;
    const { link, origin } = this.#options;
    const told = await link.call(() => link.client.hgetall(toldKey(origin)));
    const news = Object.values(told)
      .filter((text) => text.includes(' '))
      .map((text) => readMessage(text.slice(text.indexOf(' ') + 1)))
      .filter((message) => message !== null);
    const changed = news.length === 0 ? 0 : await this.#settle(news, null);
    this.#hasReadTold = true;
    return changed;
  }

  /** Reads all there is. Returns how many jobs of ours changed. Throws REDIS_AWAY. */
  async read(): Promise<number> {
    const { sqlite, books, link, origin } = this.#options;
    let changed = await this.readTold();
    let kept = (await sqlite.look(() => books().remote()))?.endsAt ?? '0-0';
    let after = kept;
    for (let isOver = false; !isOver; ) {
      const answer = await link.call(() =>
        link.client.xread('COUNT', LETTERS, 'STREAMS', mailKey(origin), after),
      );
      const entries = answer?.[0]?.[1] ?? [];
      isOver = entries.length < LETTERS;
      let news: Message[] = [];
      for (const [id, fields] of entries) {
        news.push(...this.#newsIn(fields));
        after = id;
        if (news.length < PAGE) continue;
        changed += await this.#settle(news, after);
        kept = after;
        news = [];
      }
      // What is of no concern here is passed over without a commit for each page.
      if (after === kept || (news.length === 0 && !isOver)) continue;
      changed += await this.#settle(news, after);
      kept = after;
    }
    return changed;
  }

  #newsIn(fields: readonly string[]): readonly Message[] {
    const { by, messages } = readLetter(fields);
    if (by === this.#options.self()) return [];
    return messages.map(readMessage).filter((message) => message !== null);
  }

  /** `last`: of the letters that they are from. */
  async #settle(news: readonly Message[], last: string | null): Promise<number> {
    const { sqlite, books, link, origin, clock, hasUnwritten } = this.#options;
    // Else it is all read again, and nothing more comes of what is settled.
    const readTo = hasUnwritten() ? null : last;
    const changed = await sqlite.within(() => {
      const settled = withoutStale(news).filter((one) =>
        books().settle(one, clock.wallMs(), sqlite.clockMovedMs),
      );
      if (readTo !== null) books().setRemote('ends_at', readTo);
      return settled.length;
    });
    if (readTo !== null) await link.call(() => link.client.xtrim(mailKey(origin), 'MINID', readTo));
    return changed;
  }

  /**
   * Holds what Redis should hold against what it does. What is missing there, and has not ended, is sent again. `states`:
   * after a failure those that are not sure; now and then all. Each page of them is one `step`.
   */
  async reconcile(
    states: readonly HeldState[],
    step: <T>(page: () => Promise<T>) => Promise<T>,
  ): Promise<number> {
    let resent = 0;
    for (const state of states) {
      for (let after: number | null = 0; after !== null; ) {
        const from: number = after;
        const page = await step(() => this.#reconcilePage(state, from));
        after = page.last;
        resent += page.resent;
      }
    }
    return resent;
  }

  async #reconcilePage(
    state: HeldState,
    after: number,
  ): Promise<{ readonly last: number | null; readonly resent: number }> {
    const { sqlite, books, outbox, clock } = this.#options;
    const page = await sqlite.look(() => outbox().page(state, after, PAGE));
    const last = page.at(-1)?.jobId ?? null;
    if (last === null) return { last, resent: 0 };
    const there = await this.#areThere(page);
    const missing = page.filter((_, index) => !there[index]);
    if (state === 'unsure') {
      const found = page.filter((_, index) => there[index]);
      await sqlite.within(() =>
        outbox().restate(
          found.map(({ jobId }) => jobId),
          'sent',
        ),
      );
    }
    if (missing.length === 0) return { last, resent: 0 };
    // Whoever ended one of them had told so before it was removed.
    await this.read();
    const resent = await sqlite.within(() => {
      const lost = missing.filter(({ redisId, jobId }) => books().find(redisId)?.jobId === jobId);
      for (const { jobId, redisId } of lost) {
        if (books().find(redisId)?.place === 'running')
          books().giveBack(jobId, clock.wallMs(), sqlite.clockMovedMs);
        else outbox().restate([jobId], 'waiting');
      }
      return lost.length;
    });
    return { last, resent };
  }

  async #areThere(page: readonly Held[]): Promise<readonly boolean[]> {
    const { link, queues } = this.#options;
    const pipeline = link.client.pipeline();
    for (const { workspace, task, redisId } of page) {
      const { keys } = queues.get(workspace, task);
      // An empty hash with nothing but a mark of ours is no job.
      pipeline.hexists(keys.job(redisId), 'data');
    }
    const answers = await link.exec(pipeline);
    return page.map((_, index) => {
      const [error, value] = answers[index] ?? [null, 0];
      if (error) throw error;
      return value === 1;
    });
  }
}

/** The end of an attempt says all that its begin does. */
function withoutStale(messages: readonly Message[]): readonly Message[] {
  const ended = new Set(
    messages.flatMap(({ kind, id, attempt }) => (kind === 'ended' ? `${id} ${attempt}` : [])),
  );
  return messages.filter(({ kind, id, attempt }) => kind === 'ended' || !ended.has(`${id} ${attempt}`));
}
