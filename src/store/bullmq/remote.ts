import { randomBytes } from 'node:crypto';
import { redisAddress } from './address.js';
import { Claims } from './claims.js';
import { type Answer, Ends } from './ends.js';
import { FleetLimits } from './fleet-limits.js';
import type { Lease } from './lease.js';
import { LeaseWatch } from './lease-watch.js';
import { SAYS_SO_EVERY_MS, sayGone, sayHere } from './machines.js';
import { Mail } from './mail.js';
import { hasNamesake } from './namesake.js';
import type { HeldState } from './outbox.js';
import { Queues } from './queues.js';
import { isFull, RedisLink } from './redis-link.js';
import { Relay } from './relay.js';
import { PREFIX } from './scripts.js';
import type { RemoteEvents, RemoteSettings } from './settings.js';
import type { Rows } from './store.js';
import { Trouble } from './trouble.js';
import { Unbegun } from './unbegun.js';
import { Voice } from './voice.js';

/** How often mail is read, leases are looked at and new jobs are seen. */
const TICK_MS = 250;
/** What other machines kept from being sent is tried again this often. */
const RETRY_MS = 1_000;
const EVERY_STATE: readonly HeldState[] = ['unsure', 'presumed', 'sent'];

export interface RemoteParts extends Rows {
  readonly settings: RemoteSettings;
  readonly events: RemoteEvents;
  readonly origin: string;
}

/** What a worker has to do with Redis beside its turns: all of it in a rhythm of its own, one thing at a time. */
export class Remote {
  readonly link: RedisLink;
  readonly queues: Queues;
  readonly relay: Relay;
  readonly claims: Claims;
  readonly mail: Mail;
  readonly leaseWatch: LeaseWatch;
  readonly limits: FleetLimits;
  readonly ends: Ends;
  readonly unbegun: Unbegun;
  /** By token: ends that Redis has taken, until they are written down here too. */
  readonly answers = new Map<string, Answer>();
  /** Tokens of ends of which Redis was told, until it is heard what it made of them. */
  readonly unheard = new Set<string>();
  /** Attempts without a lease whose ends were written down in a turn that could not tell the others. */
  readonly written = new WeakSet<object>();
  /** Not while jobs are called home. */
  isSending = true;
  /** Whether jobs of other machines are taken. */
  takesGuests = true;
  /** Without user and password. */
  readonly address: string;
  /** Id of our store. */
  readonly origin: string;
  /** What a turn has left unclaimed may be claimed by the next. */
  hasFreeSlots = true;
  /** Jobs that could be claimed at the last look. */
  claimable = 0;
  /** Other machines with this Redis, as of the last look. */
  neighbours: Awaited<ReturnType<typeof sayHere>> = [];

  readonly #parts: RemoteParts;
  readonly #resolve: () => Promise<number>;
  readonly #trouble: Trouble;
  readonly #voice: Voice;
  #epoch = 0;
  #news = false;
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTick: (() => void) | null = null;
  #isClosed = false;
  #reconcileAll = true;
  #nextReconcileMs = 0;
  #nextUnsureMs = 0;
  #nextRetryMs = 0;
  #nextSayHereMs = 0;
  #sendAfterMs = 0;

  constructor(parts: RemoteParts, resolve: () => Promise<number>) {
    const { sqlite, outbox, books, settings, events, clock, origin } = parts;
    const address = redisAddress(settings.url, process.env);
    this.#parts = parts;
    this.address = address.shown;
    this.origin = origin;
    this.#resolve = resolve;
    const { site } = settings;
    this.#voice = new Voice({ sqlite, origin, site, clock });
    const maxStalledCount = settings.poisonAfter - 1;
    this.#trouble = new Trouble({ sqlite, books, events, clock });
    this.link = new RedisLink({
      address,
      clock,
      mayUse: (link) => this.#voice.raise(link),
      onBack: () => {
        this.#reconcileAll = true;
        this.limits.forget();
      },
      onProblem: (problem) => this.#trouble.noteAway(problem),
      onWarning: (text) => events.onRemoteWarning?.(text),
    });
    this.queues = new Queues(this.link, settings.leaseMs, maxStalledCount);
    const { link, queues } = this;
    const here = { link, origin, site };
    this.limits = new FleetLimits({
      lines: () => sqlite.look(() => outbox().lines()),
      link,
      queues,
      limits: settings.fleetConcurrency,
    });
    const shared = new Set(settings.sharedSources);
    this.relay = new Relay({
      ...here,
      sqlite,
      outbox,
      queues,
      isShared: (source) => shared.has(source),
      onFull: (isFull) => this.noteFull(isFull),
    });
    this.ends = new Ends({
      ...here,
      mail: () => this.mail,
      hasUnwritten: () => this.answers.size > 0,
    });
    this.claims = new Claims({ ...here, ends: this.ends, lockMs: settings.leaseMs });
    const { claims, limits } = this;
    const epoch = () => this.#epoch;
    const isHeir = () => this.#voice.isHeir;
    const onError = (error: unknown) => this.tellError(error);
    this.unbegun = new Unbegun({ ...here, sqlite, books, queues, claims, limits, epoch, isHeir, onError });
    this.leaseWatch = new LeaseWatch({ link, claims, clock, leaseMs: settings.leaseMs, onError });
    const self = () => this.self;
    this.mail = new Mail({
      sqlite,
      books,
      outbox,
      link: this.link,
      queues: this.queues,
      origin,
      self,
      hasUnwritten: () => this.unheard.size > 0 || this.answers.size > 0,
      clock,
    });
  }

  /** Store and epoch of this worker, as its messages name it. */
  get self(): string {
    return `${this.origin}/${this.#epoch}`;
  }

