import { isoTime } from '../platform/clock.js';
import type { Move } from '../store/move-contract.js';

/** What `--json` promises of a move between stores. */
export function moveJson(move: Move): object {
  return {
    source: move.source,
    target: move.target,
    phase: move.phase,
    startedAt: isoTime(move.startedAtMs),
    mirror: move.mirror,
    copiedTo: move.copiedTo,
    copyUntil: move.copyUntil,
    behind: move.behind,
    verifiedAt: isoTime(move.verifiedAtMs),
    divergent: move.divergent,
    cutoverAt: isoTime(move.cutoverAtMs),
    problem: move.problem,
    problemSince: isoTime(move.problemSinceMs),
    mirrorProblem: move.mirrorProblem,
    mirrorProblemSince: isoTime(move.mirrorProblemSinceMs),
  };
}
