import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { DoggedError } from '../../job/errors.js';
import { type Clock, pause } from '../../platform/clock.js';
import type { StoreUse } from '../open.js';
import { openDatabase } from './driver.js';

/** Older ones can lose committed pages when a WAL is reset while another process checkpoints. */
const OLDEST_SAFE_SQLITE = '3.51.3';

/** How long SQLite itself may wait for a lock, which blocks the whole process: the worker's loop must not notice. */
const BLOCKING_WAIT_MS: Readonly<Record<StoreUse, number>> = { worker: 25, command: 5_000, read: 1_000 };

/** How long a call waits in all. The worker's waits are asynchronous: its loop goes on meanwhile. */
const LONGEST_WAIT_MS: Readonly<Record<StoreUse, number>> = { worker: 30_000, command: 5_000, read: 5_000 };

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 250;

/** A checkpoint every 40 MB instead of every 4: 15 % more jobs a second. */
const CHECKPOINT_PAGES = 10_000;

/** Opens the file with every promise checked; nothing is read from it yet. Throws STORE_MISSING, STORE_UNSAFE, STORE_DAMAGED. */
export async function connect(file: string, use: StoreUse, clock: Clock): Promise<Connection> {
  if (use === 'read') {
    if (!existsSync(file)) throw new DoggedError('STORE_MISSING', { file });
  } else {
    makePrivateFile(file);
  }
  const db = openDatabase(file, { timeout: BLOCKING_WAIT_MS[use], readonly: use === 'read' });
  const connection = new Connection(db, file, use, clock);
  try {
    refuseUnsafeLibrary(db);
    // Ten processes may open a new store at once, and switching to WAL needs it for oneself.
    await connection.retry(() => setPragmas(db, use));
  } catch (error) {
    db.close();
    throw error;
  }
  return connection;
}

/** One SQLite connection: runs work as transactions, waits for locks in the way that its use allows, and names errors. */
export class Connection {
  readonly db: Database;
  readonly #file: string;
  readonly #use: StoreUse;
  readonly #clock: Clock;
  readonly #transaction: (work: () => unknown) => unknown;
  readonly #snapshot: (work: () => unknown) => unknown;

  constructor(db: Database, file: string, use: StoreUse, clock: Clock) {
    this.db = db;
    this.#file = file;
    this.#use = use;
    this.#clock = clock;
    const transaction = db.transaction((work: () => unknown) => work());
    this.#transaction = transaction.immediate;
    this.#snapshot = transaction.deferred;
  }

  /** Runs `work` in one IMMEDIATE transaction: all of it is durable when this resolves, or none of it happened. */
  write<T>(work: () => T, undo: () => void): Promise<T> {
    return this.retry(() => {
      try {
        return this.#transaction(work) as T;
      } catch (error) {
        undo();
        throw error;
      }
    });
  }

  /** Runs `work` on one consistent view. */
  read<T>(work: () => T): Promise<T> {
    return this.retry(() => this.#snapshot(work) as T);
  }

  /** Runs `work` again while another process holds the lock. Throws STORE_BUSY after the longest wait. */
  async retry<T>(work: () => T): Promise<T> {
    let startedAtMs: number | null = null;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error)) throw this.#named(error);
        startedAtMs ??= this.#clock.monotonicMs() - BLOCKING_WAIT_MS[this.#use];
        const waitedMs = Math.round(this.#clock.monotonicMs() - startedAtMs);
        if (waitedMs >= LONGEST_WAIT_MS[this.#use]) {
          throw new DoggedError('STORE_BUSY', { file: this.#file, waitedMs }, { cause: error });
        }
      }
      await pause(this.#clock, pauseMs);
    }
  }

  #named(error: unknown): unknown {
    if (!(error instanceof SqliteDatabase.SqliteError)) return error;
    if (!/^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) return error;
    return new DoggedError('STORE_DAMAGED', { file: this.#file, detail: error.message }, { cause: error });
  }
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

function refuseUnsafeLibrary(db: Database): void {
  const version = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  if (isOlder(version, OLDEST_SAFE_SQLITE)) {
    throw new DoggedError('STORE_UNSAFE', {
      detail: `SQLite ${version} is older than ${OLDEST_SAFE_SQLITE}`,
    });
  }
}

export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i += 1) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Sets what durability rests on and reads it back: a pragma that is refused stays silent. */
function setPragmas(db: Database, use: StoreUse): void {
  if (use !== 'read') {
    demand(db, 'journal_mode', 'wal');
    demand(db, 'synchronous', 2);
    demand(db, 'foreign_keys', 1);
    demand(db, 'wal_autocheckpoint', CHECKPOINT_PAGES);
  }
  demand(db, 'trusted_schema', 0);
}

function demand(db: Database, pragma: string, wanted: string | number): void {
  db.pragma(`${pragma} = ${wanted}`);
  const found = db.pragma(pragma, { simple: true });
  if (found !== wanted) {
    throw new DoggedError('STORE_UNSAFE', { detail: `${pragma} is ${found} instead of ${wanted}` });
  }
}