  /** Attempts of ours, by the id under which the dispatcher knows them. */
  get leases(): Map<string, Lease> {
    return this.leaseWatch.leases;
  }

  start(epoch: number): void {
    this.#epoch = epoch;
    this.leaseWatch.start();
    this.#tickLater();
  }

  /** One thing at a time: a job must not be sent while it is being called back. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** True once for all that a turn should be taken for. */
  takeNews(): boolean {
    const news = this.#news || this.leaseWatch.hasNews;
    this.#news = false;
    return news;
  }

  /** Nothing is sent for a while: what has been called back would fill it again. */
  noteFull(isFull = true): void {
    if (isFull) this.#sendAfterMs = this.#parts.clock.monotonicMs() + RETRY_MS;
    this.#trouble.noteFull(isFull);
  }

  /** For good, with nothing of ours left there. The last that is done there: else it would be said again that we are here. */
  async leave(): Promise<void> {
    this.#rest();
    await this.exclusively(() => this.quietly(() => sayGone(this.link, this.origin)));
    await this.quietly(() => this.#voice.fallSilent(this.link));
    await this.close();
  }

  async close(): Promise<void> {
    this.#rest();
    this.link.close();
    await this.queues.close();
    await this.#turn;
  }

  #rest(): void {
    this.#isClosed = true;
    this.#trouble.close();
    this.#cancelTick?.();
    this.leaseWatch.stop();
  }

  #tickLater(): void {
    this.#cancelTick = this.#parts.clock.after(TICK_MS, () => void this.#tick(), { background: true });
  }

  async #tick(): Promise<void> {
    try {
      if (this.link.isUp) await this.exclusively(() => this.#work());
      if (this.link.isUp) await this.#reconcile();
      while (this.link.isUp && !this.#isClosed && (await this.exclusively(() => this.send())));
    } catch (error) {
      this.tellError(error);
    }
    if (!this.#isClosed) this.#tickLater();
  }

  /** Work that nobody waits for the outcome of. */
  async quietly(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.tellError(error);
    }
  }

  tellError(error: unknown): void {
    if (isFull(error)) this.noteFull();
    this.#trouble.noteError(error);
  }

  async #work(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    await this.link.look();
    this.#trouble.noteUnsafe(this.link.unsafe);
    await this.#lookForLoss();
    if (nowMs >= this.#nextSayHereMs) {
      this.#nextSayHereMs = nowMs + SAYS_SO_EVERY_MS;
      // A Redis that is full has no room for it, and everything else goes on.
      await this.quietly(async () => {
        this.neighbours = await sayHere(this.link, this.origin, this.#parts.settings.site, nowMs);
      });
    }
    await this.limits.set();
    if ((await this.mail.read()) + (await this.unbegun.putBack()) > 0) this.#news = true;
    if ((await this.#resolve()) > 0) this.#news = true;
    if (nowMs >= this.#nextRetryMs) {
      this.#nextRetryMs = nowMs + RETRY_MS;
      await this.relay.retryRefused();
    }
    await this.#seeNew();
  }

  /** Sends one batch; true when there may be more. */
  async send(): Promise<boolean> {
    const mayGo = this.isSending && this.link.unsafe === null;
    if (!mayGo || this.#parts.clock.monotonicMs() < this.#sendAfterMs) return false;
    return this.relay.run();
  }

  /** A mark of ours that is gone: somebody has emptied Redis, or it was restarted without what it held. */
  async #lookForLoss(): Promise<void> {
    const { sqlite, books, origin } = this.#parts;
    const key = `${PREFIX}:life:${origin}`;
    const known = (await sqlite.look(() => books().remote()))?.life ?? null;
    const found = await this.link.call(() => this.link.client.get(key));
    if (found !== null && found === known) return;
    const life = found ?? randomBytes(8).toString('hex');
    if (found === null) await this.link.call(() => this.link.client.set(key, life));
    await sqlite.within(() => {
      books().setRemote('life', life);
      books().setRemote('ends_at', '0-0');
    });
    this.#reconcileAll = true;
    this.limits.forget();
    this.#nextSayHereMs = 0;
  }

  /** Page by page: a turn must not wait for a million of them. */
  async #reconcile(): Promise<void> {
    const { clock, settings, events } = this.#parts;
    const nowMs = clock.monotonicMs();
    const all = this.#reconcileAll || nowMs >= this.#nextReconcileMs;
    if (!all && nowMs < this.#nextUnsureMs) return;
    this.#reconcileAll = false;
    const states: readonly HeldState[] = all ? EVERY_STATE : ['unsure'];
    try {
      const resent = await this.mail.reconcile(states, (page) => this.exclusively(page));
      if (resent > 0) this.#news = true;
    } catch (error) {
      this.#reconcileAll ||= all;
      throw error;
    }
    this.#nextUnsureMs = nowMs + RETRY_MS;
    if (!all) return;
    this.#nextReconcileMs = nowMs + settings.reconcileMs;
    if (await hasNamesake(this.link, settings.site, this.origin)) {
      const text = `another machine goes by site "${settings.site}" on this Redis: give each its own in the config, or equal records wait for each other`;
      events.onRemoteWarning?.(text);
    }
  }

  /** Holds all that Redis should hold against what it does, now. */
  async reconcileNow(): Promise<void> {
    if ((await this.mail.reconcile(EVERY_STATE, (page) => page())) > 0) this.#news = true;
  }

  async #seeNew(): Promise<void> {
    if (!this.hasFreeSlots) return;
    this.claimable = await this.claims.claimable(this.queues.all());
    if (this.claimable > 0) this.#news = true;
  }
}
