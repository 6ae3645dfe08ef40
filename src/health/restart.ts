import type { Clock } from '../platform/clock.js';
import { pause } from '../platform/clock.js';
import {
  isRunning,
  type ProcessIdentity,
  readProcessStat,
  signalProved,
} from '../platform/process-identity.js';

export interface EndOptions {
  /** `ask`: SIGTERM, and SIGKILL after the grace. `kill`: SIGKILL at once, for a loop that cannot answer. */
  readonly how: 'ask' | 'kill';
  readonly graceMs: number;
  readonly clock: Clock;
}

/** `unkillable`: still there 10 s after SIGKILL, as a process in uninterruptible sleep is. Start nothing beside it. */
export type EndResult = 'gone' | 'unkillable';

const GONE_AFTER_KILL_MS = 10_000;
const LOOK_EVERY_MS = 20;

/**
 * Ends exactly this process and waits until it is really gone: no longer there, a zombie, or another process under its
 * pid. A process whose identity is not proved gets no signal, and counts as gone.
 */
export async function endProcess(identity: ProcessIdentity, options: EndOptions): Promise<EndResult> {
  const { how, graceMs, clock } = options;
  if (how === 'ask') {
    signalProved(identity, 'SIGTERM');
    if (await isGone(identity, graceMs, clock)) return 'gone';
  }
  killProved(identity);
  return (await isGone(identity, GONE_AFTER_KILL_MS, clock)) ? 'gone' : 'unkillable';
}

/** Its whole group, where it leads one: what it started beside its jobs goes with it. */
function killProved(identity: ProcessIdentity): void {
  if (!signalProved(identity, 'SIGKILL', 'group')) signalProved(identity, 'SIGKILL');
}

/**
 * Waits a moment for an ended process to be collected by its parent. It does no more harm and holds nothing; but
 * `kill -0` still finds it, and so do the scripts that ask in that way.
 */
export async function isCollected(
  identity: ProcessIdentity,
  withinMs: number,
  clock: Clock,
): Promise<boolean> {
  const endMs = clock.monotonicMs() + withinMs;
  while (readProcessStat(identity.pid)?.startTicks === identity.startTicks) {
    if (clock.monotonicMs() >= endMs) return false;
    await pause(clock, LOOK_EVERY_MS);
  }
  return true;
}

/** True as soon as the process is gone; false when it is still there after `withinMs`. */
export async function isGone(identity: ProcessIdentity, withinMs: number, clock: Clock): Promise<boolean> {
  const endMs = clock.monotonicMs() + withinMs;
  while (isRunning(identity)) {
    if (clock.monotonicMs() >= endMs) return false;
    await pause(clock, LOOK_EVERY_MS);
  }
  return true;
}
