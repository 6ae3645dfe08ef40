import type { JobSummary } from '../store/read-contract.js';
import {
  failureLines,
  type Layout,
  nextLines,
  problemLines,
  queueText,
  slotLines,
  taskTable,
  verdictLine,
  waitingLines,
} from './screen-parts.js';
import type { SystemSnapshot } from './snapshot.js';
import { section } from './status-screen.js';

export interface QueueExtras {
  readonly next: readonly JobSummary[];
  readonly failed: readonly JobSummary[];
}

/** `dogged queue --once`: the slots and the line, as plain text. */
export function queueScreen(
  snapshot: SystemSnapshot,
  { next, failed }: QueueExtras,
  layout: Layout,
): string[] {
  const { paint } = layout;
  const lines = [verdictLine(snapshot, layout), ...problemLines(snapshot, layout)];
  const deadLetters = snapshot.queue.failed > failed.length ? `, the newest ${failed.length}` : '';
  section(lines, paint('Slots', 'bold'), snapshot.slots.length > 0 ? slotLines(snapshot, layout) : ['none']);
  section(lines, paint('Queue', 'bold'), [queueText(snapshot)]);
  section(lines, '', snapshot.tasks.length > 0 ? taskTable(snapshot, layout) : []);
  section(lines, paint('Next in line', 'bold'), nextLines(next, snapshot.takenAtMs, layout));
  section(lines, paint('What waits', 'bold'), waitingLines(snapshot, layout));
  section(
    lines,
    paint(`Dead letters (${snapshot.queue.failed}${deadLetters})`, 'bold'),
    failureLines(failed, snapshot.takenAtMs, layout),
  );
  return lines;
}
