import { ALONE_FROM_CRASHES } from '../../job/job.js';
import type { EligibleTask } from '../contract.js';
import type { TaskQueue } from './queues.js';

/** A job at the head of a queue in Redis, as it was a moment ago. */
export interface Head {
  readonly queue: TaskQueue;
  readonly id: string;
  readonly rank: number;
  readonly crashes: number;
}

export interface Picked {
  /** From which queue to claim, in this order. */
  readonly queues: readonly TaskQueue[];
  /** The job that must run alone, and stands first among those that are left. */
  readonly alone: string | null;
}

/**
 * Which queues to claim from, best rank first: within the free slots and the rooms of tasks, one job only for a breaker that is
 * tried. A job that must run alone holds up those behind it until nothing else runs here.
 */
export function pick(
  heads: readonly Head[],
  freeSlots: number,
  eligible: readonly EligibleTask[],
  othersRun: boolean,
): Picked {
  const rooms = new Map(eligible.map(({ task, room }) => [task, room]));
  const queues: TaskQueue[] = [];
  for (const { queue, id, crashes } of [...heads].sort((a, b) => a.rank - b.rank)) {
    if (queues.length === freeSlots) break;
    const room = rooms.get(queue.task) ?? 0;
    if (room === 0) continue;
    if (crashes >= ALONE_FROM_CRASHES) {
      return { queues: queues.length === 0 && !othersRun ? [queue] : queues, alone: id };
    }
    rooms.set(queue.task, room - 1);
    queues.push(queue);
    const trial = eligible.find(({ task }) => task === queue.task)?.trialOf;
    if (trial === undefined) continue;
    for (const { task, trialOf } of eligible) if (trialOf === trial) rooms.set(task, 0);
  }
  return { queues, alone: null };
}
