import { type ChainableCommander, Redis } from 'ioredis';
import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import { isLoginRefused, type RedisAddress } from './address.js';
import type { BulkScriptName } from './bulk-scripts.js';
import { findUnsafe } from './demands.js';
import { plainReason } from './driver-words.js';
import { SCRIPTS, type ScriptName } from './scripts.js';

/** A healthy Redis answers in a millisecond. */
const DEFAULT_CALL_WITHIN_MS = 2_000;
const CLOSED = 'the connection was closed';
const PROBE_EVERY_MS = 250;
/** Somebody may set it otherwise while it is used. */
const LOOK_EVERY_MS = 10_000;
/** A connection on which nothing has come back for so long is made anew. */
const SILENCE_MS = 20_000;

export interface LinkOptions {
  readonly address: RedisAddress;
  readonly clock: Clock;
  /** How long a call may take, and how long it may take to connect. Left out: 2 s. */
  readonly callWithinMs?: number;
  /** Asked before it is used, and with each look at it: why we may not use it now; null: we may. Left out: we may. */
  readonly mayUse?: (link: RedisLink) => Promise<string | null>;
  /** Redis answers again; what it holds may be another thing than before. */
  readonly onBack: () => void;
  /** null: there is none any more. */
  readonly onProblem: (problem: string | null) => void;
  readonly onWarning: (text: string) => void;
}

type Status = 'unknown' | 'up' | 'away' | 'closed';

/**
 * The one connection to Redis. Each call has a time limit; once one has passed it, all are refused at once until a probe is
 * answered, so nobody ever waits for a Redis that is away. A call that was given up may still have been done: its late
 * answer goes to `late`.
 */
export class RedisLink {
  readonly client: Redis;
  readonly #options: LinkOptions;
  readonly #callWithinMs: number;
  #status: Status = 'unknown';
  #why = 'not reached yet';
  #wasUp = false;
  #isProbing = false;
  #nextLookMs = 0;
  #unsafe: string | null = null;
  #warning: string | null = null;
  #cancelProbe: (() => void) | null = null;

