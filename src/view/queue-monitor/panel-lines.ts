import { countText, durationText } from '../../platform/duration-text.js';
import type { JobSummary } from '../../store/read-contract.js';
import { escapeText } from '../escape.js';
import { clipLine, fitParts, type ScreenPart, wrapLine } from '../fit-lines.js';
import { shownReason } from '../job-json.js';
import { outageLines } from '../outage-text.js';
import {
  type Layout,
  problemLines,
  queueText,
  readingLines,
  taskTable,
  verdictLine,
  waitingLines,
  workerText,
} from '../screen-parts.js';
import type { SystemSnapshot } from '../snapshot.js';
import { slotRows } from './slot-rows.js';
import { type Throughput, throughputText } from './throughput.js';

/** In fewer rows a sentence has one line, and what it says last is cut. */
const ROWS_TO_WRAP = 8;

/** What stands above the list of jobs, in at most `rows` lines: the verdict first, then what changes most. */
export function panelLines(
  snapshot: SystemSnapshot,
  lastFailed: JobSummary | null,
  throughput: Throughput,
  layout: Layout,
  rows: number,
): string[] {
  const { columns, paint } = layout;
  const wrap = (line: string) => (rows < ROWS_TO_WRAP ? [clipLine(line, columns)] : wrapLine(line, columns));
  const part = (entries: readonly (readonly string[])[], head: readonly string[] = []): ScreenPart => {
    return { title: '', head, list: entries, total: entries.length };
  };
  const clip = (lines: readonly string[]) => lines.map((line) => [clipLine(line, columns)]);
  const top = [
    firstLine(snapshot, layout),
    ...problemLines(snapshot, layout),
    queueText(snapshot),
    ...readingLines(snapshot),
  ].flatMap(wrap);
  const waiting = [
    ...outageLines(snapshot.outages, snapshot.takenAtMs, layout),
    ...waitingLines(snapshot, layout).map((line) => `✋ ${line}`),
  ];
  const [tableHead = '', ...tasks] = snapshot.tasks.length > 0 ? taskTable(snapshot, layout) : [];
  const parts = [
    part(clip(slotRows(snapshot, layout))),
    part(waiting.map(wrap)),
    part(clip(failedLines(snapshot, lastFailed, layout))),
    part(clip(tasks), tasks.length === 0 ? [] : [clipLine(tableHead, columns)]),
    part(snapshot.countedFrom === 'database' ? clip([paint(throughputText(throughput), 'cyan')]) : []),
  ].filter(({ list }) => list.length > 0);
  return [...top, ...fitInOrder(parts, rows - top.length)].slice(0, Math.max(0, rows));
}

/** What comes last is left out where there is no room for at least two lines of each. */
function fitInOrder(parts: readonly ScreenPart[], rows: number): string[] {
  const least = ({ head, list }: ScreenPart) => head.length + Math.min(2, list.flat().length);
  let kept = parts;
  while (kept.length > 1 && kept.reduce((sum, one) => sum + least(one), 0) > rows) kept = kept.slice(0, -1);
  if (rows < 2) return kept.flatMap(({ list }) => list.flat()).slice(0, Math.max(0, rows));
  return fitParts(kept, rows);
}

function firstLine(snapshot: SystemSnapshot, layout: Layout): string {
  const verdict = verdictLine(snapshot, layout);
  return snapshot.verdict === 'running'
    ? `${verdict}  ${layout.paint(workerText(snapshot), 'dim')}`
    : verdict;
}

function failedLines(
  { queue, takenAtMs }: SystemSnapshot,
  last: JobSummary | null,
  { paint }: Layout,
): string[] {
  if (queue.failed === 0 || last === null) return [];
  const ago = last.endedAtMs === null ? '' : `, ${durationText(takenAtMs - last.endedAtMs)} ago`;
  const why = escapeText(`${last.task} "${last.key}"${ago}: ${shownReason(last) ?? 'no reason was kept'}`);
  return [`${paint(`💀 ${countText(queue.failed)} dead`, 'red')}, the newest is #${last.id} ${why}`];
}
