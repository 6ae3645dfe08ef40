import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { Clock } from '../../platform/clock.js';
import { bootId } from '../../platform/process-identity.js';
import type { SqliteStore } from '../sqlite/store.js';
import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

/**
 * For how long a worker counts as being there after it was last heard of; it is heard of every 10 s. Two that speak for one state
 * folder, as a copied one makes of it, would take each other's jobs and mail for their own.
 */
const HEARD_OF_FOR_MS = 30_000;
/** Whoever holds the right for longer than this under one name was heard of meanwhile. */
const IS_ALIVE_AFTER_MS = HEARD_OF_FOR_MS + 5_000;

export interface VoiceOptions {
  readonly sqlite: SqliteStore;
  /** Id of our store: a copied state folder has the same. */
  readonly origin: string;
  /** Tells this machine from others, for people. */
  readonly site: string;
  readonly clock: Clock;
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
  /** Whom we wait for, and since when. */
  #other: { readonly said: string; readonly sinceMs: number; readonly isAlive: boolean } | null = null;
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
    const { site, sqlite } = this.#options;
    // Two that are at work with one folder: should the other fall silent, its jobs are not to be done again by this one.
    if (this.#other?.isAlive) return aliveText(this.#other.said);
    this.#before ??= await this.#register();
    const said = `${this.#name} site "${site}", ${hostname()}:${dirname(sqlite.database.name)}`;
    const asked = [this.#key, said, HEARD_OF_FOR_MS, this.#name, ...this.#before];
    const holder = await link.run<string>('speak', asked);
    if (holder !== '') return this.#waitFor(holder);
    if (!this.#hasSpoken) await this.#write('UPDATE voice SET spoken = name');
    this.#hasSpoken = true;
    return null;
  }

  #waitFor(said: string): string {
    const nowMs = this.#options.clock.monotonicMs();
    const sinceMs = this.#other?.said === said ? this.#other.sinceMs : nowMs;
    const isAlive = nowMs - sinceMs >= IS_ALIVE_AFTER_MS;
    this.#other = { said, sinceMs, isAlive };
    return isAlive ? aliveText(said) : waitText(said);
  }

  /** For good: nobody is to wait for us. Throws REDIS_AWAY. */
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

function waitText(said: string): string {
  return `the last to speak there for this state folder was ${nameOf(said)}, and this one waits until it is known to be gone (30 s)`;
}

function aliveText(said: string): string {
  return `a copy of this state folder is at work there: ${nameOf(said)}. On whichever of the two is the copy: dogged stop, move state/ away, another site, dogged start; if that is the other one, then dogged restart here`;
}

/** Without the name that only programs need. */
function nameOf(said: string): string {
  return said.slice(said.indexOf(' ') + 1);
}
