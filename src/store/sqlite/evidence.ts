import { stateOfPlace } from '../../job/job.js';
import type { KnownJob } from './job-door.js';

/** What a job is known to have done, for people: `running since 2026-01-01T19:00:00.000Z, attempt 1`. */
export function evidenceOf({ id, place, attempt, startedAtMs, endedAtMs, runAtMs }: KnownJob): string {
  const state = stateOfPlace(place);
  const at = (ms: number | null) => (ms === null ? 'an unknown time' : new Date(ms).toISOString());
  switch (state) {
    case 'pending':
      return `job ${id} waits for ${at(runAtMs)}`;
    case 'running':
      return `job ${id} runs since ${at(startedAtMs)}, attempt ${attempt}`;
    default:
      return `job ${id} ${state} at ${at(endedAtMs)}`;
  }
}
