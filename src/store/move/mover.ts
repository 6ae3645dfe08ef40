import { dirname } from 'node:path';
import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import { failpoint } from '../../platform/failpoint.js';
import type { Log } from '../../platform/log.js';
import { Homecoming } from '../bullmq/homecoming.js';
import { otherMachines } from '../bullmq/machines.js';
import { Outbox } from '../bullmq/outbox.js';
import { isSending } from '../bullmq/outbox-moves.js';
import type { RemoteEvents, RemoteSettings } from '../bullmq/settings.js';
import { BullmqStore } from '../bullmq/store.js';
import type { LiveStore } from '../live-store.js';
import { stopMirror } from '../mirror/mirroring.js';
import { awayText, type Move, wantedStore } from '../move-contract.js';
import { changePhase, chooseStore, currentStore, endMove, noteMoveProblem } from '../sqlite/move-book.js';
import { readMove } from '../sqlite/move-row.js';
import { clearRemote } from '../sqlite/remote-mark.js';
import { handOn, takeOver } from './hand-over.js';
import { lastingMachinesText } from './machines-text.js';

/** How often the row of the move is looked at: one look costs some microseconds. */
const LOOK_EVERY_MS = 250;

/** What is done in Redis for the mirror, as long as there is one. */
interface MirrorCare {
  /** Follows what stands in the row: mirrors, or does not. */
  follow(move: Move | null): Promise<void>;
  /** Removes the keys of the mirror. Throws REDIS_AWAY. */
  drop(move: Move): Promise<void>;
  close(): Promise<void>;
}

export interface MoverOptions {
  readonly live: LiveStore;
  /** The store of the config, by its name. */
  readonly configured: string;
  readonly settings: Omit<RemoteSettings, 'url'>;
  readonly events: RemoteEvents;
  /** The engine was exchanged: the address of the Redis through which jobs run; null: SQLite alone. */
  readonly onStore: (address: string | null) => void;
  readonly mirror: MirrorCare;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The worker's part in `dogged migrate`: does what the row of the move asks for, as far as it is not done yet. All of it can
 * be broken off anywhere: which store runs the jobs is what the rows say, and the next worker begins from there.
 */
export class Mover {
  readonly #options: MoverOptions;
  #epoch = 0;
  /** Ready jobs are to be put in line for Redis. A worker that begins with Redis does that at its start. */
  #isToHandOn = false;
  #homecoming: { readonly store: BullmqStore; readonly work: Homecoming } | null = null;
  #looking: Promise<void> = Promise.resolve();
  #cancel: (() => void) | null = null;
  readonly #closing = new AbortController();

  constructor(options: MoverOptions) {
    this.#options = options;
  }

  /** Once the store is ours. */
  start(epoch: number): void {
    this.#epoch = epoch;
    this.#looking = this.#look();
  }

  /** What is being done is done to its end. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancel?.();
    await this.#looking;
    await this.#options.mirror.close();
  }

  #lookLater(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, () => (this.#looking = this.#look()), {
      background: true,
    });
  }

  async #look(): Promise<void> {
    const { live, mirror, log } = this.#options;
    try {
      const move = await live.sqlite.look(({ db }) => readMove(db));
      await mirror.follow(move);
      if (move !== null) await this.#follow(move);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      await this.#note(error).catch((second: unknown) =>
        log.error({ err: second }, 'the move cannot be followed'),
      );
    }
    this.#lookLater();
  }

  async #follow(move: Move): Promise<void> {
    const { live } = this.#options;
    const current = await live.sqlite.look(({ db }) => currentStore(db));
    const wanted = wantedStore(move) ?? current;
    const redis = this.#redis;
    if (redis !== null) redis.remote.takesGuests = wanted !== 'sqlite';
    const problem = wanted === current ? await this.#settle(move) : await this.#change(move, wanted);
    await this.#tell(problem);
  }

  /** null: it is done, or goes on. Else what it waits for. */
  async #change(move: Move, wanted: string): Promise<string | null> {
    if (wanted === 'sqlite') return this.#comeHome(move);
    // Nobody begins such a move: a database that was changed by hand, or that an older program left.
    if (this.#redis !== null) return BETWEEN_REDIS;
    return this.#handOver(move, wanted);
  }

  async #handOver(move: Move, url: string): Promise<string | null> {
    const { live, settings, events, onStore, clock, log } = this.#options;
    const { connectForWorker } = await import('../bullmq/open.js');
    let isOurs = false;
    // What a Redis suffers from that holds none of our jobs is told as the problem of the move.
    const told: RemoteEvents = {
      onRemote: (problem) => isOurs && events.onRemote?.(problem),
      onRemoteWarning: (text) => isOurs && events.onRemoteWarning?.(text),
      onRemoteError: (error) => events.onRemoteError?.(error),
    };
    const redis = await connectForWorker(live.sqlite, { ...settings, url }, told, clock);
    try {
      await redis.settled();
      const { link } = redis.remote;
      if (!link.isUp) {
        await redis.closeRemote();
        return awayText(url, link.why);
      }
      await live.exchange(async () => {
        await takeOver(redis, clock.wallMs());
        isOurs = true;
        this.#isToHandOn = true;
        onStore(url);
        redis.adopt(this.#epoch);
        return redis;
      });
    } catch (error) {
      await redis.closeRemote();
      throw error;
    }
    failpoint('cutover.after-commit');
    log.warn({ store: url, move: move.phase }, `Jobs run through Redis at ${url} from now on`);
    await this.#handOn();
    return null;
  }

