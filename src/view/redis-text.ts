import { durationText, plural } from '../platform/duration-text.js';
import type { OutboxCounts } from '../store/read-contract.js';
import type { Paint } from './colour.js';
import { escapeText } from './escape.js';

/** Where jobs go, and whether they can. */
export function redisText(
  { address, problem, problemSinceMs, elsewhere }: OutboxCounts,
  nowMs: number,
  paint: Paint,
): string {
  const parts = [escapeText(address)];
  if (elsewhere > 0)
    parts.push(
      `${plural(elsewhere, 'job of ours runs', 'jobs of ours run')} at other machines, or ${elsewhere === 1 ? 'waits' : 'wait'} for the lease of one that is gone to end`,
    );
  if (problem !== null) {
    const since = problemSinceMs === null ? '' : ` for ${durationText(Math.max(0, nowMs - problemSinceMs))}`;
    const text = `⚠️ takes nothing${since}: ${escapeText(problem)}; jobs wait here, and go on by themselves`;
    parts.push(paint(text, 'yellow'));
  }
  return parts.join(' · ');
}
