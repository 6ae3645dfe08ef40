import { durationText } from '../../platform/duration-text.js';
import { busySlotLines, type Layout } from '../screen-parts.js';
import type { SystemSnapshot } from '../snapshot.js';
import { waitingText } from '../waiting-for.js';

/** One line for each slot, those that work first: they are what a low terminal still shows. */
export function slotRows(snapshot: SystemSnapshot, layout: Layout): string[] {
  const idle = snapshot.slots.filter(({ state }) => state === 'idle');
  const line = `⏳  ${layout.paint(`idle: ${idleText(snapshot)}`, 'dim')}`;
  return [...busySlotLines(snapshot, layout), ...idle.map(() => line)];
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
