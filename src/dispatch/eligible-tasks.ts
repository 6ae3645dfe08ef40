import type { TaskConfig } from '../config/config.js';
import { roomOf } from '../policy/limits.js';
import type { EligibleTask } from '../store/contract.js';
import type { Admittance } from './breakers.js';
import type { Slots } from './slots.js';

/** Which tasks may run jobs now, and how many more each. */
export function eligibleTasks(
  tasks: readonly TaskConfig[],
  slots: Pick<Slots, 'free' | 'runningByTask'>,
  admits: (task: string) => Admittance,
): EligibleTask[] {
  const eligible: EligibleTask[] = [];
  for (const task of tasks) {
    const room = roomOf(task, slots.runningByTask.get(task.name) ?? 0, slots.free);
    const admittance = admits(task.name);
    if (room <= 0 || admittance === 'none') continue;
    if (admittance === 'one') eligible.push({ task: task.name, room: 1, trialOf: task.breaker.dependency });
    else eligible.push({ task: task.name, room });
  }
  return eligible;
}
