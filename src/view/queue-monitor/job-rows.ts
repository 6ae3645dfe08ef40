import { countText, durationText } from '../../platform/duration-text.js';
import type { JobSummary } from '../../store/read-contract.js';
import { escapeText } from '../escape.js';
import { clipLine, plainLine } from '../fit-lines.js';
import { reasonText } from '../job-json.js';
import { jobRemark, stateCell } from '../jobs-table.js';
import type { Layout } from '../screen-parts.js';
import type { SystemSnapshot } from '../snapshot.js';
import { type Column, formatTable } from '../table.js';
import { padText, textWidth } from '../text-width.js';
import { waitingFor } from '../waiting-for.js';
import { matchCount, parseFilter } from './list-filter.js';
import type { MonitorState } from './monitor-state.js';
import { throughputText } from './throughput.js';

/** Below this there is room for state and key alone. */
const WIDE_COLUMNS = 64;
const LONGEST_STATE = 'completed'.length;
const MARK = '❯ ';
const GAP = 2;

/** The visible part of the list, the job under the cursor marked, and readable as such without colours. */
export function jobRows(
  jobs: readonly JobSummary[],
  cursor: number,
  snapshot: SystemSnapshot,
  { columns, paint }: Layout,
): string[] {
  const isWide = columns >= WIDE_COLUMNS;
  const titles: Column[] = [{ title: '', align: 'right' }, { title: '' }];
  if (isWide) titles.push({ title: '', shrinkTo: 8 });
  titles.push({ title: '', shrinkTo: 10 });
  if (isWide) titles.push({ title: '', align: 'right' }, { title: '', shrinkTo: 12 });
  const rows = jobs.map((job) => {
    const waits = waitingFor(job, snapshot);
    const { text, style } = stateCell(job, waits);
    const head = [`#${job.id}`, { text: padText(text, LONGEST_STATE), style }];
    if (!isWide) return [...head, job.key];
    const when = waits === 'end' ? '' : whenText(job, snapshot.takenAtMs);
    return [...head, job.task, job.key, when, remark(job, snapshot)];
  });
  const width = columns - MARK.length;
  return formatTable(titles, rows, width, paint).map((line, row) => {
    const clipped = clipLine(line, width);
    if (row !== cursor) return ' '.repeat(MARK.length) + clipped;
    return paint(padText(MARK + plainLine(clipped), columns), 'inverse');
  });
}

/** When a scheduled job is due stands beside it already. */
function remark(job: JobSummary, snapshot: SystemSnapshot): string {
  const isTold = job.place === 'scheduled' && waitingFor(job, snapshot) !== 'clock';
  return isTold ? (reasonText(job) ?? '') : jobRemark(job, snapshot);
}

function whenText(job: JobSummary, nowMs: number): string {
  if (job.endedAtMs !== null) return `${durationText(nowMs - job.endedAtMs)} ago`;
  if (job.startedAtMs !== null && job.place === 'running')
    return `for ${durationText(nowMs - job.startedAtMs)}`;
  return job.runAtMs > nowMs
    ? `in ${durationText(job.runAtMs - nowMs)}`
    : `waits ${durationText(nowMs - job.runAtMs)}`;
}

/**
 * The line above the list: which jobs these are, how many there are, and whether there are more either way; at its end,
 * where there is room, how fast jobs come to theirs.
 */
export function listTitle(
  { position: { filter }, page, throughput }: Pick<MonitorState, 'position' | 'page' | 'throughput'>,
  isCut: boolean,
  snapshot: SystemSnapshot,
  { columns, paint }: Layout,
): string {
  const names = snapshot.tasks.map(({ task }) => task);
  const isCounted = snapshot.countedFrom === 'database';
  const count = isCounted ? matchCount(snapshot.tasks, parseFilter(filter, names)) : null;
  const parts = [count === null ? 'Jobs' : `Jobs (${countText(count)})`];
  if (filter !== '') parts.push(`only: ${escapeText(filter)}`);
  if (page.hasNewer) parts.push('↑ newer');
  if (page.hasOlder || isCut) parts.push('↓ older');
  const title = clipLine(parts.join('  '), columns);
  const pace = isCounted ? throughputText(throughput) : '';
  const room = columns - textWidth(title) - textWidth(pace);
  if (pace === '' || room < GAP) return paint(title, 'bold');
  return `${paint(title, 'bold')}${' '.repeat(room)}${paint(pace, 'cyan')}`;
}
