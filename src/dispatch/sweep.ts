import { type Clock, pause } from '../platform/clock.js';
import { bootId, identifyProcess, signalProved } from '../platform/process-identity.js';
import {
  type FoundMark,
  isBetweenPrograms,
  type LiveProcess,
  liveProcesses,
  nowInTicks,
  readMark,
} from './process-table.js';

/** Which processes a sweep is after. What descends from them is included. */
export interface SweepTarget {
  /** Groups and sessions led, now or once, by children of ours. */
  readonly leaders?: readonly number[];
  readonly isMarked: (mark: FoundMark) => boolean;
  /** Nothing that started earlier can be meant: spares reading the environment of everything else. */
  readonly startedSinceTicks: number;
}

export interface Survivor {
  readonly pid: number;
  /** null when its environment cannot be read: it is known by its group, session or parent. */
  readonly mark: FoundMark | null;
}

export interface SweepReport {
  readonly killed: number;
  /** What still lived at the end: it cannot be signalled, or the kernel holds it. Empty means proved gone. */
  readonly survivors: readonly Survivor[];
}

/** A process that was forking while we looked shows up in the second look. */
const CLEAN_SCANS = 2;
const BETWEEN_SCANS_MS = { first: 5, longest: 100 };

/**
 * Kills every live process that the target means, until two looks in a row find none, for at most `withinMs`.
 *
 * Ourselves and our ancestors are never touched, nor anything that cannot be told from its pid's next user.
 * A descendant that gave up its group, its session and its environment, and whose parent is gone, cannot be found.
 */
export async function sweep(target: SweepTarget, clock: Clock, withinMs: number): Promise<SweepReport> {
  const leaders = new Set(target.leaders);
  const killed = new Set<string>();
  const giveUpAtMs = clock.monotonicMs() + withinMs;
  let pauseMs = BETWEEN_SCANS_MS.first;
  for (let clean = 0; ; ) {
    const { found, isClear } = findTargets(target, leaders);
    clean = found.length === 0 && isClear ? clean + 1 : 0;
    if (clean >= CLEAN_SCANS) return { killed: killed.size, survivors: [] };
    for (const process of found) {
      if (kill(process)) killed.add(`${process.pid}:${process.startTicks}`);
    }
    if (clock.monotonicMs() >= giveUpAtMs && clean === 0) {
      return {
        killed: killed.size,
        survivors: found.map(({ pid }) => ({ pid, mark: readMark(pid) })),
      };
    }
    await pause(clock, pauseMs);
    // What does not go at once is in the kernel's hands, or another user's: looking harder does not help.
    pauseMs = clean > 0 ? BETWEEN_SCANS_MS.first : Math.min(pauseMs * 2, BETWEEN_SCANS_MS.longest);
  }
}

/** True when a process group has no live member. Signals nobody. */
export function isGroupEmpty(groupId: number): boolean {
  try {
    process.kill(-groupId, 0);
    return false;
  } catch (error) {
    // EPERM: somebody is there whom we may not signal.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Adds to `leaders` what it learns, so that orphans of a process found now are known in the next look. */
function findTargets(
  target: SweepTarget,
  leaders: Set<number>,
): { readonly found: readonly LiveProcess[]; readonly isClear: boolean } {
  const all = liveProcesses();
  const spared = ourselvesAndAncestors(all);
  const candidates = all.filter(
    (process) => process.startTicks >= target.startedSinceTicks && !spared.has(process.pid),
  );
  const found = new Map<number, LiveProcess>();
  const add = (process: LiveProcess) => {
    found.set(process.pid, process);
    if (process.groupId === process.pid) leaders.add(process.pid);
    if (process.sessionId === process.pid) leaders.add(process.pid);
  };
  for (const process of candidates) {
    const mark = readMark(process.pid);
    if (mark !== null && target.isMarked(mark)) add(process);
  }
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const process of candidates) {
      if (found.has(process.pid)) continue;
      const isKin =
        leaders.has(process.groupId) || leaders.has(process.sessionId) || found.has(process.parentPid);
      if (isKin) add(process);
    }
  }
  // Something of ours may be on its way into another program.
  const nowTicks = nowInTicks();
  const isClear = !candidates.some(
    (process) => !found.has(process.pid) && isBetweenPrograms(process, nowTicks),
  );
  return { found: [...found.values()], isClear };
}

function ourselvesAndAncestors(all: readonly LiveProcess[]): Set<number> {
  const parents = new Map(all.map(({ pid, parentPid }) => [pid, parentPid]));
  const spared = new Set<number>();
  for (let pid: number | undefined = process.pid; pid !== undefined && pid > 0 && !spared.has(pid); ) {
    spared.add(pid);
    pid = parents.get(pid);
  }
  return spared;
}

function kill({ pid, startTicks }: LiveProcess): boolean {
  try {
    return signalProved({ bootId: bootId(), pid, startTicks }, 'SIGKILL');
  } catch (error) {
    // EPERM: it runs as another user; it stays in the report as a survivor.
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return false;
    throw error;
  }
}

/** When this process started: nothing older can be a child of ours. */
export function ownStartTicks(): number {
  return identifyProcess(process.pid)?.startTicks ?? 0;
}
