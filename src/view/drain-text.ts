import { countText, durationText, plural } from '../platform/duration-text.js';
import type { SystemSnapshot } from './snapshot.js';

/** What is left to do, as `drain` counts it. */
export interface Remaining {
  /** Due and waiting, running, ended and not written down, or not yet sent. */
  readonly now: number;
  /** Not due yet: retries that back off, and jobs that were added for later. */
  readonly later: number;
  readonly nextInMs: number | null;
}

export function remainingOf({ queue, endsKept, nextScheduledAtMs, takenAtMs }: SystemSnapshot): Remaining {
  return {
    now: queue.pending + queue.running + endsKept.length + queue.outbox,
    later: queue.scheduled,
    nextInMs: nextScheduledAtMs === null ? null : Math.max(0, nextScheduledAtMs - takenAtMs),
  };
}

export function remainingText({ queue, endsKept }: SystemSnapshot, { later, nextInMs }: Remaining): string {
  const parts = [`${countText(queue.pending)} pending`, `${countText(queue.running)} running`];
  if (endsKept.length > 0) parts.push(`${countText(endsKept.length)} ended, not written down yet`);
  if (later > 0) parts.push(laterText(later, nextInMs));
  return parts.join(', ');
}

/** `3 jobs wait for their time, the next is due in 12s`. */
export function laterText(later: number, nextInMs: number | null): string {
  const next = nextInMs === null ? '' : `, the next is due in ${durationText(nextInMs)}`;
  return `${plural(later, 'job waits', 'jobs wait')} for ${later === 1 ? 'its' : 'their'} time${next}`;
}
