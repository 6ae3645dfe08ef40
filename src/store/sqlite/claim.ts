import type { Statement } from 'better-sqlite3';
import { ALONE_FROM_CRASHES, PLACES, placeFromCode } from '../../job/job.js';
import { failpoint } from '../../platform/failpoint.js';
import type { Claim, EligibleTask, Turn, TurnResult } from '../contract.js';
import type { Breakers } from './breakers.js';
import type { Core } from './core.js';
import type { Ending } from './end.js';
import { byRank, type InLine, Lines } from './line.js';
import { payloadOf } from './payload.js';
import { Retries, WAITING_COLUMNS, type WaitingJob } from './retries.js';

/** Most jobs that one turn promotes, and most that it expires: keeps a turn short when a million become due at once. */
const BATCH = 500;

/** SHA-256. */
const HASH_BYTES = 32;

interface RunnableQueue {
  readonly id: number;
  readonly task: string;
}

interface Candidate extends InLine {
  readonly task: string;
}

interface LateJob extends WaitingJob {
  readonly scopeId: number;
  readonly outdated: number;
}

/**
 * The columns of a claim, in this order, read as an array: half the price of an object. Two blobs cost twice as much
 * as one, so payload and hash come as one and are cut apart.
 */
const CLAIM_COLUMNS = `
  queue_id, scope_id, key, cycle, attempt + 1, charged, crashes, max_attempts, timeout_ms, priority, group_name,
  run_at, expires_at, outdated, CAST(payload_hash || ${payloadOf('jobs')} AS BLOB)`;

type ClaimRow = readonly [
  queueId: number,
  scopeId: number,
  key: string,
  cycle: string,
  attempt: number,
  charged: number,
  crashes: number,
  maxAttempts: number,
  timeoutMs: number | null,
  priority: number,
  group: string | null,
  runAtMs: number,
  expiresAtMs: number | null,
  outdated: number,
  snapshot: Buffer,
];

/** What a turn takes from the line. */
type Taken = Pick<TurnResult, 'claims' | 'alone'>;

const NOTHING: Taken = { claims: [], alone: null };

/** One loop turn of the dispatcher: ends, promotions, expiries and claims. */
export class Dispatch {
  readonly #core: Core;
  readonly #ending: Ending;
  readonly #breakers: Breakers;
  readonly #epoch: Statement<[], number>;
  readonly #pausedAll: Statement<[], number>;
  readonly #queues: Statement<[], RunnableQueue>;
  readonly #lines: Lines;
  readonly #retries: Retries;
  readonly #nextDue: Statement<[], number>;
  readonly #nextExpiry: Statement<[], number>;
  readonly #due: Statement<[number, number], WaitingJob>;
  readonly #tooLate: Statement<[number, number], LateJob>;
  readonly #place: Statement<[number, number]>;
  readonly #expire: Statement<[number, number]>;
  readonly #read: Statement<[number], ClaimRow>;
  readonly #take: Statement<[number, number, number, number, number]>;
  readonly #cancelling: Statement<[number], number>;
  readonly #anyRunning: Statement<[number], number>;

