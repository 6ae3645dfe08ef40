import type { RunOutcome } from '../job/outcome.js';
import type { CappedOutput } from './output.js';
import type { ChildExit } from './owned-child.js';

/** Exit codes with a meaning of their own, as in sysexits.h and the shell. All others but 0 are failed attempts. */
const NEVER_AGAIN: ReadonlyMap<number, string> = new Map([
  [64, 'wrong usage'],
  [65, 'bad data'],
  [78, 'bad configuration'],
]);
const TRY_LATER = 75;
const UNAVAILABLE: ReadonlyMap<number, string> = new Map([
  [69, 'a service that it needs is away'],
  [126, 'the program cannot be executed'],
  [127, 'the program was not found'],
]);

/** Errors of starting a program that say something about the job, not about the program or the machine. */
const REFUSED_AT_START = new Set(['E2BIG', 'ERR_INVALID_ARG_VALUE']);

const LONGEST_QUOTE = 200;

/** What the end of a command means for its job. */
export function outcomeOfExit(exit: ChildExit, stdout: CappedOutput, stderr: CappedOutput): RunOutcome {
  if (exit.spawnError !== null) return outcomeOfSpawnError(exit.spawnError);
  if (exit.exitCode === 0) return { kind: 'done', result: jsonLine(stdout.lastLine()) };
  const reason = describeExit(exit, stderr);
  if (exit.exitCode === null) return { kind: 'failed', reason };
  if (exit.exitCode === TRY_LATER) return { kind: 'deferred', reason };
  if (NEVER_AGAIN.has(exit.exitCode)) return { kind: 'refused', reason };
  if (UNAVAILABLE.has(exit.exitCode)) return { kind: 'unavailable', reason };
  return { kind: 'failed', reason };
}

/** What the end of a service in the middle of a job means for that job: only a missing program is not held against it. */
export function outcomeOfServiceExit(
  exit: ChildExit,
  stderr: CappedOutput,
): Exclude<RunOutcome, { kind: 'done' }> {
  if (exit.spawnError !== null) return outcomeOfSpawnError(exit.spawnError);
  const kind = exit.exitCode !== null && UNAVAILABLE.has(exit.exitCode) ? 'unavailable' : 'failed';
  return { kind, reason: `the service ended before it answered: ${describeExit(exit, stderr)}` };
}

/** The line itself when it is JSON, else null. */
function jsonLine(line: string | null): string | null {
  if (line === null) return null;
  try {
    JSON.parse(line);
    return line;
  } catch {
    // Not JSON: an ordinary last line of output.
    return null;
  }
}

function outcomeOfSpawnError({
  code,
  message,
}: NonNullable<ChildExit['spawnError']>): Exclude<RunOutcome, { kind: 'done' }> {
  return { kind: REFUSED_AT_START.has(code) ? 'refused' : 'unavailable', reason: message };
}

function describeExit(exit: ChildExit, stderr: CappedOutput): string {
  const code = exit.exitCode;
  const meaning = code === null ? undefined : (UNAVAILABLE.get(code) ?? NEVER_AGAIN.get(code));
  const ended = code === null ? `killed by ${exit.signal}` : `exit ${code}${meaning ? ` (${meaning})` : ''}`;
  const lastWords = stderr.lastLine();
  if (lastWords === null) return ended;
  return `${ended}: ${lastWords.length > LONGEST_QUOTE ? `${lastWords.slice(0, LONGEST_QUOTE)}…` : lastWords}`;
}
