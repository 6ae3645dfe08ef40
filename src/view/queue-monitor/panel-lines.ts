import { countText, durationText } from '../../platform/duration-text.js';
import type { JobSummary } from '../../store/read-contract.js';
import { escapeText } from '../escape.js';
import { clipLine, wrapLine } from '../fit-lines.js';
import { reasonText } from '../job-json.js';
import { outageLines } from '../outage-text.js';
import { redisText } from '../redis-text.js';
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
import { fillRows, type PanelPart } from './fill-rows.js';
import { slotRows } from './slot-rows.js';

/** In fewer rows a sentence has one line, and what it says last is cut. */
const ROWS_TO_WRAP = 8;

/** What stands above the list of jobs, in at most `rows` lines: the verdict first, then what changes most. */
export function panelLines(
  snapshot: SystemSnapshot,
  lastFailed: JobSummary | null,
  layout: Layout,
  rows: number,
): string[] {
  const { columns, takenAtMs } = { ...layout, ...snapshot };
  const clip = (lines: readonly string[]) => lines.map((line) => clipLine(line, columns));
  const wrap = (lines: readonly string[]) => lines.flatMap((line) => wrapLine(line, columns));
  const top = [
    verdict(snapshot, layout),
    ...problemLines(snapshot, layout),
    queueText(snapshot),
    ...(snapshot.redis === null ? [] : [`Redis ${redisText(snapshot.redis, snapshot, layout.paint)}`]),
    ...readingLines(snapshot),
  ];
  const head = rows < ROWS_TO_WRAP ? clip(top) : wrap(top);
  const waiting = [
    ...outageLines(snapshot.outages, takenAtMs, layout),
    ...waitingLines(snapshot, layout).map((line) => `✋ ${line}`),
  ];
  const table = snapshot.tasks.length > 0 ? clip(taskTable(snapshot, layout)) : [];
  const parts = (sentences: typeof wrap): PanelPart[] => [
    { lines: clip(slotRows(snapshot, layout)), least: 4, head: 0 },
    { lines: sentences(waiting), least: 2, head: 0 },
    { lines: clip(failedLines(snapshot, lastFailed, layout)), least: 1, head: 0 },
    { lines: table, least: 4, head: 1 },
  ];
  const free = rows - head.length;
  const wrapped = parts(wrap);
  const isRoom = wrapped.reduce((sum, { lines }) => sum + lines.length, 0) <= free;
  return [...head, ...fillRows(isRoom ? wrapped : parts(clip), free)].slice(0, Math.max(0, rows));
}

function verdict(snapshot: SystemSnapshot, layout: Layout): string {
  const line = verdictLine(snapshot, layout);
  if (snapshot.verdict !== 'running') return line;
  return clipLine(`${line}  ${layout.paint(workerText(snapshot), 'dim')}`, layout.columns);
}

function failedLines(
  { queue, takenAtMs }: SystemSnapshot,
  last: JobSummary | null,
  { paint }: Layout,
): string[] {
  if (queue.failed === 0 || last === null) return [];
  const ago = last.endedAtMs === null ? '' : `, ${durationText(takenAtMs - last.endedAtMs)} ago`;
  const why = escapeText(`${last.task} "${last.key}"${ago}: ${reasonText(last) ?? 'no reason was kept'}`);
  return [`${paint(`💀 ${countText(queue.failed)} dead`, 'red')}, the newest is #${last.id} ${why}`];
}
