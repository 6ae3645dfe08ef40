import { type JobState, stateOfPlace } from '../job/job.js';
import { durationText } from '../platform/duration-text.js';
import type { JobSummary } from '../store/read-contract.js';
import type { Style } from './colour.js';
import { reasonText, shownReason } from './job-json.js';
import type { Layout } from './screen-parts.js';
import type { SystemSnapshot } from './snapshot.js';
import { formatTable } from './table.js';
import { type WaitingFor, waitingFor, waitingText } from './waiting-for.js';

const STYLES: Readonly<Record<JobState, Style>> = {
  pending: 'yellow',
  running: 'cyan',
  completed: 'green',
  failed: 'red',
  cancelled: 'dim',
  expired: 'dim',
};

/** For people: a job whose end is only kept by the worker stands as `running` in the database, and does not run. */
export function stateCell(job: Pick<JobSummary, 'place'>, waits: WaitingFor | null): StateCell {
  const state = stateOfPlace(job.place);
  return waits === 'end' ? { text: 'ended', style: 'yellow' } : { text: state, style: STYLES[state] };
}

interface StateCell {
  readonly text: string;
  readonly style: Style;
}

/** `dogged jobs`: one line a job, with what a person asks next: how long it took, why it failed, what it waits for. */
export function jobsTable(
  jobs: readonly JobSummary[],
  snapshot: SystemSnapshot,
  { columns, paint }: Layout,
): string[] {
  const nowMs = snapshot.takenAtMs;
  const rows = jobs.map((job) => {
    const waits = waitingFor(job, snapshot);
    return [
      job.id,
      stateCell(job, waits),
      job.task,
      job.key,
      String(job.attempts),
      `${durationText(nowMs - job.createdAtMs)} ago`,
      waits === 'end' ? '' : tookText(job, nowMs),
      jobRemark(job, snapshot),
    ];
  });
  return formatTable(
    [
      { title: 'ID', align: 'right' },
      { title: 'state' },
      { title: 'task', shrinkTo: 8 },
      { title: 'key', shrinkTo: 10 },
      { title: 'tries', align: 'right' },
      { title: 'created', align: 'right' },
      { title: 'took', align: 'right' },
      { title: '', shrinkTo: 12 },
    ],
    rows,
    columns,
    paint,
  );
}

/** How long the last attempt took, or runs by now. Empty where a job's times do not tell: it waits, or ended while it waited. */
export function tookText(
  job: Pick<JobSummary, 'place' | 'startedAtMs' | 'endedAtMs'>,
  nowMs: number,
): string {
  if (job.startedAtMs === null || !TIMED.includes(stateOfPlace(job.place))) return '';
  return durationText((job.endedAtMs ?? nowMs) - job.startedAtMs);
}

/** Which of the two it is, only Redis knows: a worker that is gone ends nothing. */
export const ELSEWHERE_TEXT =
  'at another machine, or its worker is gone and it waits for the end of its lease';

const TIMED: readonly JobState[] = ['running', 'completed', 'failed'];

/** What a person asks of it next: why it failed, or what it waits for. */
export function jobRemark(job: JobSummary, snapshot: SystemSnapshot): string {
  const reason = reasonText(job);
  const waits = waitingFor(job, snapshot);
  if (waits === 'time' || waits === 'backoff') {
    const due = `due in ${durationText(job.runAtMs - snapshot.takenAtMs)}`;
    return reason === null ? due : `${due}: ${reason}`;
  }
  if (waits !== null) return waitingText(waits);
  if (job.isElsewhere) return ELSEWHERE_TEXT;
  // What an earlier attempt died of is no remark on a job that was done.
  return job.place === 'completed' && shownReason(job) === job.reason ? '' : (reason ?? '');
}
