import type { BeatEnd } from '../heartbeat/beat.js';
import type { OverAttempt } from './record.js';

/** As the heartbeat tells of them. How they ended is said when it is written down: until then it may come out otherwise. */
export function toldEnds(ends: readonly OverAttempt[]): readonly BeatEnd[] {
  return ends.map(({ claim: { id, workspace, task, attempt } }) => ({ job: id, workspace, task, attempt }));
}
