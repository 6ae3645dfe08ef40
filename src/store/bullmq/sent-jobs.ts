import type { Statement } from 'better-sqlite3';
import { isTerminal, PLACES, type Place, placeFromCode, stateOfPlace } from '../../job/job.js';
import type { Core } from '../sqlite/core.js';
import { payloadOf } from '../sqlite/payload.js';
import type { ClaimBody } from './lease.js';

/** SHA-256. */
const HASH_BYTES = 32;

/** Where a job of ours is counted. */
export interface Counted {
  readonly queueId: number;
  readonly scopeId: number;
  /** 1: a newer version of its record is counted in its stead. */
  readonly outdated: number;
}

/** A job of ours that has been sent, by its row. */
export interface SentJob extends Counted {
  readonly jobId: number;
  readonly place: Place;
  readonly group: string | null;
  readonly epoch: number;
  readonly attempt: number;
  readonly crashes: number;
  readonly runAtMs: number;
  readonly startedAtMs: number | null;
  /** 1: it is to be cancelled, or a newer version of its record waits for its end. */
  readonly isUnwanted: number;
}

/** With all that a claim says of it. */
export interface WholeJob extends SentJob, ClaimBody {
  readonly group: string | null;
  readonly runAtMs: number;
}

const SENT_COLUMNS = `
  j.id, j.queue_id, j.scope_id, j.outdated, j.place, j.group_name, j.epoch, j.attempt, j.crashes, j.run_at, j.started_at,
  j.cancel_requested = 1 OR EXISTS (
    SELECT 1 FROM jobs s INDEXED BY jobs_successors WHERE s.place = ${PLACES.parked} AND s.after_job = j.id
  )`;

/** Arrays: half the price of objects. Payload and hash come as one, as two blobs cost twice as much. */
type SentRow = readonly [
  jobId: number,
  queueId: number,
  scopeId: number,
  outdated: number,
  place: number,
  group: string | null,
  epoch: number,
  attempt: number,
  crashes: number,
  runAtMs: number,
  startedAtMs: number | null,
  isUnwanted: number,
];
type WholeRow = readonly [
  ...SentRow,
  key: string,
  cycle: string,
  charged: number,
  maxAttempts: number,
  timeoutMs: number | null,
  priority: number,
  expiresAtMs: number | null,
  snapshot: Buffer,
];

/** Jobs of ours by their names in Redis; null for one that has ended, or was never ours. */
export class SentJobs {
  readonly #names: Core['names'];
  readonly #sent: Statement<[string], SentRow>;
  readonly #whole: Statement<[string], WholeRow>;

  constructor({ db, names }: Pick<Core, 'db' | 'names'>) {
    this.#names = names;
    const from = 'FROM outbox o CROSS JOIN jobs j ON j.id = o.job_id WHERE o.redis_id = ?';
    this.#sent = db.prepare<[string], SentRow>(`SELECT ${SENT_COLUMNS} ${from}`).raw();
    this.#whole = db
      .prepare<[string], WholeRow>(`
        SELECT ${SENT_COLUMNS}, j.key, j.cycle, j.charged, j.max_attempts, j.timeout_ms, j.priority, j.expires_at,
          CAST(j.payload_hash || ${payloadOf('j')} AS BLOB)
        ${from}`)
      .raw();
  }

  find(redisId: string): SentJob | null {
    const row = this.#sent.get(redisId);
    return row === undefined ? null : sentJob(row);
  }

  findWhole(redisId: string): WholeJob | null {
    const row = this.#whole.get(redisId);
    if (row === undefined) return null;
    const [jobId, queueId, scopeId, outdated, place, group, epoch, attempt, crashes, runAtMs, startedAtMs] =
      row;
    const [, , , , , , , , , , , isUnwanted, key, cycle, charged, maxAttempts, timeoutMs, priority] = row;
    const [, , , , , , , , , , , , , , , , , , expiresAtMs, snapshot] = row;
    const { workspace, task } = this.#names.queueById(queueId);
    // One literal: an object that is spread into another costs nine kilobytes.
    return {
      jobId,
      queueId,
      scopeId,
      outdated,
      place: placeFromCode(place),
      group,
      epoch,
      attempt,
      crashes,
      runAtMs,
      startedAtMs,
      isUnwanted,
      workspace,
      task,
      source: this.#names.sourceOf(scopeId),
      key,
      cycle,
      charged,
      maxAttempts,
      timeoutMs,
      priority,
      expiresAtMs,
      payload: { hash: snapshot.subarray(0, HASH_BYTES), bytes: snapshot.subarray(HASH_BYTES) },
    };
  }
}

function sentJob(row: SentRow): SentJob {
  const [jobId, queueId, scopeId, outdated, place, group, epoch, attempt, crashes, runAtMs] = row;
  const [, , , , , , , , , , startedAtMs, isUnwanted] = row;
  return {
    jobId,
    queueId,
    scopeId,
    outdated,
    place: placeFromCode(place),
    group,
    epoch,
    attempt,
    crashes,
    runAtMs,
    startedAtMs,
    isUnwanted,
  };
}

/** Nobody waits for it any more, whatever Redis says. */
export function hasEnded({ place }: Pick<SentJob, 'place'>): boolean {
  return isTerminal(stateOfPlace(place));
}
