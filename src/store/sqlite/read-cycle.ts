import type { Database, Statement } from 'better-sqlite3';
import { PLACES, placeFromCode, stateOfPlace } from '../../job/job.js';
import { OUTCOME_CODES } from '../../job/outcome.js';
import { ledgerHash, sha256 } from '../../job/snapshot.js';
import type { CycleTrace, LostRecord } from '../../trace/cycle-trace.js';
import { extendDigest, NOTHING } from '../../trace/digest.js';
import type { CycleQueue } from '../../trace/verdict.js';
import type { BrokenCycle, KnownKey, StoredCycle } from '../trace-contract.js';
import type { Stretch } from './cycles.js';
import { payloadOf } from './payload.js';

interface CycleRow {
  readonly cycle: string;
  readonly workspace: string;
  readonly kind: number;
  readonly name: string;
  readonly jobs: string;
  readonly body: string;
}

interface QueuedRow {
  readonly id: number;
  readonly key: string;
  readonly isKeyed: number;
  readonly cycle: string;
  readonly place: number;
  readonly attempt: number;
  /** Attempts at older versions of its record. */
  readonly attemptsBefore: number;
  readonly startedAtMs: number | null;
  readonly versionHash: Buffer;
  readonly payloadHash: Buffer;
  readonly damaged: Buffer | null;
}

interface KeyRow {
  readonly scopeId: number;
  readonly workspace: string;
  readonly kind: number;
  readonly jobId: number;
  readonly settled: number | null;
}

/** Rows that are looked at in one go. */
const PAGE = 1_000;
const MOST_NAMED = 100;

/** What is known of cycles, and of the jobs that came of them. */
export class CycleReading {
  readonly #cycle: Statement<[string], CycleRow>;
  readonly #queued: Statement<[number, number], QueuedRow>;
  readonly #broken: Statement<[number, number], { cycle: string; atMs: number; name: string; body: string }>;
  readonly #key: Statement<[string, Buffer], KeyRow>;
  readonly #mentions: Statement<[string, number | null, string, number], string>;

