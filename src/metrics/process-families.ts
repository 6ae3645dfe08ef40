import { readTally } from '../health/tally.js';
import type { RecoveryLine } from '../heartbeat/recovery-log.js';
import type { ProcessesLook, Verdict } from '../view/worker-look.js';
import { counter, type Family, flag, gauge } from './family.js';
import type { Naming } from './naming.js';

const VERDICTS: readonly Verdict[] = ['running', 'stuck', 'dead', 'stopped', 'unknown'];
const OUTCOMES: readonly RecoveryLine['outcome'][] = ['begun', 'recovered', 'failed', 'waiting', 'gave-up'];

/** What the state folder alone tells: whether anybody runs, and what the health monitor had to do. */
export function processFamilies(
  look: ProcessesLook,
  stateFolder: string,
  recoveries: ReadonlyMap<string, number>,
  naming: Naming,
): readonly Family[] {
  const { verdict, monitor, beat } = look;
  return [
    flag(
      'dogged_worker_up',
      'Whether a worker is at work: its process is there, and its heartbeat is not too old.',
      verdict === 'running',
    ),
    flag(
      'dogged_worker_state',
      'The verdict of dogged status.',
      VERDICTS.map((state) => [{ state }, state === verdict]),
    ),
    flag('dogged_monitor_up', 'Whether the health monitor runs.', monitor.pid !== null),
    flag(
      'dogged_monitor_gave_up',
      'Whether the health monitor gave up on starting a worker.',
      readTally(stateFolder)?.phase === 'gave-up',
    ),
    counter(
      'dogged_recoveries_total',
      'Lines of recovery.ndjson by outcome; begins anew when that file is rotated.',
      OUTCOMES.map((outcome) => [{ outcome }, recoveries.get(outcome) ?? 0]),
    ),
    ...(beat === null
      ? []
      : [
          gauge(
            'dogged_heartbeat_timestamp_seconds',
            'When the last heartbeat was written, in seconds since the epoch.',
            Date.parse(beat.wallTime) / 1000,
          ),
          counter('dogged_worker_starts_total', 'Workers that ever took this database.', beat.epoch),
        ]),
    ...(beat === null || verdict !== 'running'
      ? []
      : [
          gauge(
            'dogged_waiting_jobs',
            'Due jobs that wait, by what for, as of the last heartbeat.',
            beat.waiting.map(({ task, reason, jobs }) => [{ task: naming.task(task), reason }, jobs]),
          ),
          flag(
            'dogged_clock_suspect',
            'Whether due times are held because the wall clock is not trusted.',
            beat.clock?.state === 'suspect',
          ),
        ]),
  ];
}