  constructor(options: LinkOptions) {
    const { address } = options;
    this.#options = options;
    this.#callWithinMs = options.callWithinMs ?? DEFAULT_CALL_WITHIN_MS;
    this.client = new Redis({
      host: address.host,
      port: address.port,
      db: address.db,
      ...(address.username === undefined ? {} : { username: address.username }),
      ...(address.password === undefined ? {} : { password: address.password }),
      ...(address.tls ? { tls: {} } : {}),
      // What was asked on a connection that has ended fails at once: with `null` it would never be answered at all.
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      // A claim that is sent twice takes two jobs.
      autoResendUnfulfilledCommands: false,
      connectTimeout: this.#callWithinMs,
      socketTimeout: SILENCE_MS,
      retryStrategy: (times) => Math.min(2_000, 50 * 2 ** Math.min(times, 6)),
    });
    this.client.on('error', (error: Error) => this.noteError(error));
    this.client.on('ready', () => void this.#probe());
    this.client.on('close', () => {
      this.#nextLookMs = 0;
      // Why it cannot be made anew is told by the errors of the next tries.
      if (this.#status === 'up') this.#fall(CLOSED);
    });
    this.define(SCRIPTS);
    this.#probeLater(PROBE_EVERY_MS);
  }

  get isUp(): boolean {
    return this.#status === 'up';
  }

  /** It answers, and jobs must not be given to it: why. What it holds is run. */
  get unsafe(): string | null {
    return this.#unsafe;
  }

  /** What is the matter with it. */
  get why(): string {
    if (this.#wasUp || this.client.status === 'ready' || isLoginRefused(this.#why)) return this.#why;
    if (this.client.status === 'connect') return 'it takes the connection, but gives no answer';
    if (!this.#options.address.tls || NOBODY_THERE.test(this.#why)) return this.#why;
    return `no connection by TLS came about (${this.#why}); without TLS its address begins with redis://`;
  }

  /** Resolves once it is known whether Redis answers. */
  async settled(): Promise<void> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + this.#callWithinMs;
    while (
      this.#status !== 'up' &&
      !isLoginRefused(this.why) &&
      this.#status !== 'closed' &&
      clock.monotonicMs() < endMs
    ) {
      await new Promise<void>((resolve) => clock.after(10, resolve));
    }
  }

  /** Throws REDIS_AWAY at once while Redis is away, and after the limit when it gives no answer. */
  async call<T>(work: () => Promise<T>, late?: (value: T) => void): Promise<T> {
    if (this.#status !== 'up') throw this.#away();
    return this.#within(work(), late);
  }

  /**
   * The answer, or the error, of each command. Throws REDIS_AWAY also where the connection ended among them: ioredis puts that beside each
   * command in place of an answer, and none of them is then known to be done or not.
   */
  exec(commands: Pick<ChainableCommander, 'exec'>): Promise<readonly [Error | null, unknown][]> {
    return this.call(async () => {
      const answers = (await commands.exec()) ?? [];
      const absence = answers.find(([error]) => isAbsence(error));
      if (absence !== undefined) throw absence[0];
      return answers;
    });
  }

  /** One of our own scripts. */
  script<T>(name: ScriptName, ...args: readonly (string | number)[]): Promise<T> {
    return this.call(() => this.run<T>(name, args));
  }

  /** The same without a time limit: for `call`, which has one. */
  run<T>(name: ScriptName | BulkScriptName, args: readonly (string | number)[]): Promise<T> {
    const run = (this.client as unknown as Record<string, (...args: unknown[]) => Promise<T>>)[
      `dogged_${name}`
    ];
    if (run === undefined) throw new Error(`no script ${name}`);
    return run.apply(this.client, [...args]);
  }

  define(scripts: Readonly<Record<string, { readonly keys: number; readonly lua: string }>>): void {
    for (const [name, { keys, lua }] of Object.entries(scripts)) {
      this.client.defineCommand(`dogged_${name}`, { numberOfKeys: keys, lua });
    }
  }

  /** What whoever uses the client beside has met. */
  noteError(error: Error): void {
    this.#fall(reasonOf(error));
  }

  /** Looks at how it is set, every 10 s; between them this does nothing. Throws REDIS_AWAY. */
  look(): Promise<void> {
    return this.call(() => this.#look());
  }

  close(): void {
    this.#status = 'closed';
    this.#cancelProbe?.();
    this.client.disconnect();
  }

  async #within<T>(work: Promise<T>, late?: (value: T) => void): Promise<T> {
    let cancel: () => void = () => undefined;
    let isOver = false;
    const limit = new Promise<never>((_, reject) => {
      cancel = this.#options.clock.after(this.#callWithinMs, () => {
        isOver = true;
        this.#fall(`no answer within ${this.#callWithinMs / 1_000} s`);
        reject(this.#away());
      });
    });
    // Its late failure tells nothing new: the link is known to be away by then.
    work.then(
      (value) => isOver && late?.(value),
      () => undefined,
    );
    try {
      return await Promise.race([work, limit]);
    } catch (error) {
      if (error instanceof DoggedError) throw error;
      if (!isAbsence(error) && !(error instanceof NotOurs)) throw error;
      this.#fall(reasonOf(error as Error));
      throw this.#away(error as Error);
    } finally {
      cancel();
    }
  }

  #away(cause?: Error): DoggedError {
    const { address } = this.#options;
    return new DoggedError('REDIS_AWAY', { address: address.shown, detail: this.why }, { cause });
  }

  #fall(why: string): void {
    if (this.#status === 'closed') return;
    const isNews = this.#status !== 'away' || this.#why !== why;
    this.#status = 'away';
    this.#why = why;
    if (isNews) this.#options.onProblem(this.why);
    this.#probeLater(PROBE_EVERY_MS);
  }

  #probeLater(delayMs: number): void {
    if (this.#cancelProbe !== null || this.#status === 'closed') return;
    this.#cancelProbe = this.#options.clock.after(
      delayMs,
      () => {
        this.#cancelProbe = null;
        void this.#probe();
      },
      { background: true },
    );
  }

  /** One at a time: a Redis that is frozen must not find a thousand of them when it wakes. */
  async #probe(): Promise<void> {
    if (this.#isProbing || this.#status === 'up' || this.#status === 'closed') return;
    this.#isProbing = true;
    try {
      if (this.client.status !== 'ready') throw new Error(this.#why);
      // A number that it does not have would leave us in another database than ours, without a word.
      await this.client.select(this.#options.address.db);
      await this.#look();
      this.#rise();
    } catch (error) {
      this.#isProbing = false;
      this.#fall(reasonOf(error as Error));
    } finally {
      this.#isProbing = false;
    }
  }

  async #look(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs < this.#nextLookMs) return;
    const { error, warning } = await findUnsafe(this.client);
    this.#unsafe = error;
    const whyNot = await this.#whyNot();
    if (whyNot !== null) throw new NotOurs(whyNot);
    this.#nextLookMs = nowMs + LOOK_EVERY_MS;
    if (warning !== null && warning !== this.#warning) this.#options.onWarning(warning);
    this.#warning = warning;
  }

  async #whyNot(): Promise<string | null> {
    try {
      return (await this.#options.mayUse?.(this)) ?? null;
    } catch (error) {
      // A node of a cluster does not answer this, and is told as what it is.
      if (this.#unsafe !== null && CLUSTER.test((error as Error).message)) return null;
      throw error;
    }
  }

  #rise(): void {
    if (this.#status === 'closed') return;
    this.#status = 'up';
    this.#wasUp = true;
    this.#why = '';
    this.#options.onProblem(null);
    this.#options.onBack();
  }
}

/** Whom a name or an address leads to nobody, TLS is not in the way. */
const NOBODY_THERE = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN/;
const ABSENCE =
  /ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|Connection is closed|isn't writeable|LOADING|READONLY|MASTERDOWN|NOAUTH|WRONGPASS|MISCONF|Socket timeout|MaxRetriesPerRequest/;

const CLUSTER = /CLUSTERDOWN|MOVED|CROSSSLOT/;

/** Another speaks for our state folder there. */
class NotOurs extends Error {}

/** That Redis cannot be asked now; any other error is about what was asked. */
function isAbsence(error: unknown): boolean {
  return (
    error instanceof Error &&
    ABSENCE.test(`${error.name} ${error.message} ${(error as { code?: string }).code ?? ''}`)
  );
}

/** What every call answers while Redis is away. */
export function isAway(error: unknown): boolean {
  return error instanceof DoggedError && error.code === 'REDIS_AWAY';
}

/** Redis has no room: it takes back, and takes nothing new. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && /\bOOM\b/.test(error.message);
}

function reasonOf(error: Error): string {
  const { code } = error as { code?: string };
  if (error.name === 'MaxRetriesPerRequestError') return CLOSED;
  return plainReason(error.message !== '' ? error.message : (code ?? error.name));
}
