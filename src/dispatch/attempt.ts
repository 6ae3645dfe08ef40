import type { TaskConfig } from '../config/config.js';
import type { AttemptReport, RunOutcome } from '../job/outcome.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { Claim } from '../store/contract.js';
import type { Children } from './children.js';

/** Why we end an attempt that has not ended by itself. */
export type Interruption = 'timed-out' | 'cancelled' | 'released' | 'ended';

/** One attempt while it runs, whichever way its task runs. */
export interface RunningAttempt {
  /** Resolves once the attempt is over and nothing of it is left. Never rejects: a child's fate is data. */
  readonly report: Promise<AttemptReport>;
  /** Ends it: in the task's grace, or at once when `urgent`. The first reason stays; a later call may only hasten it. */
  interrupt(reason: Interruption, urgent: boolean): void;
  /** Between 0 and 1; null when it has told none. */
  progress(): number | null;
}

/** What every runner is given. */
export interface RunContext {
  readonly children: Children;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateFolder: string;
}

export interface Runner {
  start(claim: Claim): RunningAttempt;
  /** Ends what stays between attempts. Nothing is started afterwards. */
  close(graceMs: number): Promise<void>;
}

export function timeoutOf(claim: Claim, task: TaskConfig): number {
  return claim.timeoutMs ?? task.timeoutMs;
}

/** Calls `action` after `delayMs`, however long that is: one timer of Node reaches no further than 24 days. */
export function atDeadline(clock: Clock, delayMs: number, action: () => void): () => void {
  const deadlineMs = clock.monotonicMs() + delayMs;
  let cancel = clock.after(delayMs, look);
  function look(): void {
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs <= 1) action();
    else cancel = clock.after(leftMs, look);
  }
  return () => cancel();
}

/** Of an attempt without a child, or whose child nobody can tell about any more. */
export function bareReport(outcome: RunOutcome, startedAtMs: number, endedAtMs = startedAtMs): AttemptReport {
  return { outcome, startedAtMs, endedAtMs, exitCode: null, signal: null, stdout: null, stderr: null };
}

/** An attempt that ended before anything was started. */
export function endedAtOnce(outcome: RunOutcome, clock: Clock): RunningAttempt {
  return {
    report: Promise.resolve(bareReport(outcome, clock.wallMs())),
    interrupt: () => undefined,
    progress: () => null,
  };
}

export function interruptedOutcome(reason: Interruption, timeoutMs: number): RunOutcome {
  switch (reason) {
    case 'timed-out':
      return { kind: reason, reason: `longer than its time-out of ${timeoutMs / 1000} s` };
    case 'cancelled':
      return { kind: reason, reason: 'cancelled while it ran' };
    case 'released':
      return { kind: reason, reason: 'given back: the worker stopped' };
    case 'ended':
      return { kind: reason, reason: 'stopped at the end of its window' };
    default:
      return reason satisfies never;
  }
}
