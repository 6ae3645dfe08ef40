import type { TaskConfig } from '../config/config.js';
import type { AttemptReport, RunOutcome } from '../job/outcome.js';
import type { Claim, Orphan } from '../store/contract.js';
import { type RunContext, type RunningAttempt, timeoutOf } from './attempt.js';
import { runCommand } from './run-command.js';

type Crash = Extract<RunOutcome, { kind: 'crashed' }>;

/** A question about what was done is answered sooner than the work is done. */
const LONGEST_MS = 60_000;

/**
 * Asks the task's `verify` command whether an attempt had done its work when its worker died. It runs as the handler does
 * (environment, payload on stdin, a process group of its own, swept afterwards), for at most a minute.
 */
export function startVerification(
  claim: Claim,
  task: TaskConfig,
  argv: readonly string[],
  context: RunContext,
): RunningAttempt {
  const timeoutMs = Math.min(LONGEST_MS, timeoutOf(claim, task));
  return runCommand({ ...claim, timeoutMs }, task, { kind: 'command', argv, shell: false }, context);
}

/** What the answer makes of the attempt; null when the question was cut off, and so is still open. */
export function verifiedReport(
  { startedAtMs }: Orphan,
  crash: Crash,
  answer: AttemptReport,
): AttemptReport | null {
  const { outcome } = answer;
  if (outcome.kind === 'released') return null;
  // The exit is that of `verify`; how the attempt itself would have ended nobody knows.
  const report = { ...answer, startedAtMs, exitCode: null, signal: null };
  if (outcome.kind === 'done') {
    const reason = `${crash.reason}; its task's verify command says that the work was done`;
    return { ...report, outcome: { kind: 'verified', reason } };
  }
  const why = outcome.kind === 'verified' ? '' : `; verify: ${outcome.reason}`;
  return { ...report, outcome: { ...crash, reason: `${crash.reason}${why}` } };
}
