import type { JobSummary } from '../store/read-contract.js';
import { clipLine, fitParts, type ScreenPart, wrapLine } from './fit-lines.js';
import { outageLines } from './outage-text.js';
import {
  failureLines,
  type Layout,
  nextLines,
  problemLines,
  queueText,
  readingLines,
  slotLines,
  taskTable,
  verdictLine,
  waitingLines,
} from './screen-parts.js';
import type { SystemSnapshot } from './snapshot.js';

export interface QueueExtras {
  readonly next: readonly JobSummary[];
  readonly failed: readonly JobSummary[];
}

/**
 * `dogged queue`: the slots and the line. With `rows`, no line is wider than the layout and there are no more of them:
 * a line that the terminal wraps would push the first one off the screen.
 */
export function queueScreen(
  snapshot: SystemSnapshot,
  { next, failed }: QueueExtras,
  layout: Layout,
  rows: number | null = null,
): string[] {
  const { paint, columns } = layout;
  const wrap = (line: string) => (rows === null ? [line] : wrapLine(line, columns));
  const clip = (line: string) => (rows === null ? line : clipLine(line, columns));
  const rowsOf = (lines: readonly string[]) => lines.map((line) => [clip(line)]);
  const top = [
    verdictLine(snapshot, layout),
    ...problemLines(snapshot, layout),
    ...readingLines(snapshot),
  ].flatMap(wrap);
  const slots = snapshot.slots.length > 0 ? slotLines(snapshot, layout) : ['none'];
  const [tableHead, ...tasks] = snapshot.tasks.length > 0 ? taskTable(snapshot, layout) : [];
  const ready = snapshot.tasks.reduce((sum, { places }) => sum + places.ready, 0);
  const away = outageLines(snapshot.outages, snapshot.takenAtMs, layout).map(wrap);
  const waiting = waitingLines(snapshot, layout).map(wrap);
  const failures = failureLines(failed, snapshot.takenAtMs, layout).map(wrap);
  const bold = (title: string) => paint(title, 'bold');
  const parts: ScreenPart[] = [
    { title: bold('Slots'), head: [], list: rowsOf(slots), total: slots.length },
    { title: bold('Queue'), head: wrap(queueText(snapshot)), list: [], total: 0 },
    {
      title: '',
      head: tableHead === undefined ? [] : [clip(tableHead)],
      list: rowsOf(tasks),
      total: tasks.length,
    },
    {
      title: bold('Next in line'),
      head: [],
      list: rowsOf(nextLines(next, snapshot.takenAtMs, layout)),
      total: Math.max(next.length, ready),
    },
    { title: bold('What is away'), head: [], list: away, total: away.length },
    { title: bold('What waits'), head: [], list: waiting, total: waiting.length },
    {
      title: bold(`Dead letters (${snapshot.queue.failed})`),
      head: [],
      list: failures,
      total: Math.max(failures.length, snapshot.queue.failed),
    },
  ];
  if (rows === null) return [...top, '', ...fitParts(parts, Number.POSITIVE_INFINITY)];
  const lines = [...top, '', ...fitParts(parts, rows - top.length - 1)];
  return lines.length <= rows ? lines : [...lines.slice(0, Math.max(0, rows - 1)), '…'];
}
