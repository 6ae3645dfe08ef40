import type { Statement } from 'better-sqlite3';
import { PLACES, type Place, placeFromCode } from '../../job/job.js';
import type { AdmissionBatch, GoneRecord, PlanRest } from '../intake-contract.js';
import type { Core } from './core.js';

/** Values of `jobs.planned`. */
export const PLANNED = 1;
export const WITHDRAWN = 2;

interface PlannedJob {
  readonly id: number;
  readonly scopeId: number;
  readonly queueId: number;
  readonly place: Place;
  readonly group: string | null;
  readonly key: string;
  /** Its record has a newer job: that one counts for it. */
  readonly outdated: number;
}

/** Withdraws what a plan no longer has, and ends what nobody was there to start. */
export class Plans {
  readonly #core: Core;
  readonly #open: Statement<[number], Omit<PlannedJob, 'place'> & { readonly place: number }>;
  readonly #end: Statement<[number, number, string, number, number]>;

  constructor(core: Core) {
    this.#core = core;
    this.#open = core.db.prepare(`
      SELECT id, scope_id AS scopeId, queue_id AS queueId, place, group_name AS "group", key, outdated
      FROM jobs INDEXED BY jobs_planned
      WHERE scope_id = ? AND planned = 1 AND place <= ${PLACES.running}`);
    this.#end = core.db.prepare(
      'UPDATE jobs SET place = ?, ended_at = ?, reason = ?, planned = ? WHERE id = ?',
    );
  }

  settle(scopeId: number, plan: PlanRest, batch: AdmissionBatch): GoneRecord[] {
    const keys = new Set(plan.keys);
    const series = new Set(plan.series);
    const missed = new Map(plan.missed.map(({ key, reason }) => [key, reason]));
    const gone: GoneRecord[] = [];
    const jobs = this.#open.all(scopeId).map((row) => ({ ...row, place: placeFromCode(row.place) }));
    // Those that hold permits come last: a permit must not go to a parked job that is about to go too.
    const byPermit = [
      ...jobs.filter(({ place }) => place !== 'ready'),
      ...jobs.filter(({ place }) => place === 'ready'),
    ];
    for (const job of byPermit) {
      const missedBy = missed.get(job.key);
      const stands = keys.has(job.key) || series.has(seriesOf(job.key));
      if (stands && missedBy === undefined) continue;
      const result = missedBy === undefined ? this.#withdraw(job, batch) : this.#miss(job, missedBy, batch);
      if (result !== null) gone.push({ key: job.key, id: String(job.id), result });
    }
    return gone;
  }

  #withdraw(job: PlannedJob, { cycle, nowMs }: AdmissionBatch): GoneRecord['result'] | null {
    const { events } = this.#core;
    if (job.place === 'running') {
      const isNews = events.addOnce(job.id, nowMs, 'gone from its plan', `left to run, found by ${cycle}`);
      return isNews ? 'left-running' : null;
    }
    events.add(job.id, nowMs, 'withdrawn', `while it was ${job.place}, by ${cycle}`);
    this.#finish(job, 'cancelled', 'withdrawn: its plan no longer has it', nowMs, WITHDRAWN);
    return 'withdrawn';
  }

  #miss(job: PlannedJob, reason: string, { nowMs }: AdmissionBatch): GoneRecord['result'] | null {
    if (job.place === 'running') return null;
    this.#core.events.add(job.id, nowMs, 'missed', reason);
    this.#finish(job, 'expired', `missed: ${reason}`, nowMs, PLANNED);
    return 'missed';
  }

  #finish(
    job: PlannedJob,
    to: 'cancelled' | 'expired',
    reason: string,
    nowMs: number,
    planned: number,
  ): void {
    const { tally, recordTally, permits } = this.#core;
    this.#end.run(PLACES[to], nowMs, reason, planned, job.id);
    tally.move(job.queueId, job.place, to);
    if (job.outdated === 0) recordTally.move(job.scopeId, 'pending', to);
    if (job.place === 'ready') permits.release(job.queueId, job.group);
  }
}

const OCCURRENCE = /^(.+)@\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/s;

/** `backup` of `backup@2026-01-01T06:00:00.000Z`; '' for a key that is none of an occurrence. */
function seriesOf(key: string): string {
  return OCCURRENCE.exec(key)?.[1] ?? '';
}