  constructor(db: Database) {
    this.#cycle = db.prepare(`
      SELECT c.cycle, s.workspace, s.kind, s.name, c.jobs, c.body
      FROM cycles c
      CROSS JOIN scopes s ON s.id = c.scope_id
      WHERE c.cycle = ?`);
    this.#queued = db.prepare(`
      SELECT j.id, j.key, j.cycle, j.place, j.attempt, j.started_at AS startedAtMs,
        j.version_hash AS versionHash, j.payload_hash AS payloadHash,
        substr(j.key, 1, 32) <> lower(hex(j.version_hash)) AS isKeyed,
        coalesce((SELECT max(e.after_attempt) FROM events e WHERE e.job_id = j.id AND e.event = 'superseded'), 0)
          AS attemptsBefore,
        CASE WHEN EXISTS (
          SELECT 1 FROM attempts a WHERE a.job_id = j.id AND a.outcome = ${OUTCOME_CODES.damaged}
        ) THEN ${payloadOf('j')} END AS damaged
      FROM jobs j
      WHERE j.id BETWEEN ? AND ?`);
    this.#broken = db.prepare(`
      SELECT c.cycle, c.at AS atMs, s.name, c.body
      FROM cycles c INDEXED BY cycles_broken
      CROSS JOIN scopes s ON s.id = c.scope_id
      WHERE c.broken = 1 AND c.at >= ?
      ORDER BY c.number DESC
      LIMIT ?`);
    this.#key = db.prepare(`
      SELECT s.id AS scopeId, s.workspace, s.kind, r.job_id AS jobId, r.settled
      FROM scopes s
      CROSS JOIN records r ON r.scope_id = s.id
      WHERE s.name = ? AND r.key_hash = ?
      ORDER BY s.kind, s.id`);
    this.#mentions = db
      .prepare<[string, number | null, string, number], string>(`
        SELECT c.cycle FROM cycles c
        CROSS JOIN scopes s ON s.id = c.scope_id
        WHERE s.name = ? AND s.id = coalesce(?, s.id) AND instr(c.body, ?) > 0
        ORDER BY c.number DESC
        LIMIT ?`)
      .pluck();
  }

  cycle(cycle: string): StoredCycle | null {
    const row = this.#cycle.get(cycle);
    if (row === undefined) return null;
    const { workspace, kind, name, jobs, body } = row;
    const scope = { workspace, source: kind === 0 ? name : null, task: kind === 0 ? null : name };
    const trace = JSON.parse(body) as CycleTrace;
    return { cycle, ...scope, trace, queue: this.#queue(cycle, JSON.parse(jobs) as Stretch[]) };
  }

  broken(sinceMs: number, limit: number): readonly BrokenCycle[] {
    return this.#broken.all(sinceMs, limit).map(({ cycle, atMs, name, body }) => {
      const { broken } = JSON.parse(body) as CycleTrace;
      return { cycle, atMs, source: name, at: broken?.at ?? '', why: broken?.why ?? '' };
    });
  }

  keys(name: string, key: string, limit: number): readonly KnownKey[] {
    const named = `"key":${JSON.stringify(key)}`;
    const mentionsIn = (scopeId: number | null) => this.#mentions.all(name, scopeId, named, limit);
    const rows = this.#key.all(name, ledgerHash(key));
    if (rows.length > 0) {
      return rows.map(({ scopeId, workspace, kind, jobId, settled }) => ({
        scope: { workspace, kind: kind === 0 ? 'source' : 'task', name },
        job: String(jobId),
        prunedAs: settled === null ? null : stateOfPlace(placeFromCode(settled)),
        mentions: mentionsIn(scopeId),
      }));
    }
    const mentions = mentionsIn(null);
    return mentions.length === 0 ? [] : [{ scope: null, job: null, prunedAs: null, mentions }];
  }

  #queue(cycle: string, stretches: readonly Stretch[]): CycleQueue {
    const seen = new Set<number>();
    const look = new QueueLook(cycle);
    for (const [first, last] of stretches) {
      for (let from = first; from <= last; from += PAGE) {
        const to = Math.min(last, from + PAGE - 1);
        const rows = this.#queued.all(from, to);
        for (let gone = to - from + 1 - rows.length; gone > 0; gone -= 1) look.lose(null, 'pruned since');
        for (const row of rows) {
          if (seen.has(row.id)) look.lose(row.key, 'replaced in the same poll');
          else look.take(row);
          seen.add(row.id);
        }
      }
    }
    return look.told();
  }
}

class QueueLook {
  readonly #cycle: string;
  readonly #reasons: Record<string, number> = {};
  readonly #lost: { key: string | null; reason: string }[] = [];
  #read = NOTHING;
  #atMs = 0;
  #damaged = 0;
  #waiting = 0;
  #open = 0;

  constructor(cycle: string) {
    this.#cycle = cycle;
  }

  lose(key: string | null, reason: string): void {
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
    if (this.#lost.length < MOST_NAMED) this.#lost.push({ key, reason });
  }

  take(row: QueuedRow): void {
    if (row.cycle !== this.#cycle) this.lose(row.key, `replaced by a newer version, found by ${row.cycle}`);
    else if (row.attempt > row.attemptsBefore) this.#takeRead(row);
    else if (row.place === PLACES.cancelled) this.lose(row.key, 'cancelled before it was read');
    else if (row.place === PLACES.expired) this.lose(row.key, 'expired before it was read');
    else this.#waiting += 1;
    if (row.cycle === this.#cycle && row.place <= PLACES.running) this.#open += 1;
  }

  told(): CycleQueue {
    return {
      read: { ...this.#read, atMs: this.#atMs },
      damaged: this.#damaged,
      waiting: this.#waiting,
      open: this.#open,
      reasons: this.#reasons,
      lost: this.#lost.map((one): LostRecord => ({ ...one, at: 'QUEUE_READ' })),
    };
  }

  #takeRead({ key, isKeyed, versionHash, payloadHash, damaged, startedAtMs }: QueuedRow): void {
    if (damaged !== null) {
      this.#damaged += 1;
      if (this.#lost.length < MOST_NAMED) this.#lost.push({ key, reason: 'integrity' });
    }
    const read = damaged === null ? payloadHash : sha256(damaged);
    const sealed = Buffer.concat([Buffer.from(isKeyed === 1 ? key : ''), versionHash, read]);
    this.#read = extendDigest(this.#read, sealed, 1);
    this.#atMs = Math.max(this.#atMs, startedAtMs ?? 0);
  }
}
