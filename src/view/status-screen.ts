import { chosenStoreText } from '../store/move-contract.js';
import type { JobSummary } from '../store/read-contract.js';
import { escapeText } from './escape.js';
import { moveText } from './move-text.js';
import { outageLines } from './outage-text.js';
import { redisText } from './redis-text.js';
import {
  failureLines,
  type Layout,
  problemLines,
  queueText,
  slotLines,
  sourceTable,
  taskTable,
  verdictLine,
  waitingLines,
  workerText,
} from './screen-parts.js';
import type { SystemSnapshot } from './snapshot.js';

export interface StatusExtras {
  readonly stateFolder: string;
  /** The newest dead letters. */
  readonly failed: readonly JobSummary[];
}

/** `dogged status`: how things stand, on one screen. */
export function statusScreen(snapshot: SystemSnapshot, extras: StatusExtras, layout: Layout): string[] {
  const { paint, remedy } = layout;
  const { slots, monitor } = snapshot;
  const label = (text: string) => paint(text.padEnd(9), 'dim');
  const busy = slots.filter((slot) => slot.state === 'working').length;
  const lines = [
    `${verdictLine(snapshot, layout)}`,
    ...problemLines(snapshot, layout),
    '',
    `${label('Worker')}${workerText(snapshot)}`,
    `${label('Monitor')}${monitor.pid === null ? 'none' : `PID ${monitor.pid}`}`,
    `${label('State')}${escapeText(extras.stateFolder)}`,
    `${label('Queue')}${queueText(snapshot)}${snapshot.pausedAll ? ` · everything is paused: ${remedy('dogged resume')}` : ''}`,
  ];
  if (snapshot.redis !== null) lines.push(`${label('Redis')}${redisText(snapshot.redis, snapshot, paint)}`);
  if (snapshot.move !== null)
    lines.push(`${label('Move')}${moveText(snapshot.move, snapshot.takenAtMs, paint)}`);
  if (snapshot.chosenStore !== null)
    lines.push(
      `${label('Store')}${paint(`⚠️ ${escapeText(chosenStoreText(snapshot.chosenStore))}`, 'yellow')}`,
    );
  if (slots.length > 0) lines.push(`${label('Slots')}${busy} of ${slots.length} busy`);
  section(lines, '', taskTableIfAny(snapshot, layout));
  section(lines, '', busy > 0 ? slotLines(snapshot, layout) : []);
  section(lines, '', snapshot.sources.length > 0 ? sourceTable(snapshot, layout) : []);
  section(lines, paint('What is away', 'bold'), outageLines(snapshot.outages, snapshot.takenAtMs, layout));
  section(lines, paint('What waits', 'bold'), waitingLines(snapshot, layout));
  section(lines, paint('What failed last', 'bold'), failureLines(extras.failed, snapshot.takenAtMs, layout));
  return lines;
}

function taskTableIfAny(snapshot: SystemSnapshot, layout: Layout): string[] {
  return snapshot.tasks.length > 0 ? taskTable(snapshot, layout) : [];
}

/** Appends a part with an empty line before it, or nothing where there is nothing to say. */
function section(lines: string[], title: string, part: readonly string[]): void {
  if (part.length === 0) return;
  lines.push('', ...(title === '' ? [] : [title]), ...part);
}
