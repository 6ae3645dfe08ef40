import { durationText, plural } from '../platform/duration-text.js';
import type { OutboxCounts } from '../store/read-contract.js';
import type { Paint } from './colour.js';
import { escapeText } from './escape.js';
import type { SystemSnapshot } from './snapshot.js';

type RedisLook = Pick<SystemSnapshot, 'machines' | 'takenAtMs'>;

const MOST_NAMED = 8;

/** Where jobs go, who else is there, and whether they can. */
export function redisText(redis: OutboxCounts, { machines, takenAtMs }: RedisLook, paint: Paint): string {
  const { address, problem, problemSinceMs, elsewhere } = redis;
  const parts = [escapeText(address)];
  // While Redis is away, nobody is seen.
  if (machines.length > 0 && problem === null) {
    const named = machines.slice(0, MOST_NAMED).map(machineText).join(', ');
    const more = machines.length > MOST_NAMED ? ` and ${machines.length - MOST_NAMED} more` : '';
    parts.push(`also there: ${named}${more}`);
  }
  if (elsewhere > 0)
    parts.push(
      `${plural(elsewhere, 'job of ours runs', 'jobs of ours run')} at other machines, or ${elsewhere === 1 ? 'waits' : 'wait'} for the lease of one that is gone to end`,
    );
  if (problem !== null) {
    const since =
      problemSinceMs === null ? '' : ` for ${durationText(Math.max(0, takenAtMs - problemSinceMs))}`;
    const text = `⚠️ takes nothing${since}: ${escapeText(problem)}; jobs wait here, and go on when that is over`;
    parts.push(paint(text, 'yellow'));
  }
  return parts.join(' · ');
}

function machineText({ site, seenMsAgo }: SystemSnapshot['machines'][number]): string {
  return `${escapeText(site)} (seen ${durationText(seenMsAgo)} ago)`;
}
