import type { Database, Statement } from 'better-sqlite3';

/**
 * SQLite makes its checkpoint within the commit that reaches its limit of 40 MB. That suits a stream of small commits, which
 * write the same pages again and again; a bulk admission writes new ones, and 40 MB of those hold the loop for 100 ms. So
 * while much is admitted, a checkpoint is made after each 10 MB, in a turn of the loop of its own: about 20 ms.
 */
const BULK_PAGES = 2_500;

interface WalState {
  /** Pages in the log; -1 when there is none. */
  readonly log: number;
  readonly checkpointed: number;
}

export class EarlyCheckpoint {
  readonly #db: Database;
  readonly #look: Statement<[], WalState>;

  constructor(db: Database) {
    this.#db = db;
    // Says how much is in the log, and does nothing about it: a microsecond.
    this.#look = db.prepare('PRAGMA wal_checkpoint(NOOP)');
  }

  /** After an admission. Throws what SQLite says of the disk; what was committed stays in the log then. */
  async afterAdmission(): Promise<void> {
    const state = this.#look.get();
    if (state === undefined || state.log - state.checkpointed < BULK_PAGES) return;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    // Copies what no reader needs any more, and waits for none.
    if (this.#db.open) this.#db.pragma('wal_checkpoint(PASSIVE)');
  }
}
