import { PLACES } from '../../job/job.js';
import type { Core } from './core.js';

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
  DELETE FROM tallies;
  INSERT INTO tallies (queue_id, place, jobs)
  SELECT queue_id, place, count(*) FROM jobs INDEXED BY jobs_waiting
  WHERE place <= ${parked} GROUP BY queue_id, place
  UNION ALL
  SELECT queue_id, place, count(*) FROM jobs INDEXED BY jobs_running
  WHERE place = ${running} GROUP BY queue_id, place
  UNION ALL
  SELECT queue_id, place, count(*) FROM jobs INDEXED BY jobs_ended
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

interface Group {
  readonly queueId: number;
  readonly group: string;
}

const GROUPS_WITH_PARKED = `
  SELECT DISTINCT queue_id AS queueId, group_name AS "group" FROM jobs INDEXED BY jobs_parked
  WHERE place = ${parked} AND after_job IS NULL`;

/**
 * Counts permits and tallies anew from the jobs, and gives every job the place that its group's limit allows: jobs
 * beyond a lowered limit are parked, worst first; parked ones that have room get ready, best first.
 *
 * Each commit keeps these numbers right, so this mends only what a defect has bent, and follows a changed limit. The
 * counts read covering indexes, never the jobs themselves.
 */
export function recount(core: Core): void {
  const { db, permits, tally } = core;
  db.exec(RECOUNT_PERMITS);
  if (db.prepare(PARK_BEYOND_LIMITS).run().changes > 0) db.exec(RECOUNT_PERMITS);
  for (const { queueId, group } of db.prepare<[], Group>(GROUPS_WITH_PARKED).all())
    permits.fill(queueId, group);
  db.exec(RECOUNT_TALLIES);
  // What this transaction has moved so far is in the rows that were counted.
  tally.forget();
}
