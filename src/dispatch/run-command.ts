import type { TaskConfig, TaskRunner } from '../config/config.js';
import type { AttemptReport } from '../job/outcome.js';
import { breadcrumb } from '../platform/breadcrumb.js';
import type { Clock } from '../platform/clock.js';
import { failpoint } from '../platform/failpoint.js';
import type { Claim } from '../store/contract.js';
import {
  atDeadline,
  endedAtOnce,
  type Interruption,
  interruptedOutcome,
  type RunContext,
  type RunningAttempt,
  timeoutOf,
} from './attempt.js';
import { attemptEnvironment } from './child-environment.js';
import { outcomeOfExit } from './exit-outcome.js';
import { fillArguments } from './fill-arguments.js';
import { CappedOutput } from './output.js';
import type { OwnedChild } from './owned-child.js';
import { ProgressScanner } from './progress.js';
import { readThrottled } from './read-throttled.js';

const NEWLINE = Buffer.from('\n');

type CommandRunner = Extract<TaskRunner, { kind: 'command' }>;

/** Runs one job as one child: payload on stdin, outcome by exit code. */
export function runCommand(
  claim: Claim,
  task: TaskConfig,
  runner: CommandRunner,
  context: RunContext,
): RunningAttempt {
  const { clock } = context;
  // A shell would read a filled value as more than one word: its command stays as the user wrote it.
  const filled = runner.shell
    ? { ok: true as const, argv: runner.argv }
    : fillArguments(runner.argv, () => JSON.parse(claim.payload.bytes.toString()) as unknown);
  if (!filled.ok) return endedAtOnce({ kind: 'refused', reason: filled.reason }, clock);

  breadcrumb('run.spawn', task.name);
  failpoint('run.before-spawn');
  const startedAtMs = clock.wallMs();
  const child = context.children.spawn({
    argv: filled.argv,
    shell: runner.shell,
    env: attemptEnvironment(claim, task, context.stateFolder),
    label: `job ${claim.id} (${task.name})`,
  });
  failpoint('run.after-spawn');
  child.stdin.end(Buffer.concat([claim.payload.bytes, NEWLINE]));

  const timeoutMs = timeoutOf(claim, task);
  let interruption: Interruption | null = null;
  let hasExited = false;
  let progress: number | null = null;

  const interrupt = (reason: Interruption, urgent: boolean) => {
    if (hasExited) return;
    interruption ??= reason;
    child.terminate(urgent ? 0 : task.killGraceMs);
  };
  const cancelTimeout = atDeadline(clock, timeoutMs, () => interrupt('timed-out', false));

  const output = collectOutput(child, task.outputBytes, clock, (share) => {
    progress = share;
  });

  const finish = async (): Promise<AttemptReport> => {
    const exit = await child.exited;
    hasExited = true;
    cancelTimeout();
    failpoint('run.after-exit');
    await child.gone(interruption !== null || exit.exitCode !== 0);
    return {
      // After a signal of ours an exit code says nothing: many programs exit with 0 when they are told to end.
      outcome:
        interruption === null
          ? outcomeOfExit(exit, output.stdout, output.stderr)
          : interruptedOutcome(interruption, timeoutMs),
      startedAtMs,
      endedAtMs: clock.wallMs(),
      exitCode: exit.exitCode,
      signal: exit.signal,
      stdout: output.stdout.text(),
      stderr: output.stderr.text(),
    };
  };
  return { report: finish(), interrupt, progress: () => progress };
}

function collectOutput(
  child: OwnedChild,
  capBytes: number,
  clock: Clock,
  onProgress: (share: number) => void,
) {
  const stdout = new CappedOutput(capBytes);
  const stderr = new CappedOutput(capBytes);
  const scanner = new ProgressScanner(onProgress);
  readThrottled(child.stdout, clock, (chunk) => {
    stdout.push(chunk);
    scanner.push(chunk);
  });
  readThrottled(child.stderr, clock, (chunk) => stderr.push(chunk));
  return { stdout, stderr };
}
