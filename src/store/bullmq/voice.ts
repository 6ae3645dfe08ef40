import { randomBytes } from 'node:crypto';
import type { SqliteStore } from '../sqlite/store.js';
import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

/**
 * For how long a worker counts as being there after it was last heard of; it is heard of every 10 s. Two that speak for one state
 * folder, as a copied one makes of it, would take each other's jobs and mail for their own.
 */
const HEARD_OF_FOR_MS = 30_000;

export interface VoiceOptions {
  readonly sqlite: SqliteStore;
  /** Id of our store: a copied state folder has the same. */
  readonly origin: string;
  /** Tells this machine from others, for people. */
  readonly site: string;
}

/** The right to speak for a state folder, which one worker has at a time on each Redis. */
export class Voice {
  readonly #options: VoiceOptions;
  readonly #key: string;
  readonly #name = randomBytes(8).toString('hex');
  #isWritten = false;

  constructor(options: VoiceOptions) {
    this.#options = options;
    this.#key = `${PREFIX}:worker:${options.origin}`;
  }

  /**
   * Takes the right, or keeps it. Why it cannot be had; null: it is ours. A worker before us in this state folder is gone, so we
   * need not wait for its silence: the state lock proves it. Without a time limit.
   */
  async raise(link: Pick<RedisLink, 'run'>): Promise<string | null> {
    const { sqlite, site } = this.#options;
    const before = this.#isWritten ? this.#name : await this.#nameBefore();
    const names = [this.#name, before, `${this.#name} ${site}`];
    const holder = await link.run<string>('speak', [this.#key, ...names, HEARD_OF_FOR_MS]);
    if (holder !== '') {
      const other = holder.slice(holder.indexOf(' ') + 1);
      return `a worker of site "${other}" is at work there with a copy of this state folder, and this one waits until it has been silent for ${HEARD_OF_FOR_MS / 1_000} s: give one of the two machines a state folder of its own`;
    }
    if (!this.#isWritten) {
      await sqlite.within(({ db }) =>
        db
          .prepare(
            'INSERT INTO voice (one, name) VALUES (1, ?) ON CONFLICT DO UPDATE SET name = excluded.name',
          )
          .run(this.#name),
      );
      this.#isWritten = true;
    }
    return null;
  }

  /** The next worker need not wait. Throws REDIS_AWAY. */
  async fallSilent(link: Pick<RedisLink, 'script'>): Promise<void> {
    await link.script('fall_silent', this.#key, this.#name);
  }

  async #nameBefore(): Promise<string> {
    const { sqlite } = this.#options;
    return (
      (await sqlite.look(({ db }) => db.prepare<[], string>('SELECT name FROM voice').pluck().get())) ??
      this.#name
    );
  }
}
