import { JOB_STATES, type JobState, stateOfPlace } from '../../job/job.js';
import type { JobFilter, TaskCounts } from '../../store/read-contract.js';

export type ListFilter = Pick<JobFilter, 'states' | 'task' | 'keyPart'>;

/**
 * The words that a person typed: names of states and of a task are taken as such, the rest is looked for in the keys.
 * `key:`, `task:` and `state:` before a word say which is meant.
 */
export function parseFilter(text: string, tasks: readonly string[]): ListFilter {
  const states: JobState[] = [];
  const keyParts: string[] = [];
  let task: string | undefined;
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const [, kind, value = ''] = /^(key|task|state):(.*)$/.exec(word) ?? ['', '', word];
    const state = JOB_STATES.find((name) => name === value);
    if (kind === 'key') keyParts.push(value);
    else if (kind === 'task') task = value;
    else if (state !== undefined) states.push(state);
    else if (kind === '' && tasks.includes(value)) task = value;
    else keyParts.push(value);
  }
  return {
    ...(states.length === 0 ? {} : { states }),
    ...(task === undefined ? {} : { task }),
    ...(keyParts.length === 0 ? {} : { keyPart: keyParts.join(' ') }),
  };
}

/** How many jobs there are of these; null where only a search through the keys could tell. */
export function matchCount(tasks: readonly TaskCounts[], filter: ListFilter): number | null {
  if (filter.keyPart !== undefined) return null;
  let sum = 0;
  for (const { task, places } of tasks) {
    if (filter.task !== undefined && filter.task !== task) continue;
    for (const [place, jobs] of Object.entries(places) as [keyof typeof places, number][]) {
      if (filter.states?.includes(stateOfPlace(place)) ?? true) sum += jobs;
    }
  }
  return sum;
}
