import type { AttemptReport, RunOutcome } from '../job/outcome.js';
import type { Claim } from '../store/contract.js';
import type { Interruption } from './attempt.js';
import { CappedOutput } from './output.js';
import type { ChildExit } from './owned-child.js';

/** A job that a service has been given and has not answered yet. */
export interface JobInHand {
  readonly claim: Claim;
  readonly startedAtMs: number;
  readonly timeoutMs: number;
  readonly stdout: CappedOutput;
  readonly stderr: CappedOutput;
  readonly cancelTimeout: () => void;
  readonly resolve: (report: AttemptReport) => void;
  interruption: Interruption | null;
  progress: number | null;
}

/** Output is kept per job, capped. */
export function outputsOf(outputBytes: number): Pick<JobInHand, 'stdout' | 'stderr'> {
  return { stdout: new CappedOutput(outputBytes), stderr: new CappedOutput(outputBytes) };
}

export function reportOf(
  job: JobInHand,
  outcome: RunOutcome,
  exit: ChildExit | null,
  endedAtMs: number,
): AttemptReport {
  return {
    outcome,
    startedAtMs: job.startedAtMs,
    endedAtMs,
    exitCode: exit?.exitCode ?? null,
    signal: exit?.signal ?? null,
    stdout: job.stdout.text(),
    stderr: job.stderr.text(),
  };
}
