import { PLACES } from '../../job/job.js';
import type { Core } from './core.js';

const { ready, parked, running } = PLACES;

interface GroupRow {
  readonly queueId: number;
  readonly group: string;
  readonly held: number;
}

/**
 * Counts permits and tallies anew from the jobs, and gives every job the place that its group's limit allows: jobs
 * beyond a lowered limit are parked, worst first; parked ones that have room get ready, best first.
 *
 * Each commit keeps these numbers right, so this mends only what a defect has bent, and follows a changed limit. It
 * reads covering indexes, never the jobs themselves.
 */
export function recount(core: Core): void {
  const { db } = core;
  // Indexes: jobs_waiting, jobs_running.
  db.exec(`
    DELETE FROM groups;
    INSERT INTO groups (queue_id, name, held)
    SELECT queue_id, group_name, count(*)
    FROM (
      SELECT queue_id, group_name FROM jobs
      WHERE place = ${ready} AND place <= ${parked} AND group_name IS NOT NULL
      UNION ALL
      SELECT queue_id, group_name FROM jobs
      WHERE place = ${running} AND group_name IS NOT NULL
    )
    GROUP BY queue_id, group_name;
  `);
  // Indexes: jobs_waiting, jobs_running, jobs_ended.
  db.exec(`
    DELETE FROM tallies;
    INSERT INTO tallies (queue_id, place, jobs)
    SELECT queue_id, place, count(*) FROM jobs WHERE place <= ${parked} GROUP BY queue_id, place
    UNION ALL
    SELECT queue_id, place, count(*) FROM jobs WHERE place = ${running} GROUP BY queue_id, place
    UNION ALL
    SELECT queue_id, place, count(*) FROM jobs WHERE place > ${running} GROUP BY queue_id, place;
  `);
  parkBeyondLimits(core);
  fillRoom(core);
}

function parkBeyondLimits({ db, names, tally }: Core): void {
  const groups = db
    .prepare<[], GroupRow>('SELECT queue_id AS queueId, name AS "group", held FROM groups')
    .all();
  // Only after a limit was lowered: it may look at the whole line of that queue.
  const worst = db
    .prepare<[number, string, number], number>(`
      SELECT id FROM jobs
      WHERE place = ${ready} AND queue_id = ? AND group_name = ?
      ORDER BY rank DESC, id DESC
      LIMIT ?`)
    .pluck();
  const park = db.prepare<[number]>(`UPDATE jobs SET place = ${parked} WHERE id = ?`);
  const hold = db.prepare<[number, number, string]>(
    'UPDATE groups SET held = ? WHERE queue_id = ? AND name = ?',
  );
  const drop = db.prepare<[number, string]>('DELETE FROM groups WHERE queue_id = ? AND name = ?');
  for (const { queueId, group, held } of groups) {
    const limit = names.queueById(queueId).groupLimit;
    if (limit === null || held <= limit) continue;
    const beyond = worst.all(queueId, group, held - limit);
    for (const id of beyond) {
      park.run(id);
      tally.move(queueId, 'ready', 'parked');
    }
    if (held === beyond.length) drop.run(queueId, group);
    else hold.run(held - beyond.length, queueId, group);
  }
}

function fillRoom({ db, permits, tally }: Core): void {
  // Index: jobs_parked.
  const groups = db
    .prepare<[], Omit<GroupRow, 'held'>>(`
      SELECT DISTINCT queue_id AS queueId, group_name AS "group" FROM jobs
      WHERE place = ${parked} AND after_job IS NULL`)
    .all();
  const best = db
    .prepare<[number, string], number>(`
      SELECT id FROM jobs
      WHERE place = ${parked} AND after_job IS NULL AND queue_id = ? AND group_name = ?
      ORDER BY rank, id
      LIMIT 1`)
    .pluck();
  const makeReady = db.prepare<[number]>(`UPDATE jobs SET place = ${ready} WHERE id = ?`);
  for (const { queueId, group } of groups) {
    const seeker = { queueId, group, runAtMs: 0 };
    for (let id = best.get(queueId, group); id !== undefined; id = best.get(queueId, group)) {
      if (permits.seat(seeker, 0) === 'parked') break;
      makeReady.run(id);
      tally.move(queueId, 'parked', 'ready');
    }
  }
}
