import type { BeatWaiting, WaitingReason } from '../heartbeat/beat.js';
import { concurrencyOf, type LimitedTask, roomOf } from './limits.js';
import type { Pressure } from './pressure.js';

/** The line of one task in one workspace, as the store counts it. */
export interface TaskLine {
  readonly task: string;
  readonly paused: boolean;
  readonly places: {
    readonly ready: number;
    readonly parked: number;
    readonly scheduled: number;
    readonly running: number;
  };
  /** Of the scheduled ones: whose time has come by the wall clock. */
  readonly overdue?: number;
}

export interface WaitingInput {
  readonly lines: readonly TaskLine[];
  readonly pausedAll: boolean;
  readonly slots: number;
  readonly freeSlots: number;
  readonly tasks: readonly (LimitedTask & { readonly group: object | null })[];
  /** Tasks whose breaker is open or half-open. */
  readonly held?: ReadonlySet<string>;
  /** A job runs alone, or waits for everything else to end so that it can: nothing else is taken from the line. */
  readonly alone?: boolean;
  /** The machine has no room: nothing is taken from any line. */
  readonly pressure?: Pressure | null;
  /** The store is Redis: why it takes nothing, and how many jobs this worker could claim there (null: not known). */
  readonly outbox?: { readonly problem: string | null; readonly claimable: number | null };
  /** The wall clock is not trusted: what is overdue is held. */
  readonly clockHolds?: boolean;
}

export interface WaitingAnswer {
  /**
   * Every job that is due and cannot start now, counted under its task and reason. Under `breaker` those of later, too:
   * between two tries a task that is away has nothing else, and would be told of no more.
   */
  readonly waiting: readonly BeatWaiting[];
  /** Jobs that the next claim can take. */
  readonly runnable: number;
}

/**
 * Says why what is due does not run. Each job is counted once, under the reason that would hold it back first:
 * pause, then breaker, then the clock, then its group, then Redis, then a machine without room, then a job that runs alone, then
 * its task's concurrency, then the slots, then other machines. A task that the config no longer has counts as paused: nobody runs it.
 */
export function explainWaiting(input: WaitingInput): WaitingAnswer {
  const tasks = new Map(input.tasks.map((task) => [task.name, task]));
  const running = countRunning(input.lines);
  const counts = new Map<string, BeatWaiting>();
  let runnable = 0;
  let freeSlots = input.freeSlots;

  const add = (task: string, reason: WaitingReason, jobs: number) => {
    if (jobs <= 0) return;
    const key = `${task}\n${reason}`;
    counts.set(key, { task, reason, jobs: jobs + (counts.get(key)?.jobs ?? 0) });
  };

  for (const { task: name, paused, places, overdue = 0 } of input.lines) {
    const task = tasks.get(name);
    const held = input.clockHolds ? overdue : 0;
    if (task === undefined || paused || input.pausedAll) {
      add(name, 'paused', places.ready + places.parked + held);
      continue;
    }
    if (input.held?.has(name)) {
      add(name, 'breaker', places.ready + places.parked + places.scheduled);
      continue;
    }
    add(name, 'clock', held);
    // Without a group, what parks a job is the older version of its record that still runs.
    add(name, task.group === null ? 'concurrency' : 'group', places.parked);

    if (input.outbox?.problem) {
      add(name, 'redis', places.ready);
      continue;
    }
    if (input.pressure || input.alone) {
      add(name, input.pressure || 'alone', places.ready);
      continue;
    }
    const taken = running.get(name) ?? 0;
    const now = Math.min(places.ready, roomOf(task, taken, freeSlots));
    add(name, tighterLimit(task, taken, freeSlots, input.slots), places.ready - now);
    if (input.outbox?.claimable === 0) {
      add(name, 'elsewhere', now);
      continue;
    }
    running.set(name, taken + now);
    runnable += now;
    freeSlots -= now;
  }
  return { waiting: [...counts.values()], runnable };
}

/** Tasks that these ongoing outages hold back. */
export function heldTasks(
  outages: readonly { readonly trial: { readonly tasks: readonly string[] } | null }[],
): ReadonlySet<string> {
  return new Set(outages.flatMap(({ trial }) => trial?.tasks ?? []));
}

function tighterLimit(task: LimitedTask, running: number, freeSlots: number, slots: number): WaitingReason {
  const limit = concurrencyOf(task);
  if (limit >= slots) return 'slots';
  return limit - running <= freeSlots ? 'concurrency' : 'slots';
}

function countRunning(lines: readonly TaskLine[]): Map<string, number> {
  const running = new Map<string, number>();
  for (const { task, places } of lines) running.set(task, (running.get(task) ?? 0) + places.running);
  return running;
}
