import type { TaskConfig } from '../config/config.js';
import { DoggedError } from '../job/errors.js';
import type { AttemptReport } from '../job/outcome.js';
import { plural } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';
import { decideNext, type RetryMoment, type RetryRules } from '../policy/retry.js';
import type { Claim, End } from '../store/contract.js';

/** For jobs of a task that the config no longer has. */
const DEFAULT_BACKOFF: RetryRules['backoff'] = { minMs: 2_000, maxMs: 300_000 };

/** An attempt that is over; what is to become of its job is not decided yet. */
export interface OverAttempt {
  readonly claim: Claim;
  readonly report: AttemptReport;
}

/** An end with what its log line needs, which is written once the end is committed. */
export interface EndedAttempt extends End {
  readonly claim: Claim;
}

/** What the store is to write of an attempt that is over. */
export function decideEnd(
  { claim, report }: OverAttempt,
  task: TaskConfig | undefined,
  poisonAfter: number,
  moment: RetryMoment,
): EndedAttempt {
  const rules = { backoff: task?.retry.backoff ?? DEFAULT_BACKOFF, poisonAfter };
  return { claim, report, next: decideNext(report.outcome, claim, rules, moment) };
}

/** Says that the store took no turn. What was foreseen is told in its own words, all else with its stack. */
export function announceFailedTurn(log: Log, error: unknown, failures: number, ends: number): void {
  const isForeseen = error instanceof DoggedError;
  const why = isForeseen ? `: ${error.message.replace(/\.$/, '')}` : '';
  const kept =
    ends === 0 ? '' : `; ${plural(ends, 'end')} of jobs ${ends === 1 ? 'is' : 'are'} kept until then`;
  const text = `Jobs can neither be claimed nor recorded, which is tried again${why}${kept}`;
  log.warn({ ...(!isForeseen && { err: error }), failures, ends }, text);
}

/** Says what became of an attempt. Never before its commit: until then it may still come out otherwise. */
export function announceEnd(log: Log, { claim, report, next }: EndedAttempt, recorded: boolean): void {
  const { id, task, key, cycle, attempt, maxAttempts } = claim;
  const facts = {
    checkpoint: 'RECORDED',
    cycle_id: cycle,
    job: id,
    task,
    key,
    attempt,
    outcome: report.outcome.kind,
  };
  if (!recorded) {
    log.warn(
      facts,
      `Lost: attempt ${attempt} of job ${id} ended, but the job was no longer ours; nothing changed`,
    );
    return;
  }
  switch (next.to) {
    case 'completed':
      if (next.reason === undefined) log.debug(facts, `Completed ${id}`);
      else log.info({ ...facts, reason: next.reason }, `Completed ${id}: ${next.reason}`);
      return;
    case 'failed':
      log.error({ ...facts, reason: next.reason }, `Failed ${id} for good: ${next.reason}`);
      return;
    case 'cancelled':
      log.info(facts, `Cancelled ${id}`);
      return;
    case 'pending': {
      if (report.outcome.kind === 'released') {
        log.info({ ...facts, reason: next.reason }, `Gave back ${id}, uncharged: ${next.reason}`);
        return;
      }
      const failedTries = claim.charged + (next.charged ? 1 : 0);
      const waitMs = Math.max(0, next.runAtMs - report.endedAtMs);
      const wait = `${(waitMs / 1000).toFixed(1)} s`;
      log.warn(
        { ...facts, reason: next.reason, waitMs, charged: next.charged },
        `Retrying ${id} in ${wait} (failed tries ${failedTries} of ${maxAttempts}): ${next.reason}`,
      );
      return;
    }
    default:
      next satisfies never;
  }
}
