import type { Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import { OUTCOME_CODES } from '../../job/outcome.js';
import type { Claim, Orphan } from '../contract.js';
import type { Guest } from '../read-contract.js';
import { type Core, rowIdOf } from '../sqlite/core.js';
import type { Verbs } from '../sqlite/verbs.js';
import { SEND_STATES } from './outbox.js';
import type { Message } from './parcel.js';
import { type Counted, hasEnded, type SentJob, SentJobs, type WholeJob } from './sent-jobs.js';

const { ready, running } = PLACES;

/** Epoch of an attempt at another machine: no worker of ours ever has it. */
export const ELSEWHERE = 0;

export interface RemoteRow {
  readonly site: string;
  readonly address: string;
  readonly life: string | null;
  readonly endsAt: string;
  readonly problem: string | null;
  readonly problemSinceMs: number | null;
}

export interface Taken {
  readonly redisId: string;
  readonly attempt: number;
  readonly crashes: number;
  readonly epoch: number;
  /** null: at another machine. */
  readonly token: string | null;
  readonly atMs: number;
}

export interface WrittenLease {
  readonly redisId: string;
  readonly token: string;
  readonly origin: string;
  readonly workspace: string;
  readonly task: string;
  readonly group: string | null;
}

interface ForeignRow {
  readonly redisId: string;
  readonly token: string;
  readonly startedAtMs: number;
  readonly claim: string;
  readonly payload: Buffer;
}

/** What this machine writes down of attempts that run through Redis. Everything runs inside a transaction of the caller's. */
export class Books {
  readonly #core: Core;
  readonly #verbs: Verbs;
  readonly #remote: Statement<[], RemoteRow>;
  readonly #register: Statement<[string, string]>;
  readonly #sent: SentJobs;
  readonly #take: Statement<[number, number, number, number, number, number]>;
  readonly #mark: Statement<[number, string | null, number]>;
  readonly #presumed: Statement<[number], Counted>;
  readonly #presume: Statement<[number, number]>;
  readonly #crashed: Statement<[number, number, number, number, number]>;
  readonly #holdPermit: Statement<[number, string]>;
  readonly #putForeign: Statement<[string, number, string, string, number, string, Buffer]>;
  readonly #dropForeign: Statement<[string]>;
  readonly #foreign: Statement<[number], ForeignRow>;
  readonly #ownLease: Statement<[number], Omit<WrittenLease, 'origin'>>;
  readonly #foreignLease: Statement<[string], WrittenLease>;

  constructor(core: Core, verbs: Verbs) {
    const { db } = core;
    this.#core = core;
    this.#verbs = verbs;
    this.#remote = db.prepare(`
      SELECT site, address, life, ends_at AS endsAt, problem, problem_since AS problemSinceMs FROM remote`);
    this.#register = db.prepare(`
      INSERT INTO remote (one, site, address) VALUES (1, ?, ?)
      ON CONFLICT DO UPDATE SET site = excluded.site, address = excluded.address`);
    this.#sent = new SentJobs(core);
    this.#take = db.prepare(`
      UPDATE jobs SET
        place = ${running}, attempt = ?, epoch = ?, crashes = ?, started_at = ?, late_by = ?, exit_code = NULL, reason = NULL
      WHERE id = ?`);
    this.#mark = db.prepare('UPDATE outbox SET state = ?, token = ? WHERE job_id = ?');
    this.#presumed = db.prepare(`
      SELECT queue_id AS queueId, scope_id AS scopeId, outdated FROM jobs WHERE id = ? AND place = ${ready}`);
    this.#presume = db.prepare(`
      UPDATE jobs SET place = ${running}, epoch = ${ELSEWHERE}, started_at = ? WHERE id = ? AND place = ${ready}`);
    this.#crashed = db.prepare(`
      INSERT INTO attempts (job_id, attempt, epoch, started_at, ended_at, outcome, reason)
      VALUES (?, ?, ?, ?, ?, ${OUTCOME_CODES.crashed}, 'its machine gave no sign of life any more')
      ON CONFLICT DO NOTHING`);
    this.#holdPermit = db.prepare(`
      INSERT INTO groups (queue_id, name, held) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET held = held + 1`);
    this.#putForeign = db.prepare(`
      INSERT INTO foreign_claims (redis_id, epoch, origin, token, started_at, claim, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET
        origin = excluded.origin, epoch = excluded.epoch, token = excluded.token, started_at = excluded.started_at, claim = excluded.claim,
        payload = excluded.payload`);
    this.#dropForeign = db.prepare('DELETE FROM foreign_claims WHERE redis_id = ?');
    this.#foreign = db.prepare(`
      SELECT redis_id AS redisId, token, started_at AS startedAtMs, claim, payload FROM foreign_claims WHERE epoch < ?`);
    this.#ownLease = db.prepare(`
      SELECT o.redis_id AS redisId, o.token, q.workspace, q.task, j.group_name AS "group"
      FROM outbox o
      CROSS JOIN jobs j ON j.id = o.job_id
      CROSS JOIN queues q ON q.id = j.queue_id
      WHERE o.job_id = ? AND o.token IS NOT NULL`);
    this.#foreignLease = db.prepare(`
      SELECT redis_id AS redisId, token, origin, claim ->> 'workspace' AS workspace, claim ->> 'task' AS task,
        claim ->> 'group' AS "group"
      FROM foreign_claims WHERE redis_id = ?`);
  }

  remote(): RemoteRow | null {
    return this.#remote.get() ?? null;
  }

  register(site: string, address: string): void {
    this.#register.run(site, address);
  }

  setRemote(column: 'life' | 'ends_at', value: string): void {
    this.#core.db.prepare(`UPDATE remote SET ${column} = ?`).run(value);
  }

  setProblem(problem: string | null, nowMs: number): void {
    this.#core.db
      .prepare(
        'UPDATE remote SET problem = ?, problem_since = iif(? IS NULL, NULL, coalesce(problem_since, ?))',
      )
      .run(problem, problem, nowMs);
  }

  /** The job of ours by this name in Redis, or null when it has ended, or was never ours. */
  find(redisId: string): SentJob | null {
    return this.#sent.find(redisId);
  }

  /** The same, with all that a claim says of it. */
  findWhole(redisId: string): WholeJob | null {
    return this.#sent.findWhole(redisId);
  }

  /** An attempt of a job of ours has begun, here or elsewhere. Attempts before it that nobody ended have died. */
  take(job: SentJob, { attempt, crashes, epoch, token, atMs }: Taken): void {
    const { tally, recordTally } = this.#core;
    for (let died = Math.max(1, job.attempt); died < attempt; died += 1) {
      this.#crashed.run(job.jobId, died, ELSEWHERE, job.startedAtMs ?? atMs, atMs);
    }
    if (job.place !== 'running') {
      tally.move(job.queueId, job.place, 'running');
      if (job.outdated === 0) recordTally.move(job.scopeId, 'pending', 'running');
      // It has none yet, and its end will give one back.
      if (job.place !== 'ready' && job.group !== null) this.#holdPermit.run(job.queueId, job.group);
    }
    this.#take.run(attempt, epoch, crashes, atMs, Math.max(0, atMs - job.runAtMs), job.jobId);
    this.#mark.run(token === null ? SEND_STATES.sent : SEND_STATES.ours, token, job.jobId);
  }

  /** It cannot be called back, or nobody can tell: until Redis has said how it stands, it counts as running. */
  presumeRunning(jobId: number, nowMs: number): void {
    const job = this.#presumed.get(jobId);
    if (job === undefined) return;
    this.#presume.run(nowMs, jobId);
    this.#mark.run(SEND_STATES.presumed, null, jobId);
    this.#core.tally.move(job.queueId, 'ready', 'running');
    if (job.outdated === 0) this.#core.recordTally.move(job.scopeId, 'pending', 'running');
  }

  /** What another machine says of a job of ours. False when that changes nothing: it was known, or is of an earlier try. */
  settle(message: Message, nowMs: number, clockMovedMs: number): boolean {
    const job = this.find(message.id);
    if (job === null || hasEnded(job) || message.attempt < job.attempt) return false;
    const isKnown = job.place === 'running' && job.epoch === ELSEWHERE && job.attempt === message.attempt;
    // Ours, by a worker that died before it could write the end down.
    const isOwn = job.place === 'running' && job.attempt === message.attempt && !isKnown;
    if (!isKnown && !isOwn) {
      const atMs = message.kind === 'started' ? message.atMs : message.report.startedAtMs;
      // Before the attempt: that is where it stands in the history. By its own time, however late we hear of it.
      this.#core.events.add(job.jobId, atMs, 'taken', `by ${message.site}, attempt ${message.attempt}`);
      const crashes = job.crashes + Math.max(0, message.attempt - job.attempt - 1);
      this.take(job, {
        redisId: message.id,
        attempt: message.attempt,
        crashes,
        epoch: ELSEWHERE,
        token: null,
        atMs,
      });
    }
    if (message.kind === 'started') return true;
    const { report, waitMs } = message;
    const next = message.next.to === 'pending' ? { ...message.next, runAtMs: nowMs + waitMs } : message.next;
    const epoch = isOwn ? job.epoch : ELSEWHERE;
    const claim = { id: String(job.jobId), epoch, attempt: message.attempt };
    return this.#verbs.ending.record({ claim, report, next }, nowMs, clockMovedMs) === 'recorded';
  }

  /** It was called back before anybody began it: back to the line, or to its end where that was asked for meanwhile. */
  giveBack(jobId: number, nowMs: number, clockMovedMs: number): void {
    const row = this.#core.db
      .prepare<[number], { attempt: number; startedAtMs: number | null }>(`
        SELECT attempt, started_at AS startedAtMs FROM jobs WHERE id = ? AND place = ${running} AND epoch = ${ELSEWHERE}`)
      .get(jobId);
    if (row === undefined) return;
    // One that was begun and never ended, as far as anybody can tell.
    if (row.attempt > 0) this.#crashed.run(jobId, row.attempt, ELSEWHERE, row.startedAtMs ?? nowMs, nowMs);
    const attempt = row.attempt + 1;
    this.#core.db.prepare('UPDATE jobs SET attempt = ? WHERE id = ?').run(attempt, jobId);
    const reason = 'called back before it began';
    this.#verbs.ending.record(
      {
        claim: { id: String(jobId), epoch: ELSEWHERE, attempt },
        report: {
          outcome: { kind: 'released', reason },
          startedAtMs: row.startedAtMs ?? nowMs,
          endedAtMs: nowMs,
          exitCode: null,
          signal: null,
          stdout: null,
          stderr: null,
        },
        next: { to: 'pending', runAtMs: nowMs, charged: false, crashed: false, reason },
      },
      nowMs,
      clockMovedMs,
    );
  }

  /** An attempt of ours whose lease is over: whoever has the job now will tell. */
  leave(jobId: number, epoch: number, attempt: number): void {
    const { changes } = this.#core.db
      .prepare<[number, number, number]>(`
        UPDATE jobs SET epoch = ${ELSEWHERE} WHERE id = ? AND place = ${running} AND epoch = ? AND attempt = ?`)
      .run(jobId, epoch, attempt);
    if (changes === 1) this.#mark.run(SEND_STATES.unsure, null, jobId);
  }

  /** What it takes to end an attempt of a worker that is no more; null for one that Redis knows nothing of. */
  leaseOf({ id }: Pick<Claim, 'id'>, origin: string): WrittenLease | null {
    const rowId = rowIdOf(id);
    if (rowId === null) return this.#foreignLease.get(id) ?? null;
    const own = this.#ownLease.get(rowId);
    return own === undefined ? null : { ...own, origin };
  }

  putForeign(claim: Claim, origin: string, token: string, atMs: number): void {
    const { payload, ...rest } = claim;
    const text = JSON.stringify({ ...rest, hash: payload.hash.toString('hex') });
    this.#putForeign.run(claim.id, claim.epoch, origin, token, atMs, text, payload.bytes);
  }

  dropForeign(redisId: string): void {
    this.#dropForeign.run(redisId);
  }

  /** Of all claims that are written down, and have not ended. */
  tokens(): ReadonlySet<string> {
    const found = this.#core.db
      .prepare<[], string>(`
        SELECT token FROM outbox WHERE state = ${SEND_STATES.ours} AND token IS NOT NULL
        UNION ALL SELECT token FROM foreign_claims`)
      .pluck()
      .all();
    return new Set(found);
  }

  /** Of other machines, and running here. */
  guests(): readonly Guest[] {
    return this.#core.db
      .prepare<[], Guest>(`
        SELECT redis_id AS id, claim ->> 'task' AS task, claim ->> 'key' AS key, started_at AS startedAtMs
        FROM foreign_claims ORDER BY started_at LIMIT 1000`)
      .all();
  }

  /** Of other machines, begun by workers of ours that are no more. */
  foreignOrphans(epoch: number): readonly (Orphan & { readonly token: string })[] {
    return this.#foreign.all(epoch).map(({ token, startedAtMs, claim, payload }) => {
      const { hash, ...rest } = JSON.parse(claim) as Omit<Claim, 'payload'> & { hash: string };
      return {
        token,
        startedAtMs,
        claim: { ...rest, payload: { bytes: payload, hash: Buffer.from(hash, 'hex') } },
      };
    });
  }
}
