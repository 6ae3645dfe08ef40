import type { Database } from 'better-sqlite3';
import type { Move } from '../move-contract.js';

/** A beat must not count a million rows. */
const MOST_COUNTED = 100_000;

/** The move that is under way, or null. Inside a transaction or by itself. */
export function readMove(db: Database): Move | null {
  const row = db
    .prepare<[], Omit<Move, 'behind'>>(`
      SELECT target, source, phase, started_at AS startedAtMs, mirror, copied_to AS copiedTo, copy_until AS copyUntil,
        verified_at AS verifiedAtMs, divergent, cutover_until AS cutoverUntil, cutover_at AS cutoverAtMs, problem, problem_since AS problemSinceMs,
        mirror_problem AS mirrorProblem, mirror_problem_since AS mirrorProblemSinceMs
      FROM move`)
    .get();
  if (row === undefined) return null;
  const behind = db
    .prepare<[], number>(`SELECT count(*) FROM (SELECT 1 FROM mirror_outbox LIMIT ${MOST_COUNTED})`)
    .pluck()
    .get();
  return { ...row, behind: behind ?? 0 };
}
