import type { Statement } from 'better-sqlite3';
import { PLACES, type Place, placeFromCode, rankOf } from '../../job/job.js';
import type { AdmissionBatch, AdmissionRecord } from '../intake-contract.js';
import type { Core } from './core.js';
import { Payloads } from './payload.js';
import { PLANNED } from './plan.js';

/** A job that a ledger row points at, as far as admission must know it. */
export interface KnownJob {
  readonly id: number;
  readonly queueId: number;
  readonly place: Place;
  readonly group: string | null;
  /** How often it was tried so far. */
  readonly attempt: number;
  readonly runAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly planned: number | null;
  /** The job behind which it was parked when it was opened; that one may have ended since. */
  readonly afterJob: number | null;
  readonly versionHash: Buffer;
  /** Id of the poll that opened it or changed it last. */
  readonly cycle: string;
}

/** What was written in this transaction. */
export interface JobPut {
  readonly id: number;
  readonly record: AdmissionRecord;
  isReplaced: boolean;
}

type KnownJobRow = Omit<KnownJob, 'place'> & { readonly place: number };

/** Opens jobs and replaces the content of pending ones, each with its place and permit. */
export class JobDoor {
  readonly #core: Core;
  readonly #find: Statement<[number], KnownJobRow>;
  readonly #placeOf: Statement<[number], number>;
  readonly #lastId: Statement<[], number>;
  readonly #saveLastId: Statement<[number]>;
  readonly #insert: Statement<unknown[]>;
  readonly #replace: Statement<unknown[]>;
  readonly #endUnseen: Statement<[number, number]>;
  readonly #outdate: Statement<[number]>;
  readonly #payloads: Payloads;
  #nextId: number | null = null;
  #puts: JobPut[] = [];

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    this.#payloads = new Payloads(db);
    this.#find = db.prepare(`
      SELECT id, queue_id AS queueId, place, group_name AS "group", attempt, after_job AS afterJob,
        version_hash AS versionHash, cycle, run_at AS runAtMs, started_at AS startedAtMs, ended_at AS endedAtMs, planned
      FROM jobs WHERE id = ?`);
    this.#placeOf = db.prepare<[number], number>('SELECT place FROM jobs WHERE id = ?').pluck();
    this.#lastId = db.prepare<[], number>('SELECT last_job_id FROM meta').pluck();
    this.#saveLastId = db.prepare('UPDATE meta SET last_job_id = ?');
    this.#insert = db.prepare(`
      INSERT INTO jobs (
        id, queue_id, scope_id, place, rank, priority, run_at, expires_at, group_name,
        max_attempts, timeout_ms, after_job, created_at, key, version_hash, version_order, cycle,
        payload_hash, payload, planned
      ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#replace = db.prepare(`
      UPDATE jobs SET
        queue_id = ?, place = ?, rank = ?, priority = ?, run_at = ?, expires_at = ?, group_name = ?,
        max_attempts = ?, timeout_ms = ?, version_hash = ?, version_order = ?, cycle = ?,
        payload_hash = ?, payload = ?, planned = ?, charged = 0, crashes = 0, reason = NULL, retry_clock = NULL
      WHERE id = ?`);
    this.#endUnseen = db.prepare(`
      UPDATE jobs SET ended_at = ?, reason = 'its end had passed when it was first seen' WHERE id = ?`);
    this.#outdate = db.prepare('UPDATE jobs SET outdated = 1 WHERE id = ?');
  }

  /** In the order in which they were written. */
  get puts(): readonly JobPut[] {
    return this.#puts;
  }

  find(id: number): KnownJob | undefined {
    const row = this.#find.get(id);
    return row && { ...row, place: placeFromCode(row.place) };
  }

  /** `former`: the job of an older version of the same record. While one runs, the new job waits behind it. */
  open(
    scopeId: number,
    record: AdmissionRecord,
    batch: AdmissionBatch,
    former: KnownJob | undefined | null,
  ): Pick<KnownJob, 'id' | 'place'> {
    const { names, permits } = this.#core;
    const queueId = names.queue(batch.scope.workspace, record.task).id;
    const afterJob = former ? this.#stillRunning(former) : null;
    // Not the record spread out: this is done for each of 100,000 records.
    const seeker = { queueId, group: record.group, runAtMs: record.runAtMs };
    const place = afterJob === null ? permits.seat(seeker, batch.nowMs) : 'parked';
    const job = this.#add(scopeId, record, batch, { queueId, place, afterJob });
    this.#puts.push({ id: job.id, record, isReplaced: false });
    if (former) this.#outdate.run(former.id);
    return job;
  }

  /** Opens a job whose end has passed: it never stands in the line. */
  openExpired(
    scopeId: number,
    record: AdmissionRecord,
    batch: AdmissionBatch,
  ): Pick<KnownJob, 'id' | 'place'> {
    const queueId = this.#core.names.queue(batch.scope.workspace, record.task).id;
    const job = this.#add(scopeId, record, batch, { queueId, place: 'expired', afterJob: null });
    this.#endUnseen.run(batch.nowMs, job.id);
    return job;
  }

  #add(
    scopeId: number,
    record: AdmissionRecord,
    batch: AdmissionBatch,
    { queueId, place, afterJob }: { queueId: number; place: Place; afterJob: number | null },
  ): Pick<KnownJob, 'id' | 'place'> {
    const id = this.nextId();
    this.#nextId = id + 1;
    this.#insert.run(
      id,
      queueId,
      scopeId,
      PLACES[place],
      rankOf(record.runAtMs, record.priority),
      record.priority,
      record.runAtMs,
      record.expiresAtMs,
      record.group,
      record.maxAttempts,
      record.timeoutMs,
      afterJob,
      batch.nowMs,
      record.key,
      record.version.hash,
      record.version.order,
      batch.cycle,
      record.payload.hash,
      this.#payloads.put(id, record.payload.bytes),
      plannedCode(record),
    );
    this.#core.tally.move(queueId, null, place);
    return { id, place };
  }

  /**
   * A pending job takes over a newer version: one row, its number of attempts so far, and a fresh budget. `isQuiet`: without
   * a mark in its history, which a record that changes all the time would fill.
   */
  replace(
    job: KnownJob,
    record: AdmissionRecord,
    batch: AdmissionBatch,
    isQuiet: boolean,
  ): Pick<KnownJob, 'id' | 'place'> {
    const { names, permits, tally, events } = this.#core;
    const queue = names.queue(batch.scope.workspace, record.task);
    const place = this.#placeAfterReplace(job, queue.id, record, batch.nowMs);
    this.#replace.run(
      queue.id,
      PLACES[place],
      rankOf(record.runAtMs, record.priority),
      record.priority,
      record.runAtMs,
      record.expiresAtMs,
      record.group,
      record.maxAttempts,
      record.timeoutMs,
      record.version.hash,
      record.version.order,
      batch.cycle,
      record.payload.hash,
      this.#payloads.replace(job.id, record.payload.bytes),
      plannedCode(record),
      job.id,
    );
    const former = job.cycle === batch.cycle ? this.#puts.findLast(({ id }) => id === job.id) : undefined;
    if (former !== undefined) former.isReplaced = true;
    this.#puts.push({ id: job.id, record, isReplaced: false });
    tally.move(job.queueId, job.place, null);
    tally.move(queue.id, null, place);
    if (job.place === 'ready' && !(place === 'ready' && samePermit(job, queue.id, record))) {
      permits.release(job.queueId, job.group);
    }
    if (isQuiet) return { id: job.id, place };
    const versions = `version ${shortHex(job.versionHash)} gave way to ${shortHex(record.version.hash)}`;
    events.add(job.id, batch.nowMs, 'superseded', `${versions}, found by ${batch.cycle}`);
    return { id: job.id, place };
  }

  /** Begins a transaction: ids that a rolled back one took are free again. */
  begin(): void {
    this.#puts = [];
    this.#nextId = null;
  }

  /** The id that the next job to be opened will have. */
  nextId(): number {
    this.#nextId ??= (this.#lastId.get() ?? 0) + 1;
    return this.#nextId;
  }

  /** Must be called before the commit of a transaction in which jobs were opened. Ids are never given twice, also after pruning. */
  close(): void {
    if (this.#nextId !== null) this.#saveLastId.run(this.#nextId - 1);
  }

  #placeAfterReplace(job: KnownJob, queueId: number, record: AdmissionRecord, nowMs: number): Place {
    if (job.afterJob !== null && job.place === 'parked') return 'parked';
    const keepsPermit = job.place === 'ready' && samePermit(job, queueId, record);
    if (keepsPermit && record.runAtMs <= nowMs) return 'ready';
    return this.#core.permits.seat({ queueId, ...record }, nowMs);
  }

  /** Which job of the same record runs now, if any: the former one, or the one that a cancelled one waited for. */
  #stillRunning(former: KnownJob): number | null {
    if (former.place === 'running') return former.id;
    if (former.afterJob === null) return null;
    return this.#placeOf.get(former.afterJob) === PLACES.running ? former.afterJob : null;
  }
}

function plannedCode({ onChange }: AdmissionRecord): number | null {
  return onChange === 'replan' ? PLANNED : null;
}

function samePermit(job: KnownJob, queueId: number, record: AdmissionRecord): boolean {
  return job.queueId === queueId && job.group === record.group;
}

function shortHex(hash: Buffer): string {
  return hash.toString('hex', 0, 4);
}
