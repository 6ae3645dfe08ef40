import { durationText } from '../../platform/duration-text.js';
import { elapsedText, type Layout, progressText } from '../screen-parts.js';
import type { SystemSnapshot } from '../snapshot.js';
import { formatTable } from '../table.js';
import { waitingText } from '../waiting-for.js';

/** One line for each slot, those that work first: they are what a low terminal still shows. */
export function slotRows(snapshot: SystemSnapshot, { columns, paint }: Layout): string[] {
  const busy = snapshot.slots.filter(({ state }) => state === 'working');
  const idle = snapshot.slots.filter(({ state }) => state === 'idle');
  const lines = formatTable(
    [
      { title: '' },
      { title: '', shrinkTo: 8 },
      { title: '', shrinkTo: 10 },
      { title: '', align: 'right' },
      { title: '' },
    ],
    busy.map((slot) => ['🔨', slot.task ?? '', slot.key ?? '', elapsedText(slot), progressText(slot)]),
    columns,
    paint,
  );
  return [...lines, ...idle.map(() => `⏳  ${paint(`idle: ${idleText(snapshot)}`, 'dim')}`)];
}

/** Why a slot has nothing to do. */
function idleText(snapshot: SystemSnapshot): string {
  const { waiting, runnable, queue, nextScheduledAtMs, takenAtMs } = snapshot;
  if (snapshot.verdict !== 'running') return waitingText('worker');
  if (runnable > 0) return 'it takes the next job in a moment';
  const [first] = waiting;
  if (first !== undefined) return `${first.task} waits: ${waitingText(first.reason)}`;
  if (nextScheduledAtMs !== null)
    return `the next job is due in ${durationText(nextScheduledAtMs - takenAtMs)}`;
  return queue.pending > 0 ? 'what waits cannot run yet' : 'nothing waits';
}
