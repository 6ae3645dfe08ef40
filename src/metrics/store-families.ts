import { queueOf } from '../heartbeat/compose-beat.js';
import type { Move, MovePhase } from '../store/move-contract.js';
import type { OutboxCounts, QueueCounts } from '../store/read-contract.js';
import { type Family, flag, gauge, type Row } from './family.js';
import type { Naming } from './naming.js';

/** What stands in the database, now. `dependencies`: those of the config, so that each has its breaker, open or not. */
export function storeFamilies(
  counts: QueueCounts,
  naming: Naming,
  dependencies: readonly string[],
  nowMs: number,
): readonly Family[] {
  const oldestMs = counts.oldestDueAtMs === null ? 0 : Math.max(0, nowMs - counts.oldestDueAtMs);
  const source = (rows: (counts: QueueCounts['sources'][number]) => number): readonly Row[] =>
    counts.sources.map((one) => [
      { workspace: naming.workspace(one.workspace), source: naming.source(one.name) },
      rows(one),
    ]);
  return [
    gauge(
      'dogged_jobs',
      'Jobs in the database by state; pending ones are due, scheduled ones are not. Ended ones are pruned after keep.',
      counts.tasks.flatMap(jobsOf(naming)),
    ),
    gauge(
      'dogged_queue_oldest_pending_seconds',
      'For how long the oldest due job has waited; 0 when none does.',
      oldestMs / 1000,
    ),
    flag('dogged_paused', 'Whether everything is paused.', counts.pausedAll),
    flag(
      'dogged_task_paused',
      'Whether a task is paused.',
      counts.tasks.map(({ workspace, task, paused }) => [
        { workspace: naming.workspace(workspace), task: naming.task(task) },
        paused,
      ]),
    ),
    breakerFamily(counts, naming, dependencies, nowMs),
    gauge(
      'dogged_outage_held_jobs',
      'Jobs that wait for a dependency that is away.',
      counts.outages.map(({ dependency, held }) => [{ dependency: naming.dependency(dependency) }, held]),
    ),
    gauge(
      'dogged_source_records',
      'Distinct keys that were ever admitted.',
      source(({ records }) => records),
    ),
    gauge(
      'dogged_source_rejects',
      'Records that are refused now.',
      source(({ rejected }) => rejected),
    ),
    ...(counts.outbox === undefined ? [] : redisFamilies(counts.outbox, nowMs)),
    ...(counts.move === undefined ? [] : moveFamilies(counts.move, nowMs)),
  ];
}

/** Only where jobs run through Redis. */
function redisFamilies(
  { waiting, elsewhere, problem, problemSinceMs, guests }: OutboxCounts,
  nowMs: number,
): readonly Family[] {
  return [
    flag('dogged_redis_up', 'Whether Redis takes jobs.', problem === null),
    gauge(
      'dogged_redis_away_seconds',
      'For how long Redis has taken no jobs; 0 when it takes them.',
      problem === null ? 0 : secondsSince(problemSinceMs, nowMs),
    ),
    gauge(
      'dogged_outbox_jobs',
      'Ready jobs that Redis is still to be given. Counted up to 100,000.',
      waiting,
    ),
    gauge('dogged_elsewhere_jobs', 'Jobs of this machine that run at others, or may.', elsewhere),
    gauge('dogged_guest_jobs', 'Jobs of other machines that run here.', guests.length),
  ];
}

/** Only while jobs move from one store to another. */
function moveFamilies(move: Move, nowMs: number): readonly Family[] {
  const { phase, problemSinceMs, mirrorProblemSinceMs } = move;
  return [
    flag(
      'dogged_move_phase',
      'Whether a move of the jobs to another store is in this phase.',
      PHASES.map((name) => [{ phase: name }, name === phase]),
    ),
    gauge(
      'dogged_move_problem_seconds',
      'For how long something that is known has kept the move from going on; 0 when nothing does.',
      Math.max(secondsSince(problemSinceMs, nowMs), secondsSince(mirrorProblemSinceMs, nowMs)),
    ),
    ...mirrorFamilies(move),
  ];
}

const PHASES: readonly MovePhase[] = ['dual', 'cutover', 'moved', 'return', 'ending'];

function secondsSince(sinceMs: number | null, nowMs: number): number {
  return sinceMs === null ? 0 : Math.max(0, nowMs - sinceMs) / 1000;
}

function mirrorFamilies({ behind, divergent, mirror, mirrorProblem }: Move): readonly Family[] {
  if (mirror === null) return [];
  return [
    flag('dogged_dual_write_up', 'Whether the mirror takes all that it is sent.', mirrorProblem === null),
    gauge(
      'dogged_dual_write_behind',
      'Jobs whose change the mirror has still to follow. Counted up to 100,000.',
      behind,
    ),
    gauge(
      'dogged_dual_write_divergent_jobs',
      'Jobs that differed at the last look at both sides, and those that readers have met since.',
      divergent === null ? [] : [[{}, divergent]],
    ),
  ];
}

function jobsOf(naming: Naming): (counts: QueueCounts['tasks'][number]) => readonly Row[] {
  return ({ workspace, task, places }) => {
    // The outbox is none of a task's.
    const { outbox: _, ...states } = queueOf(places);
    return Object.entries(states).map(([state, jobs]) => [
      { workspace: naming.workspace(workspace), task: naming.task(task), state },
      jobs,
    ]);
  };
}

/** Three samples for each dependency, of which one is 1. */
function breakerFamily(
  { outages }: QueueCounts,
  naming: Naming,
  dependencies: readonly string[],
  nowMs: number,
): Family {
  const away = new Map(outages.map(({ dependency, trial }) => [dependency, trial]));
  const stateOf = (name: string) => {
    const trial = away.get(name);
    if (trial === undefined) return 'closed';
    return trial !== null && trial.retryAtMs <= nowMs ? 'half-open' : 'open';
  };
  return flag(
    'dogged_breaker_state',
    'Whether the breaker of a dependency is in this state; a task without one has a breaker of its own name.',
    [...new Set([...dependencies, ...away.keys()])].flatMap((name) =>
      ['closed', 'open', 'half-open'].map(
        (state) => [{ dependency: naming.dependency(name), state }, stateOf(name) === state] as const,
      ),
    ),
  );
}
