import type { Statement } from 'better-sqlite3';
import { ledgerHash } from '../../job/snapshot.js';
import { VERSIONS_AN_HOUR } from '../intake-contract.js';
import type { Core } from './core.js';

const HOUR_MS = 3_600_000;

interface Hold {
  readonly untilMs: number;
  /** This version is the first that is held. */
  readonly isNew: boolean;
}

/**
 * Counts how many new versions of one key came within an hour. The counters stand beside those of unkeyed records: a
 * record has a key or has none, and the hash of what is counted keeps the two apart.
 */
export class VersionCounter {
  readonly #core: Core;
  readonly #meet: Statement<[number, Buffer, number, number], [sinceMs: number, seen: number]>;
  readonly #setReason: Statement<[string, number]>;

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    // More than an hour away, in whichever direction: an hour has passed, or the clock was set. It begins anew.
    const isRecent = `abs(generation - excluded.generation) < ${HOUR_MS}`;
    this.#meet = db
      .prepare<[number, Buffer, number, number], [number, number]>(`
        INSERT INTO occurrences (scope_id, content_hash, generation, seen) VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET
          seen = iif(${isRecent}, seen, 0) + excluded.seen,
          generation = iif(${isRecent}, generation, excluded.generation)
        RETURNING generation, seen`)
      .raw();
    this.#setReason = db.prepare('UPDATE jobs SET reason = ? WHERE id = ?');
  }

  /** Null while there are not too many. `isOneMore`: this version runs beside those that were counted before. */
  meet(scopeId: number, key: string, isOneMore: boolean, nowMs: number): Hold | null {
    const what = ledgerHash(`versions of ${key}`);
    const row = this.#meet.get(scopeId, what, nowMs, isOneMore ? 1 : 0);
    if (row === undefined) throw new Error('a counter was not stored');
    const [sinceMs, seen] = row;
    if (seen <= VERSIONS_AN_HOUR) return null;
    return { untilMs: sinceMs + HOUR_MS, isNew: isOneMore && seen === VERSIONS_AN_HOUR + 1 };
  }

  /** Says why the job of such a version waits. */
  hold(jobId: number, { untilMs, isNew }: Hold, nowMs: number): void {
    const why = `loop: more than ${VERSIONS_AN_HOUR} new versions of its key within an hour`;
    this.#setReason.run(why, jobId);
    if (isNew)
      this.#core.events.add(jobId, nowMs, 'held', `${why}; not before ${new Date(untilMs).toISOString()}`);
  }
}
