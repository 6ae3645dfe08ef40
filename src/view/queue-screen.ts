import type { JobSummary } from '../store/read-contract.js';
import { fitParts, type ScreenPart } from './fit-lines.js';
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

/** `dogged queue --once`: the slots and the line, as lines of whatever width they need. */
export function queueScreen(
  snapshot: SystemSnapshot,
  { next, failed }: QueueExtras,
  layout: Layout,
): string[] {
  const { tasks, queue, takenAtMs } = snapshot;
  const slots = snapshot.slots.length > 0 ? slotLines(snapshot, layout) : ['none'];
  const ready = tasks.reduce((sum, { places }) => sum + places.ready, 0);
  const bold = (title: string) => layout.paint(title, 'bold');
  const part = (title: string, lines: readonly string[], total = lines.length): ScreenPart => ({
    title,
    head: [],
    list: lines.map((line) => [line]),
    total: Math.max(lines.length, total),
  });
  const parts = [
    part(bold('Slots'), slots),
    part(bold('Queue'), [queueText(snapshot)]),
    part('', tasks.length > 0 ? taskTable(snapshot, layout) : []),
    part(bold('Next in line'), nextLines(next, takenAtMs, layout), ready),
    part(bold('What is away'), outageLines(snapshot.outages, takenAtMs, layout)),
    part(bold('What waits'), waitingLines(snapshot, layout)),
    part(bold(`Dead letters (${queue.failed})`), failureLines(failed, takenAtMs, layout), queue.failed),
  ];
  return [
    verdictLine(snapshot, layout),
    ...problemLines(snapshot, layout),
    ...readingLines(snapshot),
    '',
    ...fitParts(parts, Number.POSITIVE_INFINITY),
  ];
}
