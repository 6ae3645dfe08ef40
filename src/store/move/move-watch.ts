import type { Clock } from '../../platform/clock.js';
import type { Log } from '../../platform/log.js';
import { isMovingIn } from '../sqlite/move-row.js';
import type { SqliteStore } from '../sqlite/store.js';
import type { Mover } from './mover.js';

/** How soon a move is noticed. Looking for the row that is not there costs some microseconds. */
const LOOK_EVERY_MS = 1_000;

export interface MoveWatchOptions {
  readonly sqlite: Pick<SqliteStore, 'look'>;
  readonly load: () => Promise<Mover>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Waits for somebody to move the jobs, and loads only then what that takes: most workers never need it. */
export class MoveWatch {
  readonly #options: MoveWatchOptions;
  #isMoving: (() => boolean) | null = null;
  #mover: Mover | null = null;
  #looking: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;
  #isClosed = false;

  constructor(options: MoveWatchOptions) {
    this.#options = options;
  }

  /** Once the store is ours. A move that is under way is gone on with at once. */
  start(epoch: number): void {
    this.#looking = this.#look(epoch);
  }

  /** What is being done is done to its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#looking;
    await this.#mover?.close();
  }

  async #look(epoch: number): Promise<void> {
    const { sqlite, load, clock, log } = this.#options;
    try {
      const isMoving = await sqlite.look(({ db }) => {
        this.#isMoving ??= isMovingIn(db);
        return this.#isMoving();
      });
      if (isMoving) this.#mover = await load();
    } catch (error) {
      log.error({ err: error }, 'it cannot be told whether jobs are to be moved; looking again');
    }
    if (this.#isClosed) return;
    if (this.#mover !== null) return this.#mover.start(epoch);
    this.#cancel = clock.after(LOOK_EVERY_MS, () => (this.#looking = this.#look(epoch)), {
      background: true,
    });
  }
}
