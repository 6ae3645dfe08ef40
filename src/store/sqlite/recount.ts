import { PLACES } from '../../job/job.js';
import type { Core } from './core.js';
import { COUNT_RECORDS } from './record-tally.js';
import { COUNTED } from './tally.js';

const { ready, parked, running } = PLACES;

const RECOUNT_PERMITS = `
  DELETE FROM groups;
  INSERT INTO groups (queue_id, name, held)
  SELECT queue_id, group_name, count(*)
  FROM (
    SELECT queue_id, group_name FROM jobs INDEXED BY jobs_waiting
    WHERE place = ${ready} AND place <= ${parked} AND group_name IS NOT NULL
    UNION ALL
    SELECT queue_id, group_name FROM jobs INDEXED BY jobs_running
    WHERE place = ${running} AND group_name IS NOT NULL
  )
  GROUP BY queue_id, group_name;`;

const RECOUNT_TALLIES = `
  DELETE FROM counts WHERE kind = ${COUNTED.jobs};
  INSERT INTO counts (kind, owner_id, place, amount)
  SELECT ${COUNTED.jobs}, queue_id, place, count(*) FROM jobs INDEXED BY jobs_waiting
  WHERE place <= ${parked} GROUP BY queue_id, place
  UNION ALL
  SELECT ${COUNTED.jobs}, queue_id, place, count(*) FROM jobs INDEXED BY jobs_running
  WHERE place = ${running} GROUP BY queue_id, place
  UNION ALL
  SELECT ${COUNTED.jobs}, queue_id, place, count(*) FROM jobs INDEXED BY jobs_ended
  WHERE place > ${running} GROUP BY queue_id, place;`;

/** One pass over the line; the groups are found by their key. */
const PARK_BEYOND_LIMITS = `
  UPDATE jobs SET place = ${parked}
  WHERE id IN (
    SELECT id FROM (
      SELECT
        j.id,
        g.held - t.group_limit AS beyond,
        row_number() OVER (PARTITION BY j.queue_id, j.group_name ORDER BY j.rank DESC, j.id DESC) AS worst
      FROM queues q
      CROSS JOIN tasks t ON t.task = q.task
      CROSS JOIN jobs j INDEXED BY jobs_ready ON j.place = ${ready} AND j.queue_id = q.id
      CROSS JOIN groups g ON g.queue_id = j.queue_id AND g.name = j.group_name
      WHERE t.group_limit IS NOT NULL AND g.held > t.group_limit
    )
    WHERE worst <= beyond
  )`;

interface SumRow {
  readonly place: number;
  readonly jobs: number;
  /** null for a sum over no rows. */
  readonly grouped: number | null;
}

interface Group {
  readonly queueId: number;
  readonly group: string;
}

const GROUPS_WITH_PARKED = `
  SELECT DISTINCT queue_id AS queueId, group_name AS "group" FROM jobs INDEXED BY jobs_parked
  WHERE place = ${parked} AND after_job IS NULL`;

const RECORDS_WRONG = `
  SELECT 1 FROM scopes s
  WHERE s.records <> (SELECT coalesce(sum(t.records), 0) FROM record_tallies t WHERE t.scope_id = s.id)
  LIMIT 1`;

/** Each line reads one covering index from end to end in its own order, so that nothing is sorted. */
const SUMS_OF_JOBS = `
  SELECT place, count(*) AS jobs, sum(group_name IS NOT NULL) AS grouped FROM jobs INDEXED BY jobs_waiting
  WHERE place <= ${parked} GROUP BY place
  UNION ALL
  SELECT ${running}, count(*), sum(group_name IS NOT NULL) FROM jobs INDEXED BY jobs_running
  WHERE place = ${running}
  UNION ALL
  SELECT place, count(*), 0 FROM jobs INDEXED BY jobs_ended
  WHERE place > ${running} GROUP BY queue_id, place`;

/**
 * Mends permits and tallies if their sums differ from the jobs' or records'. They are committed together with the jobs, so only a
 * defect can part them; a kill cannot. Looking costs 0.1 s a million jobs, counting anew seconds.
 */
export function recountIfWrong(core: Core): void {
  const { db } = core;
  const tallied = new Map(
    db.prepare<[], [number, number]>('SELECT place, sum(jobs) FROM tallies GROUP BY place').raw().all(),
  );
  let held = db.prepare<[], number>('SELECT coalesce(sum(held), 0) FROM groups').pluck().get() ?? 0;
  for (const { place, jobs, grouped } of db.prepare<[], SumRow>(SUMS_OF_JOBS).all()) {
    tallied.set(place, (tallied.get(place) ?? 0) - jobs);
    if (place === ready || place === running) held -= grouped ?? 0;
  }
  if (held !== 0 || [...tallied.values()].some((difference) => difference !== 0)) recount(core);
  if (db.prepare(RECORDS_WRONG).get() !== undefined) {
    db.exec(COUNT_RECORDS);
    core.recordTally.forget();
  }
}

/**
 * Counts permits and tallies anew from the jobs, and gives every job the place that its group's limit allows: jobs
 * beyond a lowered limit are parked, worst first; parked ones that have room get ready, best first.
 *
 * The counts read covering indexes, never the jobs themselves.
 */
export function recount(core: Core): void {
  const { db, permits, tally } = core;
  db.exec(RECOUNT_PERMITS);
  if (db.prepare(PARK_BEYOND_LIMITS).run().changes > 0) db.exec(RECOUNT_PERMITS);
  const groups = db.prepare<[], Group>(GROUPS_WITH_PARKED).all();
  for (const { queueId, group } of groups) permits.fill(queueId, group);
  db.exec(RECOUNT_TALLIES);
  // What this transaction has moved so far is in the rows that were counted.
  tally.forget();
}
