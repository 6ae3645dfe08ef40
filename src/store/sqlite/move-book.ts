import type { Database } from 'better-sqlite3';
import type { ChosenStore, Move, MovePhase } from '../move-contract.js';

/*
 * The rows of a move between stores. Everything runs inside a transaction of the caller's. A short command asks seldom, so
 * nothing is prepared ahead.
 */

/** Which store runs the jobs now. */
export function currentStore(db: Database): string {
  return db.prepare<[], string>('SELECT address FROM remote').pluck().get() ?? 'sqlite';
}

export function beginMove(
  db: Database,
  move: Pick<Move, 'target' | 'source' | 'phase' | 'startedAtMs'>,
): void {
  db.prepare('INSERT INTO move (one, target, source, phase, started_at) VALUES (1, ?, ?, ?, ?)').run(
    move.target,
    move.source,
    move.phase,
    move.startedAtMs,
  );
}

/** False, and nothing is changed, where the move stands in another phase by now, or is over. */
export function changePhase(db: Database, from: MovePhase, to: MovePhase): boolean {
  return db.prepare('UPDATE move SET phase = ? WHERE phase = ?').run(to, from).changes === 1;
}

export function noteCutover(db: Database, untilId: number, atMs: number): void {
  db.prepare('UPDATE move SET cutover_until = ?, cutover_at = ?').run(untilId, atMs);
}

export function noteMoveProblem(db: Database, problem: string | null, nowMs: number): void {
  db.prepare(`
    UPDATE move SET problem = ?, problem_since = iif(? IS NULL, NULL, coalesce(problem_since, ?))
    WHERE problem IS NOT ?`).run(problem, problem, nowMs, problem);
}

export function endMove(db: Database): void {
  db.prepare('DELETE FROM move').run();
}

export function readChosenStore(db: Database): ChosenStore | null {
  return db.prepare<[], ChosenStore>('SELECT store, at AS atMs FROM chosen_store').get() ?? null;
}

/** null: the config says where jobs run. */
export function chooseStore(db: Database, store: string | null, nowMs: number): void {
  db.prepare('DELETE FROM chosen_store').run();
  if (store !== null)
    db.prepare('INSERT INTO chosen_store (one, store, at) VALUES (1, ?, ?)').run(store, nowMs);
}
