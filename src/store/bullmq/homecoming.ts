import { failpoint } from '../../platform/failpoint.js';
import { rowIdOf } from '../sqlite/core.js';
import type { HeldState } from './outbox.js';
import { forget, isHeld, lastSent } from './outbox-moves.js';
import type { BullmqStore } from './store.js';

const PAGE = 500;

/** What still keeps jobs from coming home. */
export type Away = 'guests' | 'elsewhere' | 'lease';

/**
 * Calls the jobs of this machine home from Redis, for good: those that wait there a page at a time, last in line first, so
 * that the best can be claimed meanwhile; then attempts that run here under a lease, which go on as SQLite's own. All of it
 * throws REDIS_AWAY, and is simply begun again. Redis knows of each attempt that goes before SQLite counts on it.
 */
export class Homecoming {
  readonly #store: BullmqStore;
  /** Redis did not answer: some may have come back without our hearing of it. */
  #isDoubtful = true;

  readonly #signal: AbortSignal;

  /** `signal`: it is broken off between two pages, by an error. */
  constructor(store: BullmqStore, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** Calls back all that waits in Redis. Beside the turns. */
  async callBack(): Promise<void> {
    const { remote } = this.#store;
    await this.#callBack((page) => remote.exclusively(page));
  }

  /**
   * The last of it, while no call of the store is under way: null, and all are home, in the moment in which `leave` runs.
   * Else what keeps them.
   */
  async finish(leave: () => Promise<void>): Promise<Away | null> {
    const { remote, sqlite, books } = this.#store;
    return remote.exclusively(async () => {
      await this.#callBack((page) => page());
      if ((await sqlite.look(() => books.guests())).length > 0) return 'guests';
      await this.#takeHome();
      if (remote.leases.size > 0) return 'lease';
      if (await sqlite.look(({ db }) => isHeld(db))) return 'elsewhere';
      await leave();
      return null;
    });
  }

  async #callBack(step: <T>(page: () => Promise<T>) => Promise<T>): Promise<void> {
    const { remote, recall, sqlite } = this.#store;
    const doubted: readonly HeldState[] = this.#isDoubtful ? ['unsure', 'sent'] : ['unsure'];
    this.#isDoubtful = true;
    await remote.mail.reconcile(doubted, step);
    for (let found = PAGE; found > 0; ) {
      this.#signal.throwIfAborted();
      found = await step(async () => {
        const page = await sqlite.look(({ db }) => lastSent(db, PAGE));
        await recall.runPatiently(page);
        return page.length;
      });
      failpoint('home.after-recall');
    }
    await step(() => recall.resolve());
    await remote.mail.reconcile(['presumed'], step);
    this.#isDoubtful = false;
  }

  async #takeHome(): Promise<void> {
    const { remote, sqlite } = this.#store;
    const leases = [...remote.leases];
    const asked = await Promise.all(
      leases.map(async ([id, lease]) => ({ id, isOurs: await remote.ends.takeHome(lease) })),
    );
    const home = asked.filter(({ isOurs }) => isOurs);
    failpoint('home.after-mark');
    await sqlite.within(({ db }) =>
      forget(
        db,
        home.map(({ id }) => rowIdOf(id) ?? 0),
      ),
    );
    for (const { id } of home) remote.leases.delete(id);
    failpoint('home.after-attempt');
    await remote.quietly(() => remote.ends.leaveHome());
  }
}
