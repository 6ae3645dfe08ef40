import type { Next, RunOutcome } from '../job/outcome.js';

/** What the policy knows of the job whose attempt ended: the three numbers, the budget and its place in the line. */
export interface AttemptCounts {
  /** Grows with every claim, whatever becomes of it: this attempt included. */
  readonly attempt: number;
  /** Failed attempts against the budget, before this one. */
  readonly charged: number;
  /** Attempts that a worker's death cut off, before this one. */
  readonly crashes: number;
  readonly maxAttempts: number;
  readonly runAtMs: number;
}

export interface RetryRules {
  /** The wait doubles from `minMs` up to `maxMs`. */
  readonly backoff: { readonly minMs: number; readonly maxMs: number };
  /** So many deaths of a worker under a job, at the last of which it ran alone, and it is taken for their cause. */
  readonly poisonAfter: number;
}

type Crash = Extract<RunOutcome, { kind: 'crashed' }>;

export interface RetryMoment {
  readonly nowMs: number;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

/**
 * Every tenth attempt of a job that ends by asking for another try is charged, the nine before it are free. So a
 * budget of 5 ends after 50 attempts at the latest, and nothing has to be remembered but the attempt's number.
 */
export const DEFERRALS_PER_CHARGE = 10;

/** From 1 ms this reaches a week; without a bound, a thousand failures would multiply by infinity. */
const MOST_DOUBLINGS = 30;

/** Decides what becomes of a job after an attempt. Pure: the same input always gives the same answer. */
export function decideNext(
  outcome: RunOutcome,
  job: AttemptCounts,
  rules: RetryRules,
  moment: RetryMoment,
): Next {
  switch (outcome.kind) {
    case 'done':
      return { to: 'completed' };
    case 'verified':
    case 'ended':
      return { to: 'completed', reason: outcome.reason };
    case 'failed':
    case 'timed-out':
      return charge(outcome.reason, job, rules, moment);
    case 'deferred':
      return job.attempt % DEFERRALS_PER_CHARGE === 0
        ? charge(outcome.reason, job, rules, moment)
        : retryUncharged(outcome.reason, job, rules, moment);
    case 'unavailable':
      return retryUncharged(outcome.reason, job, rules, moment);
    case 'refused':
      return { to: 'failed', reason: outcome.reason };
    case 'damaged':
      return { to: 'failed', reason: 'integrity' };
    case 'cancelled':
      return { to: 'cancelled', reason: outcome.reason };
    case 'released':
      return {
        to: 'pending',
        runAtMs: placeInLineMs(job, moment),
        charged: false,
        crashed: false,
        reason: outcome.reason,
      };
    case 'crashed':
      return afterCrash(outcome, job, rules, moment);
    default:
      return outcome satisfies never;
  }
}

/**
 * The wait before try number `failures + 1`: drawn evenly from `minMs` up to a ceiling that doubles with each failure
 * and stops at `maxMs` (full jitter, so that jobs that failed together do not come back together). Never shorter than
 * `minMs`, since that is what the user wrote.
 */
export function backoffMs(backoff: RetryRules['backoff'], failures: number, random: number): number {
  const doublings = Math.min(Math.max(1, failures), MOST_DOUBLINGS);
  const ceilingMs = Math.min(backoff.maxMs, backoff.minMs * 2 ** doublings);
  return Math.round(backoff.minMs + random * Math.max(0, ceilingMs - backoff.minMs));
}

function charge(reason: string, job: AttemptCounts, rules: RetryRules, moment: RetryMoment): Next {
  const failures = job.charged + 1;
  if (failures >= job.maxAttempts) return { to: 'failed', reason };
  const waitMs = backoffMs(rules.backoff, failures, moment.random);
  return { to: 'pending', runAtMs: moment.nowMs + waitMs, charged: true, crashed: false, reason };
}

function retryUncharged(reason: string, job: AttemptCounts, rules: RetryRules, moment: RetryMoment): Next {
  const freeTries = Math.max(1, job.attempt - job.charged - job.crashes);
  const waitMs = backoffMs(rules.backoff, freeTries, moment.random);
  return { to: 'pending', runAtMs: moment.nowMs + waitMs, charged: false, crashed: false, reason };
}

function afterCrash(crash: Crash, job: AttemptCounts, rules: RetryRules, moment: RetryMoment): Next {
  const { reason, ranAlone, killedByUs } = crash;
  // The whole worker was judged, not this job: beside others that says nothing about it.
  if (killedByUs && !ranAlone) {
    return { to: 'pending', runAtMs: placeInLineMs(job, moment), charged: false, crashed: false, reason };
  }
  const crashes = job.crashes + 1;
  if (ranAlone && crashes >= rules.poisonAfter) return { to: 'failed', reason: 'poison' };
  // Most of what ran beside the culprit is innocent: the first time it goes on at once, in its old place.
  const runAtMs =
    crashes === 1
      ? placeInLineMs(job, moment)
      : moment.nowMs + backoffMs(rules.backoff, crashes, moment.random);
  return { to: 'pending', runAtMs, charged: false, crashed: true, reason };
}

/** It keeps its place in the line: it did nothing wrong. Its time had come, also where the clock was set back since. */
function placeInLineMs(job: AttemptCounts, { nowMs }: RetryMoment): number {
  return Math.min(job.runAtMs, nowMs);
}
