import { isoTime } from '../platform/clock.js';
import type { Outage } from '../store/read-contract.js';

/** An outage as `outages --json` promises it, and `status` and `queue` for those that go on. */
export function outageJson({ id, dependency, sinceMs, untilMs, cause, held, evidence }: Outage): object {
  return {
    id,
    dependency,
    state: untilMs === null ? 'ongoing' : 'closed',
    since: isoTime(sinceMs),
    until: isoTime(untilMs),
    cause,
    held,
    evidence,
  };
}
