import type { Statement } from 'better-sqlite3';
import { type Place, placeFromCode, stateOfPlace } from '../../job/job.js';
import { ledgerHash } from '../../job/snapshot.js';
import { failpoint } from '../../platform/failpoint.js';
import type {
  AdmissionAnswer,
  AdmissionBatch,
  AdmissionRecord,
  AdmissionReport,
  AdmissionResult,
  CursorPage,
  CursorRecord,
  RecordVersion,
  Scope,
} from '../intake-contract.js';
import { firstVerdict } from '../plan-verdict.js';
import { type KnownVersion, type LastJob, lastState, verdictOn } from '../verdict.js';
import type { Core } from './core.js';
import type { Cycles } from './cycles.js';
import { EarlyCheckpoint } from './early-checkpoint.js';
import { evidenceOf } from './evidence.js';
import { JobDoor, type KnownJob } from './job-door.js';
import { Plans, WITHDRAWN } from './plan.js';
import { RejectBook } from './reject-book.js';
import { VersionCounter } from './version-counter.js';

interface KnownRecord extends KnownVersion {
  readonly jobId: number;
  readonly settled: number | null;
}

/** SQLite takes a negative limit for none. */
const ALL_CURSORS: CursorPage = { afterPath: '', limit: -1 };

/** The only door: decides record by record against the ledger, and writes cursors, ledger, rejects and jobs. */
export class Admission {
  readonly checkpoint: EarlyCheckpoint;
  readonly #core: Core;
  readonly #cycles: Cycles;
  readonly #door: JobDoor;
  readonly #rejects: RejectBook;
  readonly #versions: VersionCounter;
  readonly #plans: Plans;
  readonly #selectCursors: Statement<[number, string, number], CursorRecord>;
  readonly #cursorEpoch: Statement<[number, string], number>;
  readonly #putCursor: Statement<[number, string, number, string]>;
  readonly #dropCursor: Statement<[number, string]>;
  readonly #known: Statement<[number, Buffer], KnownRecord>;
  readonly #learn: Statement<[number, Buffer, Buffer, number | null, number]>;
  readonly #relearn: Statement<[Buffer, number | null, number, number, Buffer]>;
  readonly #meet: Statement<[number, Buffer, number], number>;
  readonly #countRecords: Statement<[number, number]>;
  #lastWasNew = true;