  async #comeHome(move: Move): Promise<string | null> {
    const { live, clock, log, configured, onStore } = this.#options;
    const redis = this.#redis;
    if (redis === null) throw new Error('the jobs are at home, and their rows say otherwise');
    const { remote } = redis;
    const { link, address, origin } = remote;
    if (!link.isUp) return awayText(address, link.why);
    const others = await otherMachines(link, origin);
    if (others.length > 0) return lastingMachinesText(others, address);
    if (this.#homecoming?.store !== redis)
      this.#homecoming = { store: redis, work: new Homecoming(redis, this.#closing.signal) };
    const guests = await live.sqlite.look(() => redis.books.guests());
    if (guests.length > 0) return KEPT_TEXTS.guests;
    const { work } = this.#homecoming;
    let kept: Awaited<ReturnType<Homecoming['finish']>> = null;
    try {
      remote.isSending = false;
      await work.callBack();
      await live.exchange(async () => {
        kept = await work.finish(() =>
          live.sqlite.within(({ db }) => {
            clearRemote(db, dirname(db.name));
            Outbox.unwatch(db);
            chooseStore(db, configured === 'sqlite' ? null : 'sqlite', clock.wallMs());
            failpoint('home.before-commit');
          }),
        );
        return kept === null ? live.sqlite : redis;
      });
    } finally {
      // Whatever keeps them, the work goes on meanwhile.
      remote.isSending = true;
    }
    if (kept !== null) return KEPT_TEXTS[kept];
    failpoint('home.after-commit');
    onStore(null);
    log.warn(
      { move: move.phase },
      `Jobs run from SQLite alone from now on; none is left in Redis at ${address}`,
    );
    await remote.leave();
    this.#homecoming = null;
    return null;
  }

  /** The right store runs the jobs: what is left of this phase. */
  async #settle(move: Move): Promise<string | null> {
    const { live, mirror } = this.#options;
    await this.#handOn();
    switch (move.phase) {
      case 'cutover': {
        const redis = this.#redis;
        const until = move.cutoverUntil ?? 0;
        if (redis !== null && (await live.sqlite.look(({ db }) => isSending(db, until)))) {
          return redis.remote.link.isUp ? null : awayText(redis.remote.address, redis.remote.link.why);
        }
        await live.sqlite.within(({ db }) => changePhase(db, 'cutover', 'moved'));
        return null;
      }
      case 'return':
        await live.sqlite.within(({ db }) => changePhase(db, 'return', 'ending') && stopMirror(db));
        return null;
      case 'ending':
        failpoint('move.before-drop');
        if (move.mirror !== null) await mirror.drop(move);
        await live.sqlite.within(({ db }) => endMove(db));
        return null;
      case 'dual':
      case 'moved':
        return null;
    }
  }

  async #handOn(): Promise<void> {
    if (this.#isToHandOn && this.#redis !== null) await handOn(this.#redis);
    this.#isToHandOn = false;
  }

  get #redis(): BullmqStore | null {
    const { engine } = this.#options.live;
    return engine instanceof BullmqStore ? engine : null;
  }

  async #note(error: unknown): Promise<void> {
    if (error instanceof DoggedError) return void (await this.#tell(error.message));
    // The driver hangs the command and its arguments on an error: payloads do not belong into a log.
    const { message, stack } = error as Error;
    if (await this.#tell(message))
      this.#options.log.error({ err: { message, stack } }, 'Unforeseen trouble with a move; trying again');
  }

  /** False: that is what it waits for already. */
  async #tell(problem: string | null): Promise<boolean> {
    const { live, clock, log } = this.#options;
    const before = await live.sqlite.look(({ db }) => readMove(db)?.problem ?? null);
    if (before === problem) return false;
    await live.sqlite.within(({ db }) => noteMoveProblem(db, problem, clock.wallMs()));
    if (problem !== null) log.warn({ problem }, `The move between stores waits: ${problem}`);
    return true;
  }
}

const BETWEEN_REDIS =
  'jobs do not go from one Redis to another: take it back with dogged migrate --rollback, then go by way of SQLite';
const KEPT_TEXTS = {
  guests: 'jobs of other machines still run here',
  elsewhere: 'Redis has not told yet how some jobs of ours stand',
  lease: 'some jobs here have lost their leases, and have not ended yet',
} as const;
