import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { DoggedError, type ErrorCode } from '../../job/errors.js';
import { breadcrumb } from '../../platform/breadcrumb.js';
import { type Clock, pause } from '../../platform/clock.js';
import type { HeldElsewhere } from '../contract.js';
import type { StoreEvents, StoreUse } from '../engine.js';
import { openDatabase } from './driver.js';
import { holdersOf } from './holders.js';
import { refuseUnsafeLibrary, setPragmas } from './pragmas.js';

/** How long SQLite itself may wait for a lock, which blocks the whole process: the worker's loop must not notice. */
const BLOCKING_WAIT_MS: Readonly<Record<StoreUse, number>> = { worker: 25, command: 5_000, read: 500 };

/** How long a call waits in all. The worker's waits are asynchronous: its loop goes on meanwhile. */
const LONGEST_WAIT_MS: Readonly<Record<StoreUse, number>> = { worker: 30_000, command: 5_000, read: 2_000 };

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 250;

/** What SQLite's own codes mean to a user. Any other is a defect of ours and keeps its form. */
const NAMED_ERRORS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^SQLITE_(CORRUPT|NOTADB)/, 'STORE_DAMAGED'],
  [/^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|PERM)/, 'STORE_UNWRITABLE'],
];

/** Opens the file with every promise checked; nothing is read from it yet. Throws STORE_MISSING, STORE_UNSAFE, STORE_DAMAGED. */
export async function connect(
  file: string,
  use: StoreUse,
  clock: Clock,
  events: StoreEvents = {},
): Promise<Connection> {
  if (use === 'read') {
    if (!existsSync(file)) throw new DoggedError('STORE_MISSING', { file });
  } else {
    makePrivateFile(file);
  }
  const db = openNamed(file, use);
  const connection = new Connection(db, file, use, clock, events);
  try {
    // Ten processes may open a new store at once, and switching to WAL needs it for oneself.
    await connection.retry(() => {
      refuseUnsafeLibrary(db);
      setPragmas(db, use);
    });
  } catch (error) {
    db.close();
    throw error;
  }
  return connection;
}

function openNamed(file: string, use: StoreUse): Database {
  try {
    return openDatabase(file, { timeout: BLOCKING_WAIT_MS[use], readonly: use === 'read' });
  } catch (error) {
    throw named(error, file);
  }
}

/** One SQLite connection: runs work as transactions, waits for locks in the way that its use allows, and names errors. */
export class Connection {
  readonly db: Database;
  readonly #file: string;
  readonly #use: StoreUse;
  readonly #clock: Clock;
  readonly #events: StoreEvents;
  #storageProblem: DoggedError | null = null;
  readonly #transaction: (work: () => unknown) => unknown;
  readonly #snapshot: (work: () => unknown) => unknown;
  /** Since when nothing could be written, because another process holds the lock. Reads may go on meanwhile. */
  #heldSinceMs: number | null = null;

  constructor(db: Database, file: string, use: StoreUse, clock: Clock, events: StoreEvents) {
    this.db = db;
    this.#file = file;
    this.#use = use;
    this.#clock = clock;
    this.#events = events;
    const transaction = db.transaction((work: () => unknown) => work());
    this.#transaction = transaction.immediate;
    this.#snapshot = transaction.deferred;
  }

  /** Runs `work` in one IMMEDIATE transaction: all of it is durable when this resolves, or none of it happened. */
  async write<T>(work: () => T, undo: () => void): Promise<T> {
    const result = await this.retry(() => {
      breadcrumb('sqlite.write');
      try {
        const result = this.#transaction(work) as T;
        this.#heldSinceMs = null;
        return result;
      } catch (error) {
        if (isBusy(error)) this.#heldSinceMs ??= this.#clock.monotonicMs();
        undo();
        throw error;
      }
    });
    if (this.#storageProblem !== null) this.#tellStorage(null);
    return result;
  }

  /** Runs `work` on one consistent view. */
  read<T>(work: () => T): Promise<T> {
    return this.retry(() => {
      breadcrumb('sqlite.read');
      return this.#snapshot(work) as T;
    });
  }

  heldElsewhere(): HeldElsewhere | null {
    if (this.#heldSinceMs === null) return null;
    return { forMs: this.#clock.monotonicMs() - this.#heldSinceMs, pids: holdersOf(this.#file) };
  }

  /** Runs `work` again while another process holds the lock. Throws STORE_BUSY after the longest wait. */
  async retry<T>(work: () => T): Promise<T> {
    const startedAtMs = this.#clock.monotonicMs();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error)) throw this.#told(error);
        const waitedMs = Math.round(this.#clock.monotonicMs() - startedAtMs);
        if (waitedMs >= LONGEST_WAIT_MS[this.#use]) {
          throw new DoggedError('STORE_BUSY', { file: this.#file, waitedMs }, { cause: error });
        }
      }
      await pause(this.#clock, pauseMs);
    }
  }

  /** Told to whoever listens before the caller hears of it: no caller may pass over it. */
  #told(error: unknown): unknown {
    const known = named(error, this.#file);
    if (!(known instanceof DoggedError)) return known;
    if (known.code === 'STORE_DAMAGED') this.#events.onDamage?.(known);
    if (known.code === 'STORE_UNWRITABLE' && this.#storageProblem === null) this.#tellStorage(known);
    return known;
  }

  #tellStorage(problem: DoggedError | null): void {
    this.#storageProblem = problem;
    this.#events.onStorage?.(problem);
  }
}

/** The error as a user knows it, or as it was. */
export function named(error: unknown, file: string): unknown {
  if (!(error instanceof SqliteDatabase.SqliteError)) return error;
  const code = NAMED_ERRORS.find(([pattern]) => pattern.test(error.code))?.[1];
  return code === undefined
    ? error
    : new DoggedError(code, { file, detail: error.message }, { cause: error });
}

export function isBusy(error: unknown): boolean {
  return error instanceof SqliteDatabase.SqliteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code);
}

/**
 * Makes an empty file that only its owner can read; SQLite gives its other files the same rights. A file that exists
 * is never opened: closing it would drop the locks that SQLite holds on it in this process.
 */
export function makePrivateFile(file: string): void {
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if ((statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
  if (existsSync(file)) return;
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
