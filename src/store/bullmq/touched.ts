import type { Database, Statement } from 'better-sqlite3';
import { type JobId, PLACES } from '../../job/job.js';
import { ledgerHash } from '../../job/snapshot.js';
import type { AdmissionBatch } from '../intake-contract.js';
import { type Core, rowIdOf } from '../sqlite/core.js';
import { SEND_STATES } from './outbox.js';

const { ready, running } = PLACES;
/** Redis may hold it, and nobody has begun it as far as is known. */
const HELD = `o.state IN (${SEND_STATES.unsure}, ${SEND_STATES.sent})`;

/** Finds the jobs that Redis may hold and a call is about to change: they are called back first. */
export class Touched {
  readonly #core: Core;
  readonly #newer: Statement<[number, Buffer, Buffer], number>;
  readonly #planned: Statement<[number], { jobId: number; key: string }>;
  readonly #named: Statement<[number, string], number>;
  readonly #limit: Statement<[string], number | null>;
  readonly #grouped: Statement<[string], number>;

  constructor(core: Core) {
    const db: Database = core.db;
    this.#core = core;
    this.#newer = db
      .prepare<[number, Buffer, Buffer], number>(`
        SELECT r.job_id FROM records r
        CROSS JOIN outbox o ON o.job_id = r.job_id AND ${HELD}
        CROSS JOIN jobs j ON j.id = r.job_id AND j.place = ${ready}
        WHERE r.scope_id = ? AND r.key_hash = ? AND r.version_hash <> ?`)
      .pluck();
    this.#planned = db.prepare(`
      SELECT j.id AS jobId, j.key FROM jobs j INDEXED BY jobs_planned
      CROSS JOIN outbox o ON o.job_id = j.id AND ${HELD}
      WHERE j.scope_id = ? AND j.planned = 1 AND j.place <= ${running} AND j.place = ${ready}`);
    this.#named = db
      .prepare<[number, string], number>(`
        SELECT j.id FROM jobs j CROSS JOIN queues q ON q.id = j.queue_id WHERE j.id = ? AND q.workspace = ?`)
      .pluck();
    this.#limit = db.prepare<[string], number | null>('SELECT group_limit FROM tasks WHERE task = ?').pluck();
    this.#grouped = db
      .prepare<[string], number>(`
        SELECT o.job_id FROM outbox o
        CROSS JOIN jobs j ON j.id = o.job_id AND j.place = ${ready} AND j.group_name IS NOT NULL
        CROSS JOIN queues q ON q.id = j.queue_id
        WHERE ${HELD} AND q.task = ?`)
      .pluck();
  }

  /** By a batch that brings newer versions of them, or a plan without them. */
  byAdmission({ scope, records, plan }: AdmissionBatch): readonly number[] {
    const scopeId = this.#core.names.findScope(scope);
    if (scopeId === undefined) return [];
    const newer = records
      .filter(({ onChange, occurrenceIn }) => onChange !== 'ignore' && occurrenceIn === null)
      .flatMap(({ key, version }) => this.#newer.all(scopeId, ledgerHash(key), version.hash));
    if (plan === undefined) return newer;
    const stays = new Set(plan.keys);
    const missed = new Set(plan.missed.map(({ key }) => key));
    const gone = this.#planned.all(scopeId).filter(({ key }) => missed.has(key) || !stays.has(key));
    return [...newer, ...gone.map(({ jobId }) => jobId)];
  }

  /** By people who name them: those of this workspace. */
  byPeople(workspace: string, ids: readonly JobId[]): readonly number[] {
    return ids.map((id) => this.#named.get(rowIdOf(id) ?? 0, workspace)).filter((id) => id !== undefined);
  }

  /** By a group limit that falls. */
  byLimit(task: string, limit: number | null): readonly number[] {
    const before = this.#limit.get(task);
    if (limit === null || before === undefined || (before !== null && before <= limit)) return [];
    return this.#grouped.all(task);
  }
}
