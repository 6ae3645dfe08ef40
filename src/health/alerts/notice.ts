import type { Beat } from '../../heartbeat/beat.js';
import type { AlertEvent } from './alert.js';

/*
 * What is worth an alert, decided by comparing what is seen with what was noticed before. That memory is kept on disk, so
 * a monitor that is restarted tells nothing twice, and what came about while there was none is told when it is seen.
 * No clock, no I/O.
 */

export interface AlertMemory {
  /** As it was told last. */
  readonly worker: 'well' | 'stuck' | 'gave-up';
  readonly outages: readonly NoticedOutage[];
  readonly diskLow: boolean;
  /** Redis takes no jobs. Books of older monitors lack it. */
  readonly redisAway?: boolean;
  /** Jobs that have failed for good, as the last beat counted them; null before the first: what failed before is no news. */
  readonly failures: FailureCount | null;
}

export interface NoticedOutage {
  readonly id: string;
  readonly dependency: string;
  readonly since: string;
}

export interface FailureCount {
  /** Of the worker that counted. */
  readonly nonce: string;
  /** Seen by that worker since its start. */
  readonly seen: number;
  /** That stand in the database, whoever saw them. */
  readonly standing: number;
}

export interface Noticed {
  readonly memory: AlertMemory;
  readonly events: readonly AlertEvent[];
}

export const BLANK_MEMORY: AlertMemory = { worker: 'well', outages: [], diskLow: false, failures: null };

/** The worker is dead, stuck or cannot be started, and what is done about it. */
export function noticeTrouble(
  memory: AlertMemory,
  worker: 'stuck' | 'gave-up',
  what: string,
  atMs: number,
): Noticed {
  // After giving up the monitor tries again every 15 minutes: that it still fails is no news.
  if (memory.worker === worker || memory.worker === 'gave-up') return { memory, events: [] };
  return { memory: { ...memory, worker }, events: [event(worker, what, atMs)] };
}

export function noticeWell(memory: AlertMemory, workerPid: number, atMs: number): Noticed {
  if (memory.worker === 'well') return { memory, events: [] };
  const what = `the worker (PID ${workerPid}) is at work again`;
  return { memory: { ...memory, worker: 'well' }, events: [event('recovered', what, atMs)] };
}

/** `why`: in words; null while there is room. */
export function noticeDisk(memory: AlertMemory, why: string | null, atMs: number): Noticed {
  const diskLow = why !== null;
  if (diskLow === memory.diskLow) return { memory, events: [] };
  const what = why ?? 'the disk has room again, and all goes on';
  const phase = diskLow ? 'begun' : 'ended';
  return { memory: { ...memory, diskLow }, events: [{ ...event('disk', what, atMs), phase }] };
}

export function noticeBeat(memory: AlertMemory, beat: Beat, atMs: number): Noticed {
  const outages = beat.outages ?? [];
  const ended = memory.outages.filter(({ id }) => !outages.some((one) => one.id === id));
  const begun = outages.filter(({ id }) => !memory.outages.some((one) => one.id === id));
  const failures = { nonce: beat.nonce, seen: beat.counters.failed, standing: beat.queue.failed };
  return {
    memory: {
      ...memory,
      outages: outages.map(({ id, dependency, since }) => ({ id, dependency, since })),
      redisAway: beat.redis !== undefined,
      failures,
    },
    events: [
      ...ended.map(({ dependency, since }) => ({
        ...event('outage', `${dependency} works again; it was away since ${since}`, atMs),
        phase: 'ended' as const,
        subject: dependency,
      })),
      ...begun.map(({ dependency, cause }) => ({
        ...event('outage', `${dependency} is away, its jobs wait (dogged outages): ${cause}`, atMs),
        phase: 'begun' as const,
        subject: dependency,
      })),
      ...redisEvents(memory.redisAway ?? false, beat.redis, atMs),
      ...failureEvents(newFailures(memory.failures, failures), beat, atMs),
    ],
  };
}

function redisEvents(wasAway: boolean, why: string | undefined, atMs: number): AlertEvent[] {
  if (wasAway === (why !== undefined)) return [];
  if (why === undefined) return [{ ...event('redis', 'Redis takes jobs again', atMs), phase: 'ended' }];
  const what = `Redis takes no jobs, they wait here (dogged health): ${why}`;
  return [{ ...event('redis', what, atMs), phase: 'begun' }];
}

/**
 * A worker counts from its start. What another one saw after its last beat stands in the database, beyond what the last
 * beat knew; `dogged retry` and pruning lower that number, so it can only tell too few, never of what was told.
 */
function newFailures(before: FailureCount | null, now: FailureCount): number {
  if (before === null) return 0;
  if (before.nonce === now.nonce) return Math.max(0, now.seen - before.seen);
  return now.seen + Math.max(0, now.standing - now.seen - before.standing);
}

function failureEvents(count: number, { lastFailed }: Beat, atMs: number): AlertEvent[] {
  if (count === 0) return [];
  const what =
    lastFailed === undefined
      ? ''
      : `job ${lastFailed.job} (${lastFailed.task}, ${lastFailed.key}): ${lastFailed.reason}`;
  return [{ ...event('dead-letter', what, atMs), count }];
}

function event(kind: AlertEvent['kind'], what: string, atMs: number): AlertEvent {
  return { kind, phase: null, subject: null, count: 1, what, atMs };
}
