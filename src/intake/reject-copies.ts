import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../platform/log.js';
import type { Reject } from './judge.js';
import { errorCode } from './path-trouble.js';

/** With 64 KiB each this is at most 64 MB on the card, however much a writer gets wrong. */
const MOST_COPIES = 1_000;

/**
 * Keeps what was refused in `state/rejects/`, so that it can be looked at after its file has moved on. A convenience, not
 * the record of it: when it cannot be written, that is logged, and the reject itself still stands in the store.
 */
export class RejectCopies {
  readonly #folder: string;
  readonly #log: Log;
  #count: number | null = null;

  constructor(stateFolder: string, log: Log) {
    this.#folder = join(stateFolder, 'rejects');
    this.#log = log;
  }

  keep(source: string, rejects: readonly Reject[]): void {
    if (rejects.length === 0) return;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      this.#count ??= readdirSync(this.#folder).length;
      for (const { digest, copy } of rejects) {
        if (this.#count >= MOST_COPIES) return;
        this.#write(join(this.#folder, `${source}-${digest.toString('hex', 0, 8)}.txt`), copy);
      }
    } catch (error) {
      this.#log.warn({ err: error, folder: this.#folder }, 'a rejected record could not be copied');
    }
  }

  #write(path: string, copy: Buffer): void {
    try {
      writeFileSync(path, copy, { flag: 'wx', mode: 0o600 });
      this.#count = (this.#count ?? 0) + 1;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}