  constructor(core: Core, ending: Ending, breakers: Breakers) {
    const { db } = core;
    this.#core = core;
    this.#ending = ending;
    this.#breakers = breakers;
    this.#lines = new Lines(db);
    this.#retries = new Retries(db);
    this.#epoch = db.prepare<[], number>('SELECT epoch FROM meta').pluck();
    this.#pausedAll = db.prepare<[], number>('SELECT paused FROM meta').pluck();
    this.#queues = db.prepare('SELECT id, task FROM queues WHERE paused = 0');
    this.#nextDue = db
      .prepare<[], number>(`
        SELECT run_at FROM jobs INDEXED BY jobs_waiting
        WHERE place = ${PLACES.scheduled} AND place <= ${PLACES.parked}
        ORDER BY run_at
        LIMIT 1`)
      .pluck();
    // `? + 0`: see `Lines`.
    this.#due = db.prepare(`
      SELECT ${WAITING_COLUMNS} FROM jobs INDEXED BY jobs_waiting
      WHERE place = ${PLACES.scheduled} AND place <= ${PLACES.parked} AND run_at <= ?
      ORDER BY run_at
      LIMIT ? + 0`);
    this.#nextExpiry = db
      .prepare<[], number>(`
        SELECT expires_at FROM jobs INDEXED BY jobs_expiring
        WHERE place <= ${PLACES.parked} AND expires_at IS NOT NULL
        ORDER BY expires_at
        LIMIT 1`)
      .pluck();
    this.#tooLate = db.prepare(`
      SELECT ${WAITING_COLUMNS}, scope_id AS scopeId, outdated FROM jobs INDEXED BY jobs_expiring
      WHERE place <= ${PLACES.parked} AND expires_at <= ?
      ORDER BY expires_at
      LIMIT ? + 0`);
    this.#place = db.prepare('UPDATE jobs SET place = ? WHERE id = ?');
    this.#expire = db.prepare(`
      UPDATE jobs SET place = ${PLACES.expired}, ended_at = ?, reason = 'its end passed before it could start'
      WHERE id = ?`);
    // Two statements: an UPDATE with RETURNING takes half as long again. The row is the record of the attempt until it ends.
    this.#read = db.prepare<[number], ClaimRow>(`SELECT ${CLAIM_COLUMNS} FROM jobs WHERE id = ?`).raw();
    this.#take = db.prepare(`
      UPDATE jobs SET
        place = ${PLACES.running}, attempt = ?, epoch = ?, started_at = ?, late_by = ?, exit_code = NULL, reason = NULL
      WHERE id = ?`);
    // That index is nearly always empty.
    this.#cancelling = db
      .prepare<[number], number>(`
        SELECT id FROM jobs INDEXED BY jobs_cancelling
        WHERE place = ${PLACES.running} AND cancel_requested = 1 AND epoch = ?`)
      .pluck();
    this.#anyRunning = db
      .prepare<[number], number>(`
        SELECT 1 FROM jobs INDEXED BY jobs_running
        WHERE place = ${PLACES.running} AND epoch = ?
        LIMIT 1`)
      .pluck();
  }

  /** What a turn without ends would answer if nothing is to be written, or null: an idle worker must not take the write lock. */
  idle(turn: Turn, epoch: number, clockMovedMs: number): TurnResult | null {
    if (this.#epoch.get() !== epoch || this.#retries.isBehind(clockMovedMs)) return null;
    const nextDueAtMs = this.#nextDueAtMs(turn, clockMovedMs);
    if (nextDueAtMs !== null && nextDueAtMs <= turn.nowMs) return null;
    const nextExpiryMs = turn.holdsTimes === true ? null : (this.#nextExpiry.get() ?? null);
    if (nextExpiryMs !== null && nextExpiryMs <= turn.nowMs) return null;
    if (this.#candidates({ ...turn, freeSlots: Math.min(turn.freeSlots, 1) }).length > 0) return null;
    return { ends: [], ...NOTHING, nextDueAtMs, cancelRequests: this.#cancelRequests(epoch) };
  }

  /**
   * Runs inside a transaction. A fenced worker's ends are lost, and it gets nothing. `clockMovedMs`: how far the clock by
   * which the turn was made had moved; it says what the retries among its ends are to be held against.
   */
  turn(turn: Turn, epoch: number, clockMovedMs: number): TurnResult {
    if (this.#epoch.get() !== epoch) {
      return { ends: turn.ends.map(() => 'lost'), ...NOTHING, nextDueAtMs: null, cancelRequests: [] };
    }
    const ends = turn.ends.map((end) => this.#ending.record(end, turn.nowMs, clockMovedMs));
    for (const move of turn.breakers ?? []) this.#breakers.move(move, turn.nowMs);
    const expired = turn.holdsTimes === true ? 0 : this.#expireLate(turn.nowMs);
    // Whose time was set by an older clock may look due: nothing becomes so before all are by this one.
    const isBehind = this.#retries.isBehind(clockMovedMs);
    const hasCaughtUp = !isBehind || this.#retries.catchUp(clockMovedMs, turn.nowMs, BATCH);
    if (hasCaughtUp) this.#promoteDue(turn, clockMovedMs);
    // More are too late than one turn expires: none of those may be claimed, so claims wait for the next turn.
    const taken = expired === BATCH ? NOTHING : this.#claim(turn, epoch);
    const isDone = expired < BATCH && hasCaughtUp;
    const nextDueAtMs = isDone ? this.#nextDueAtMs(turn, clockMovedMs) : turn.nowMs;
    const result = { ends, ...taken, nextDueAtMs, cancelRequests: this.#cancelRequests(epoch) };
    failpoint('turn.before-commit');
    return result;
  }

  #expireLate(nowMs: number): number {
    const { tally, recordTally, permits } = this.#core;
    const jobs = this.#tooLate.all(nowMs, BATCH);
    // Those that hold permits come last: a permit must not go to a parked job that is about to expire too.
    const byPermit = [...jobs.filter((job) => !holdsPermit(job)), ...jobs.filter(holdsPermit)];
    for (const job of byPermit) {
      this.#expire.run(nowMs, job.id);
      tally.move(job.queueId, placeFromCode(job.place), 'expired');
      if (job.outdated === 0) recordTally.move(job.scopeId, 'pending', 'expired');
      if (holdsPermit(job)) permits.release(job.queueId, job.group);
    }
    return jobs.length;
  }

  #promoteDue({ nowMs, holdsTimes }: Turn, clockMovedMs: number): void {
    const { tally, permits } = this.#core;
    const due = holdsTimes ? this.#retries.due(clockMovedMs, nowMs, BATCH) : this.#due.all(nowMs, BATCH);
    for (const job of due) {
      const place = permits.seat(job, nowMs);
      this.#place.run(PLACES[place], job.id);
      tally.move(job.queueId, 'scheduled', place);
    }
  }

  #nextDueAtMs({ holdsTimes }: Turn, clockMovedMs: number): number | null {
    return holdsTimes ? this.#retries.nextDueAtMs(clockMovedMs) : (this.#nextDue.get() ?? null);
  }

  #claim(turn: Turn, epoch: number): Taken {
    const claims: Claim[] = [];
    for (const { id } of this.#candidates(turn)) {
      const row = this.#read.get(id);
      if (row === undefined) throw new Error(`job ${id} left the line inside the transaction`);
      if (mustRunAlone(row)) {
        // Whoever stands behind it waits too: otherwise a busy worker would never have a moment for it.
        const isAlone = claims.length === 0 && this.#anyRunning.get(epoch) === undefined;
        return { claims: isAlone ? [this.#takeJob(id, row, turn, epoch)] : claims, alone: String(id) };
      }
      claims.push(this.#takeJob(id, row, turn, epoch));
    }
    return { claims, alone: null };
  }

  #takeJob(id: number, row: ClaimRow, { nowMs }: Turn, epoch: number): Claim {
    const { tally, recordTally, names } = this.#core;
    const [queueId, scopeId, key, cycle, attempt, charged, crashes, maxAttempts, timeoutMs, priority] = row;
    const [, , , , , , , , , , group, runAtMs, expiresAtMs, outdated, snapshot] = row;
    const lateByMs = Math.max(0, nowMs - runAtMs);
    this.#take.run(attempt, epoch, nowMs, lateByMs, id);
    tally.move(queueId, 'ready', 'running');
    if (outdated === 0) recordTally.move(scopeId, 'pending', 'running');
    const { workspace, task } = names.queueById(queueId);
    return {
      id: String(id),
      workspace,
      task,
      source: names.sourceOf(scopeId),
      key,
      cycle,
      epoch,
      attempt,
      charged,
      crashes,
      maxAttempts,
      payload: { hash: snapshot.subarray(0, HASH_BYTES), bytes: snapshot.subarray(HASH_BYTES) },
      timeoutMs,
      priority,
      group,
      runAtMs,
      expiresAtMs,
      lateByMs,
    };
  }

  /** The best jobs that may run now: one seek per queue, merged by rank. Reads no more rows than slots per queue. */
  #candidates({ freeSlots, eligible }: Pick<Turn, 'freeSlots' | 'eligible'>): Candidate[] {
    const rooms = new Map(eligible.filter(({ room }) => room > 0).map(({ task, room }) => [task, room]));
    if (freeSlots <= 0 || rooms.size === 0 || this.#pausedAll.get() === 1) return [];
    const fronts: Candidate[] = [];
    let lines = 0;
    for (const { id: queueId, task } of this.#queues.all()) {
      const room = rooms.get(task) ?? 0;
      if (room === 0) continue;
      lines += 1;
      const front = this.#lines.front(queueId, Math.min(room, freeSlots));
      for (const { id, rank } of front) fronts.push({ id, rank, task });
    }
    if (lines > 1) fronts.sort(byRank);
    return takeWithinRoom(fronts, freeSlots, rooms, eligible);
  }

  #cancelRequests(epoch: number): string[] {
    return this.#cancelling.all(epoch).map(String);
  }
}

function takeWithinRoom(
  line: readonly Candidate[],
  freeSlots: number,
  rooms: Map<EligibleTask['task'], EligibleTask['room']>,
  eligible: readonly EligibleTask[],
): Candidate[] {
  const taken: Candidate[] = [];
  for (const candidate of line) {
    if (taken.length === freeSlots) break;
    const room = rooms.get(candidate.task) ?? 0;
    if (room === 0) continue;
    rooms.set(candidate.task, room - 1);
    taken.push(candidate);
    const trial = eligible.find(({ task }) => task === candidate.task)?.trialOf;
    if (trial === undefined) continue;
    // That was it, for all tasks that share this breaker.
    for (const { task, trialOf } of eligible) if (trialOf === trial) rooms.set(task, 0);
  }
  return taken;
}

function mustRunAlone([, , , , , , crashes]: ClaimRow): boolean {
  return crashes >= ALONE_FROM_CRASHES;
}

function holdsPermit(job: WaitingJob): boolean {
  return job.place === PLACES.ready;
}
