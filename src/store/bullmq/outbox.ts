import type { Database, Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import type { Core } from '../sqlite/core.js';
import { payloadOf } from '../sqlite/payload.js';
import { type Parcel, parcelId } from './parcel.js';

const { ready, running, scheduled } = PLACES;

/** Where a job stands between here and Redis. The numbers are stored: never renumber them. */
export const SEND_STATES = { waiting: 0, unsure: 1, sent: 2, ours: 3, refused: 4, presumed: 5 } as const;
const { waiting, unsure, sent, ours, refused, presumed } = SEND_STATES;

/**
 * Keeps the outbox in step with the places of jobs, in the transaction that moves them, whichever verb does it. They belong
 * to this connection alone: where the store is SQLite, nobody pays for them.
 */
const TRIGGERS = `
  CREATE TEMP TRIGGER IF NOT EXISTS outbox_new AFTER INSERT ON jobs WHEN NEW.place = ${ready}
  BEGIN
    INSERT INTO outbox (job_id, rank) VALUES (NEW.id, NEW.rank);
  END;

  -- Nearly all that run come to this: a trigger of its own costs a third.
  CREATE TEMP TRIGGER IF NOT EXISTS outbox_ended AFTER UPDATE OF place ON jobs
  WHEN OLD.place = ${running} AND NEW.place > ${running}
  BEGIN
    DELETE FROM outbox WHERE job_id = NEW.id;
  END;

  CREATE TEMP TRIGGER IF NOT EXISTS outbox_moved AFTER UPDATE OF place ON jobs
  WHEN NEW.place <> OLD.place AND NOT (OLD.place = ${ready} AND NEW.place = ${running})
    AND NOT (OLD.place = ${running} AND NEW.place > ${running})
  BEGIN
    SELECT RAISE (ABORT, 'a job that Redis may hold has to be called back first')
    WHERE OLD.place = ${ready} AND (NEW.place > ${running} OR NEW.place = ${scheduled})
      AND EXISTS (SELECT 1 FROM outbox WHERE job_id = NEW.id AND state IN (${unsure}, ${sent}, ${ours}));
    DELETE FROM outbox
    WHERE job_id = NEW.id AND (OLD.place = ${running} OR (NEW.place <> ${running} AND state IN (${waiting}, ${refused})));
    INSERT INTO outbox (job_id, rank) SELECT NEW.id, NEW.rank WHERE NEW.place = ${ready}
    ON CONFLICT DO NOTHING;
  END;

  CREATE TEMP TRIGGER IF NOT EXISTS outbox_changed AFTER UPDATE OF payload_hash ON jobs WHEN NEW.place = ${ready} AND OLD.place = ${ready}
  BEGIN
    SELECT RAISE (ABORT, 'a job that Redis may hold has to be called back first')
    FROM outbox WHERE job_id = NEW.id AND state IN (${unsure}, ${sent}, ${ours});
    UPDATE outbox SET rank = NEW.rank, state = ${waiting} WHERE job_id = NEW.id;
  END;
`;

interface ParcelRow extends Omit<Parcel, 'id' | 'origin' | 'site' | 'source' | 'isShared' | 'payload'> {
  readonly jobId: number;
  readonly scopeKind: number;
  readonly scopeName: string;
  readonly version: Buffer;
  readonly redrives: number;
  readonly payload: Buffer;
  readonly payloadHash: Buffer;
}

/** A beat must not count a million rows. */
const MOST_COUNTED = 100_000;

/** States in which Redis should hold a job. */
export type HeldState = 'unsure' | 'sent' | 'presumed';

export interface TaskLine {
  readonly workspace: string;
  readonly task: string;
  /** 1: it is not paused here. */
  readonly isOpen: number;
}

/** A parcel and the row that it is of. */
export interface Sending {
  readonly jobId: number;
  readonly parcel: Parcel;
}

/** A job that Redis may hold, as far as it takes to find it there. */
export interface Held {
  readonly jobId: number;
  readonly redisId: string;
  readonly workspace: string;
  readonly task: string;
  readonly group: string | null;
}

export interface OutboxCounts {
  /** Not yet in Redis, or not known to be. */
  readonly waiting: number;
  /** At another machine, or on the way there and back. */
  readonly elsewhere: number;
}

const HELD_COLUMNS = `
  o.job_id AS jobId, o.redis_id AS redisId, q.workspace, q.task, j.group_name AS "group"
  FROM outbox o
  CROSS JOIN jobs j ON j.id = o.job_id
  CROSS JOIN queues q ON q.id = j.queue_id`;

/** The rows of the outbox. Everything runs inside a transaction of the caller's. */
export class Outbox {
  readonly #db: Database;
  readonly #next: Statement<[number, number], ParcelRow>;
  readonly #page: Statement<[number, number, number], Held>;
  readonly #byJob: Statement<[number], Held>;
  readonly #setState: Statement<[number, string | null, number]>;
  readonly #restate: Statement<[number, number]>;
  readonly #restateAll: Statement<[number, number]>;
  readonly #count: Statement<[number], number>;
  readonly #elsewhere: Statement<[], number>;
  readonly #busy: Statement<[], number>;
  readonly #lines: Statement<[], TaskLine>;
  readonly #waiting: Statement<[], number>;
  readonly #successors: Statement<[], number>;
  readonly #sync: Statement<[]>;
  readonly #late: Statement<[number], number>;

  constructor({ db }: Core) {
    this.#db = db;
    this.#next = db.prepare(`
      SELECT o.job_id AS jobId, q.workspace, q.task, s.kind AS scopeKind, s.name AS scopeName, j.key,
        j.version_hash AS version, j.cycle, j.attempt, j.redrives, j.charged, j.crashes, j.max_attempts AS maxAttempts,
        j.timeout_ms AS timeoutMs, j.priority, j.group_name AS "group", t.group_limit AS groupLimit,
        j.run_at AS runAtMs, j.expires_at AS expiresAtMs, j.rank, ${payloadOf('j')} AS payload,
        j.payload_hash AS payloadHash
      FROM outbox o INDEXED BY outbox_by_state
      CROSS JOIN jobs j ON j.id = o.job_id
      CROSS JOIN queues q ON q.id = j.queue_id
      CROSS JOIN scopes s ON s.id = j.scope_id
      LEFT JOIN tasks t ON t.task = q.task
      WHERE o.state = ? AND j.place = ${ready}
      ORDER BY o.rank, o.job_id
      LIMIT ? + 0`);
    this.#page = db.prepare(`
      SELECT ${HELD_COLUMNS}
      WHERE o.state = ? AND o.job_id > ?
      ORDER BY o.job_id
      LIMIT ? + 0`);
    this.#byJob = db.prepare(`
      SELECT ${HELD_COLUMNS}
      WHERE o.job_id = ? AND o.state IN (${unsure}, ${sent}) AND j.place = ${ready}`);
    this.#setState = db.prepare('UPDATE outbox SET state = ?, redis_id = ? WHERE job_id = ?');
    this.#restate = db.prepare('UPDATE outbox SET state = ? WHERE job_id = ?');
    this.#restateAll = db.prepare('UPDATE outbox SET state = ? WHERE state = ?');
    this.#count = db
      .prepare<[number], number>(`
        SELECT count(*) FROM (SELECT 1 FROM outbox INDEXED BY outbox_by_state WHERE state = ? LIMIT ${MOST_COUNTED})`)
      .pluck();
    this.#elsewhere = db
      .prepare<[], number>(`
        SELECT count(*) FROM jobs INDEXED BY jobs_running WHERE place = ${running} AND epoch = 0`)
      .pluck();
    this.#busy = db
      .prepare<[], number>(`
        SELECT 1 FROM outbox WHERE state IN (${waiting}, ${unsure}, ${refused}, ${presumed})
        UNION ALL
        SELECT 1 FROM jobs INDEXED BY jobs_running WHERE place = ${running} AND epoch = 0
        LIMIT 1`)
      .pluck();
    this.#lines = db.prepare(`
      SELECT workspace, task, paused = 0 AND (SELECT paused FROM meta) = 0 AS isOpen FROM queues`);
    this.#waiting = db
      .prepare<[], number>(`SELECT 1 FROM outbox INDEXED BY outbox_by_state WHERE state = ${waiting} LIMIT 1`)
      .pluck();
    this.#successors = db
      .prepare<[], number>(`
        SELECT 1 FROM jobs INDEXED BY jobs_successors
        WHERE place = ${PLACES.parked} AND after_job IS NOT NULL
        LIMIT 1`)
      .pluck();
    // From before the store was Redis, and what a connection without our triggers has admitted.
    this.#sync = db.prepare(`
      INSERT INTO outbox (job_id, rank)
      SELECT id, rank FROM jobs INDEXED BY jobs_ready
      WHERE place = ${ready} AND NOT EXISTS (SELECT 1 FROM outbox WHERE job_id = jobs.id)`);
    this.#late = db
      .prepare<[number], number>(`
        SELECT j.id FROM jobs j INDEXED BY jobs_expiring
        CROSS JOIN outbox o ON o.job_id = j.id AND o.state IN (${unsure}, ${sent})
        WHERE j.place <= ${PLACES.parked} AND j.place = ${ready} AND j.expires_at <= ?
        ORDER BY j.expires_at
        LIMIT 500`)
      .pluck();
  }

  static watch(db: Database): void {
    db.exec(TRIGGERS);
  }

  static unwatch(db: Database): void {
    for (const name of ['new', 'ended', 'moved', 'changed'])
      db.exec(`DROP TRIGGER IF EXISTS temp.outbox_${name}`);
  }

  sync(): void {
    this.#sync.run();
  }

  /** The best of those that wait to be sent. `isShared`: whether a source is one that several machines see. */
  next(
    state: 'waiting' | 'refused',
    limit: number,
    from: { readonly origin: string; readonly site: string; readonly isShared: (source: string) => boolean },
  ): Sending[] {
    return this.#next.all(SEND_STATES[state], limit).map((row) => {
      const { jobId, scopeKind, scopeName, version, redrives, payload, payloadHash, ...rest } = row;
      const source = scopeKind === 0 ? scopeName : null;
      const isShared = source !== null && from.isShared(source);
      const site = isShared ? null : from.site;
      const scope = `${scopeKind === 0 ? 'source' : 'task'}:${scopeName}`;
      const generation = `${redrives}.${row.attempt}`;
      const { workspace, key } = row;
      const id = parcelId({ workspace, site, scope, key, version, generation });
      const snapshot = { bytes: payload, hash: payloadHash };
      return {
        jobId,
        parcel: { ...rest, id, origin: from.origin, site: from.site, source, isShared, payload: snapshot },
      };
    });
  }

  /** Written down before they are sent: whatever happens then, it is known that Redis may hold them. */
  beginSending(sendings: readonly Sending[]): void {
    for (const { jobId, parcel } of sendings) this.#setState.run(unsure, parcel.id, jobId);
  }

  restate(jobIds: Iterable<number>, state: keyof typeof SEND_STATES): void {
    for (const jobId of jobIds) this.#restate.run(SEND_STATES[state], jobId);
  }

  /** What was refused for want of a permit is tried again. */
  retryRefused(): void {
    this.#restateAll.run(waiting, refused);
  }

  page(state: HeldState, afterJobId: number, limit: number): readonly Held[] {
    return this.#page.all(SEND_STATES[state], afterJobId, limit);
  }

  /** null: Redis does not hold it, or it runs. */
  held(jobId: number): Held | null {
    return this.#byJob.get(jobId) ?? null;
  }

  /** Those whose end has passed while Redis held them. */
  tooLate(nowMs: number): readonly number[] {
    return this.#late.all(nowMs);
  }

  counts(): OutboxCounts {
    const of = (state: number) => this.#count.get(state) ?? 0;
    return { waiting: of(waiting) + of(unsure) + of(refused), elsewhere: this.#elsewhere.get() ?? 0 };
  }

  /** Every task that this machine has ever had a job of. */
  lines(): readonly TaskLine[] {
    return this.#lines.all();
  }

  /** Whether any waits to be sent. */
  isWaiting(): boolean {
    return this.#waiting.get() !== undefined;
  }

  /** Whether a job waits for the end of an older version of its record. */
  hasSuccessors(): boolean {
    return this.#successors.get() !== undefined;
  }

  /** Whether a job of ours is neither here nor ended. */
  isBusy(): boolean {
    return this.#busy.get() !== undefined;
  }

  /** Groups that are full at other machines. */
  refusedGroups(): readonly Pick<Held, 'workspace' | 'task' | 'group'>[] {
    return this.#db
      .prepare<[], Held>(`
        SELECT DISTINCT q.workspace, q.task, j.group_name AS "group"
        FROM outbox o
        CROSS JOIN jobs j ON j.id = o.job_id
        CROSS JOIN queues q ON q.id = j.queue_id
        WHERE o.state = ${refused}
        LIMIT 500`)
      .all();
  }
}
