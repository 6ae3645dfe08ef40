import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { bootId } from '../../platform/process-identity.js';
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

interface VoiceRow {
  readonly name: string;
  readonly spoken: string | null;
  readonly place: string;
}

/** The right to speak for a state folder, which one worker has at a time on each Redis. */
export class Voice {
  readonly #options: VoiceOptions;
  readonly #key: string;
  readonly #name = randomBytes(8).toString('hex');
  /** Names of workers before us in this very folder: they are gone, as the state lock proves. null: not looked for yet. */
  #before: readonly string[] | null = null;
  #hasSpoken = false;
  #isSilent = false;

  constructor(options: VoiceOptions) {
    this.#options = options;
    this.#key = `${PREFIX}:worker:${options.origin}`;
  }

  /** Whoever spoke for this folder before us is proved gone. Not where the folder may be a copy, or the machine was started anew. */
  get isHeir(): boolean {
    return this.#hasSpoken && this.#before !== null && this.#before.length > 0;
  }

  /**
   * Takes the right, or keeps it. Why it cannot be had; null: it is ours. For the worker before us in this folder nobody waits.
   * Without a time limit.
   */
  async raise(link: Pick<RedisLink, 'run'>): Promise<string | null> {
    if (this.#isSilent) return null;
    const { site } = this.#options;
    this.#before ??= await this.#register();
    const asked = [this.#key, `${this.#name} ${site}`, HEARD_OF_FOR_MS, this.#name, ...this.#before];
    const holder = await link.run<string>('speak', asked);
    if (holder !== '') {
      const other = holder.slice(holder.indexOf(' ') + 1);
      return `a worker of site "${other}" was at work there with a copy of this state folder within the last ${HEARD_OF_FOR_MS / 1_000} s, and this one waits for its silence: if two machines have this folder, give one of them its own`;
    }
    if (!this.#hasSpoken) await this.#write('UPDATE voice SET spoken = name');
    this.#hasSpoken = true;
    return null;
  }

  /** The next worker need not wait. Throws REDIS_AWAY. */
  async fallSilent(link: Pick<RedisLink, 'script'>): Promise<void> {
    this.#isSilent = true;
    await link.script('fall_silent', this.#key, this.#name);
  }

  /** Before it is spoken: killed in between, the next must know the name. */
  async #register(): Promise<readonly string[]> {
    const { sqlite } = this.#options;
    const folder = statSync(dirname(sqlite.database.name));
    const place = `${bootId()} ${folder.dev}:${folder.ino}`;
    const row = await sqlite.look(({ db }) =>
      db.prepare<[], VoiceRow>('SELECT name, spoken, place FROM voice').get(),
    );
    const isOurs = row?.place === place;
    await this.#write(
      `INSERT INTO voice (one, name, place) VALUES (1, ?, ?)
       ON CONFLICT DO UPDATE SET name = excluded.name, place = excluded.place, spoken = iif(place = excluded.place, spoken, NULL)`,
      this.#name,
      place,
    );
    return isOurs ? [row.name, row.spoken].filter((name) => name !== null) : [];
  }

  async #write(sql: string, ...values: readonly string[]): Promise<void> {
    await this.#options.sqlite.within(({ db }) => db.prepare(sql).run(...values));
  }
}
