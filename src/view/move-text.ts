import { countText, durationText, plural } from '../platform/duration-text.js';
import { type Move, mirrorProblemText } from '../store/move-contract.js';
import type { Paint } from './colour.js';
import { escapeText } from './escape.js';

/** How a move between stores stands, on one line. */
export function moveText(move: Move, nowMs: number, paint: Paint): string {
  const parts = [`from ${escapeText(move.source)} to ${escapeText(move.target)}: ${phaseText(move)}`];
  if (move.mirror !== null && move.phase !== 'ending') parts.push(mirrorText(move));
  for (const [problem, sinceMs] of [
    [move.problem, move.problemSinceMs],
    [mirrorProblemText(move), move.mirrorProblemSinceMs],
  ] as const) {
    if (problem === null) continue;
    // A problem may end with a command: the time comes first.
    const since = sinceMs === null ? '' : `for ${durationText(Math.max(0, nowMs - sinceMs))}: `;
    parts.push(paint(`⚠️ ${since}${escapeText(problem)}`, 'yellow'));
  }
  return parts.join(' · ');
}

export function phaseText({ phase, source, target, copyUntil, mirror }: Move): string {
  switch (phase) {
    case 'dual':
      return copyUntil === null
        ? `${escapeText(source)} runs the jobs, and each change of them is mirrored`
        : `${escapeText(source)} runs the jobs, and all of them are mirrored`;
    case 'cutover':
      return target === 'sqlite' ? 'jobs are called home' : 'jobs are handed over';
    case 'moved':
      return `${escapeText(target)} runs the jobs; to end it: dogged migrate, to take it back: dogged migrate --rollback`;
    case 'return':
      return `jobs go back to ${escapeText(source)}`;
    case 'ending':
      return mirror === null ? 'it is over' : 'it is over, and what is left of the mirror is removed';
  }
}

function mirrorText({ copiedTo, copyUntil, behind, divergent }: Move): string {
  const copied =
    copyUntil === null || copiedTo >= copyUntil
      ? ''
      : `copied up to job ${countText(copiedTo)} of ${countText(copyUntil)}, `;
  const differ =
    divergent === null || divergent === 0 ? '' : `, ${plural(divergent, 'job differs', 'jobs differ')}`;
  return `mirror: ${copied}${plural(behind, 'change')} behind${differ}`;
}