  constructor(core: Core, cycles: Cycles) {
    const { db } = core;
    this.#core = core;
    this.#cycles = cycles;
    this.checkpoint = new EarlyCheckpoint(db);
    this.#door = new JobDoor(core);
    this.#rejects = new RejectBook(db);
    this.#versions = new VersionCounter(core);
    this.#plans = new Plans(core);
    this.#selectCursors = db.prepare(
      'SELECT path, epoch, body FROM cursors WHERE scope_id = ? AND path > ? ORDER BY path LIMIT ?',
    );
    this.#cursorEpoch = db
      .prepare<[number, string], number>('SELECT epoch FROM cursors WHERE scope_id = ? AND path = ?')
      .pluck();
    this.#putCursor = db.prepare(`
      INSERT INTO cursors (scope_id, path, epoch, body) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET epoch = excluded.epoch, body = excluded.body`);
    this.#dropCursor = db.prepare('DELETE FROM cursors WHERE scope_id = ? AND path = ?');
    this.#known = db.prepare(`
      SELECT version_hash AS versionHash, version_order AS versionOrder, job_id AS jobId, settled
      FROM records WHERE scope_id = ? AND key_hash = ?`);
    this.#learn = db.prepare(`
      INSERT INTO records (scope_id, key_hash, version_hash, version_order, job_id) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING`);
    this.#relearn = db.prepare(`
      UPDATE records SET version_hash = ?, version_order = ?, job_id = ?, settled = NULL
      WHERE scope_id = ? AND key_hash = ?`);
    this.#meet = db
      .prepare<[number, Buffer, number], number>(`
        INSERT INTO occurrences (scope_id, content_hash, generation, seen) VALUES (?, ?, ?, 1)
        ON CONFLICT DO UPDATE SET
          seen = iif(generation = excluded.generation, seen + 1, 1),
          generation = excluded.generation
        RETURNING seen`)
      .pluck();
    this.#countRecords = db.prepare('UPDATE scopes SET records = records + ? WHERE id = ?');
  }

  cursors(scope: Scope, page: CursorPage = ALL_CURSORS): readonly CursorRecord[] {
    const scopeId = this.#core.names.findScope(scope);
    return scopeId === undefined ? [] : this.#selectCursors.all(scopeId, page.afterPath, page.limit);
  }

  /** Runs inside a transaction. A report that is not committed has written nothing. */
  admit(batch: AdmissionBatch): AdmissionReport {
    const conflictPath = this.#findConflict(batch);
    if (conflictPath !== null) return { committed: false, conflictPath };

    this.#door.begin();
    this.#cycles.begin();
    const scopeId = this.#core.names.scope(batch.scope);
    const admitted = { new: 0 };
    const answers = batch.records.map((record) => {
      const given = this.#admitRecord(scopeId, record, batch, admitted);
      this.#cycles.follow(batch, this.#door.puts);
      return given;
    });
    if (admitted.new > 0) this.#countRecords.run(admitted.new, scopeId);
    this.#door.close();
    const gone = batch.plan && this.#plans.settle(scopeId, batch.plan, batch);
    failpoint('admit.after-insert');
    this.#rejects.write(scopeId, batch);
    this.#moveCursors(scopeId, batch);
    const trace = this.#cycles.keep(scopeId, batch, answers, this.#door.puts, gone);
    failpoint('admit.before-commit');
    return {
      committed: true,
      answers,
      ...(gone !== undefined && { gone }),
      ...(trace !== null && { trace }),
    };
  }

  #findConflict(batch: AdmissionBatch): string | null {
    const scopeId = this.#core.names.findScope(batch.scope);
    for (const cursor of batch.cursors) {
      const epoch = scopeId === undefined ? undefined : this.#cursorEpoch.get(scopeId, cursor.path);
      if ((epoch ?? 0) !== cursor.expectedEpoch) return cursor.path;
    }
    return null;
  }

  #moveCursors(scopeId: number, batch: AdmissionBatch): void {
    for (const { path, expectedEpoch, body } of batch.cursors) {
      if (body === null) this.#dropCursor.run(scopeId, path);
      else this.#putCursor.run(scopeId, path, expectedEpoch + 1, body);
    }
  }

  #admitRecord(
    scopeId: number,
    given: AdmissionRecord,
    batch: AdmissionBatch,
    admitted: { new: number },
  ): AdmissionAnswer {
    const record = given.occurrenceIn === null ? given : this.#nameOccurrence(scopeId, given);
    const keyHash = ledgerHash(record.key);
    const known = this.#learnOrRecall(scopeId, keyHash, record.version);
    if (known === null) {
      admitted.new += 1;
      const first = firstVerdict(record, batch.nowMs);
      this.#core.recordTally.move(scopeId, null, first === 'expired' ? 'expired' : 'pending');
      const job =
        first === 'expired'
          ? this.#door.openExpired(scopeId, record, batch)
          : this.#door.open(scopeId, record, batch, null);
      return answer(first, job, false);
    }

    const job = this.#door.find(known.jobId);
    const last = lastJob(known, job);
    const verdict = verdictOn(record, known, last, batch.nowMs);
    const repeats = job?.cycle === batch.cycle;
    if (!TAKES_VERSION.has(verdict)) {
      if (job === undefined) return settledAnswer(verdict, known);
      const passed = answer(verdict, job, repeats);
      return record.onChange === 'replan'
        ? { ...passed, evidence: this.#giveEvidence(verdict, job, batch) }
        : passed;
    }
    // What has not been tried since the last version is no run more.
    const isOneMore = (verdict === 'queued' && record.onChange !== 'replan') || (job?.attempt ?? 0) > 0;
    const hold = this.#versions.meet(scopeId, record.key, isOneMore, batch.nowMs);
    const timed = hold === null ? record : { ...record, runAtMs: Math.max(record.runAtMs, hold.untilMs) };
    this.#core.recordTally.move(scopeId, last.state, 'pending');
    const changed = this.#takeVersion(verdict, scopeId, timed, batch, job, hold !== null);
    this.#relearn.run(record.version.hash, record.version.order, changed.id, scopeId, keyHash);
    if (hold === null) return answer(verdict, changed, repeats);
    this.#versions.hold(changed.id, hold, batch.nowMs);
    return answer('held', changed, repeats);
  }

  #giveEvidence(verdict: AdmissionResult, job: KnownJob, { cycle, nowMs }: AdmissionBatch): string {
    const evidence = evidenceOf(job);
    if (verdict === 'already-running') {
      this.#core.events.addOnce(job.id, nowMs, 'skipped', `${evidence}; offered again by ${cycle}`);
    }
    return evidence;
  }

  #takeVersion(
    verdict: AdmissionResult,
    scopeId: number,
    record: AdmissionRecord,
    batch: AdmissionBatch,
    job: KnownJob | undefined,
    isHeld: boolean,
  ): Pick<KnownJob, 'id' | 'place'> {
    if (verdict === 'changed-running' && job !== undefined) {
      const detail = `left to run; ${batch.cycle} brought another version`;
      this.#core.events.addOnce(job.id, batch.nowMs, 'plan changed', detail);
    }
    if (verdict !== 'superseded') return this.#door.open(scopeId, record, batch, job);
    if (job === undefined) throw new Error('only a pending job can be superseded');
    return this.#door.replace(job, record, batch, isHeld);
  }

  /**
   * null when the key was new: it is then in the ledger, for the job that is opened next. Records come in runs, all new
   * or all known; what the last one was tells which question is cheaper to ask first.
   */
  #learnOrRecall(scopeId: number, keyHash: Buffer, version: RecordVersion): KnownRecord | null {
    const known = this.#lastWasNew ? undefined : this.#known.get(scopeId, keyHash);
    if (known !== undefined) return known;
    const { changes } = this.#learn.run(scopeId, keyHash, version.hash, version.order, this.#door.nextId());
    this.#lastWasNew = changes === 1;
    return this.#lastWasNew ? null : (this.#known.get(scopeId, keyHash) ?? null);
  }

  /** The n-th record of one content in one reading gets the key `content#n`, so that it is the same one next time. */
  #nameOccurrence(scopeId: number, record: AdmissionRecord): AdmissionRecord {
    const seen = this.#meet.get(scopeId, ledgerHash(record.key), record.occurrenceIn ?? 0) ?? 1;
    return seen === 1 ? record : { ...record, key: `${record.key}#${seen}` };
  }
}

/** Verdicts by which the ledger learns a new version. */
const TAKES_VERSION: ReadonlySet<AdmissionResult> = new Set(['queued', 'superseded', 'changed-running']);

function lastJob(known: KnownRecord, job: KnownJob | undefined): LastJob {
  if (job === undefined) {
    return { state: lastState(settledPlace(known)), runAtMs: null, endedAtMs: null, isWithdrawn: false };
  }
  const { place, runAtMs, endedAtMs, planned } = job;
  return { state: stateOfPlace(place), runAtMs, endedAtMs, isWithdrawn: planned === WITHDRAWN };
}

function answer(
  result: AdmissionResult,
  job: Pick<KnownJob, 'id' | 'place'>,
  repeats: boolean,
): AdmissionAnswer {
  const found = { result, id: String(job.id), state: stateOfPlace(job.place) };
  return repeats ? { ...found, repeats } : found;
}

function settledAnswer(result: AdmissionResult, known: KnownRecord): AdmissionAnswer {
  return { result, id: null, state: lastState(settledPlace(known)) };
}

function settledPlace({ settled }: KnownRecord): Place | null {
  return settled === null ? null : placeFromCode(settled);
}
