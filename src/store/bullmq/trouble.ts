import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import type { SqliteStore } from '../sqlite/store.js';
import { withRemedy } from './address.js';
import type { Books } from './books.js';
import { isFull } from './redis-link.js';
import type { RemoteEvents } from './settings.js';

const FULL = 'it is full; give it more memory with: redis-cli CONFIG SET maxmemory SIZE';

export interface TroubleOptions {
  readonly sqlite: SqliteStore;
  readonly books: () => Books;
  readonly events: RemoteEvents;
  readonly clock: Clock;
}

/** What is the matter with Redis, told once: to the worker's log, and to the books, where every command finds it. */
export class Trouble {
  readonly #options: TroubleOptions;
  /** undefined: nothing was told yet; what the worker before has written down may still stand there. */
  #told: string | null | undefined;
  #full: string | null = null;
  #away: string | null = null;
  #unsafe: string | null = null;
  #isClosed = false;

  constructor(options: TroubleOptions) {
    this.#options = options;
  }

  /** null: there is none any more. */
  noteAway(why: string | null): void {
    this.#away = why && withRemedy(why);
    this.#tell();
  }

  /** It is set so that it would throw jobs away; null: it is not. */
  noteUnsafe(why: string | null): void {
    this.#unsafe = why;
    this.#tell();
  }

  noteFull(isFullNow: boolean): void {
    this.#full = isFullNow ? FULL : null;
    this.#tell();
  }

  /** That Redis is away or full is told by whoever saw it first. */
  noteError(error: unknown): void {
    const isKnown =
      isFull(error) || (error instanceof DoggedError && ['REDIS_AWAY', 'STORE_BUSY'].includes(error.code));
    if (!isKnown && !this.#isClosed) this.#options.events.onRemoteError?.(error);
  }

  /** Nothing is told any more. */
  close(): void {
    this.#isClosed = true;
  }

  #tell(): void {
    const problem = this.#away ?? this.#unsafe ?? this.#full;
    if (problem === this.#told || this.#isClosed) return;
    const isFirst = this.#told === undefined;
    this.#told = problem;
    const { sqlite, books, clock, events } = this.#options;
    if (problem !== null || !isFirst) events.onRemote?.(problem);
    sqlite
      .within(() => books().setProblem(problem, clock.wallMs()))
      .catch((error: unknown) => {
        if (!this.#isClosed) events.onRemoteError?.(error);
      });
  }
}
