import type { Database, Statement } from 'better-sqlite3';
import { placeFromCode } from '../../job/job.js';
import { ledgerHash } from '../../job/snapshot.js';
import type { RejectedRecord, Scope } from '../intake-contract.js';
import { firstVerdict } from '../plan-verdict.js';
import type { AccountedRecord, RecordAccount } from '../read-contract.js';
import { lastState, verdictOn } from '../verdict.js';
import { KIND_CODES } from './names.js';
import { WITHDRAWN } from './plan.js';

interface KnownRow {
  readonly versionHash: Buffer;
  readonly versionOrder: number | null;
  readonly settled: number | null;
  readonly place: number | null;
  readonly runAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly planned: number | null;
}

/** Holds what stands in files against the ledger and the book of rejects. Changes nothing. */
export class Accounts {
  readonly #scopeId: Statement<[string, number, string], number>;
  readonly #known: Statement<[number, Buffer], KnownRow>;
  readonly #reject: Statement<[number, string, Buffer], number>;

  constructor(db: Database) {
    this.#scopeId = db
      .prepare<[string, number, string], number>(
        'SELECT id FROM scopes WHERE workspace = ? AND kind = ? AND name = ?',
      )
      .pluck();
    this.#known = db.prepare(`
      SELECT r.version_hash AS versionHash, r.version_order AS versionOrder, r.settled, j.place,
        j.run_at AS runAtMs, j.ended_at AS endedAtMs, j.planned
      FROM records r
      LEFT JOIN jobs j ON j.id = r.job_id
      WHERE r.scope_id = ? AND r.key_hash = ?`);
    this.#reject = db
      .prepare<[number, string, Buffer], number>(
        'SELECT 1 FROM rejects WHERE scope_id = ? AND path = ? AND digest = ?',
      )
      .pluck();
  }

  records(scope: Scope, records: readonly AccountedRecord[], nowMs: number): readonly RecordAccount[] {
    const scopeId = this.#find(scope);
    return records.map((record) => {
      const known = scopeId === undefined ? undefined : this.#known.get(scopeId, ledgerHash(record.key));
      if (known === undefined) return { wouldBe: firstVerdict(record, nowMs), state: null };
      const { runAtMs, endedAtMs, planned } = known;
      const code = known.place ?? known.settled;
      const state = lastState(code === null ? null : placeFromCode(code));
      const job = { state, runAtMs, endedAtMs, isWithdrawn: planned === WITHDRAWN };
      return { wouldBe: verdictOn(record, known, job, nowMs), state };
    });
  }

  rejects(scope: Scope, rejects: readonly Pick<RejectedRecord, 'path' | 'digest'>[]): readonly boolean[] {
    const scopeId = this.#find(scope);
    if (scopeId === undefined) return rejects.map(() => false);
    return rejects.map(({ path, digest }) => this.#reject.get(scopeId, path, digest) === 1);
  }

  #find({ workspace, kind, name }: Scope): number | undefined {
    return this.#scopeId.get(workspace, KIND_CODES[kind], name);
  }
}
