import type { WaitingReason } from '../heartbeat/beat.js';
import { heldTasks } from '../policy/waiting.js';
import type { JobSummary } from '../store/read-contract.js';
import { isEndOf, type SystemSnapshot } from './snapshot.js';

/**
 * What one job waits for: a reason as in `waiting`, or what only a single job can wait for. `time`: it was added for
 * later. `backoff`: it is to be retried. `predecessor`: an older version of its record still runs. `worker`: nobody
 * runs jobs here. `orphan`: its worker died, and what it had started cannot be killed, so it stays running. `end`: its
 * attempt is over, and the end cannot be written down yet. null: it does not wait, or the next claim can take it.
 */
export type WaitingFor = WaitingReason | 'time' | 'backoff' | 'predecessor' | 'worker' | 'orphan' | 'end';

export function waitingFor(
  job: Pick<JobSummary, 'id' | 'place' | 'parkedBy' | 'task' | 'attempts'>,
  snapshot: Pick<SystemSnapshot, 'verdict' | 'waiting' | 'outages' | 'slots' | 'clock' | 'endsKept'>,
): WaitingFor | null {
  switch (job.place) {
    case 'scheduled':
      // Nobody knows whether its time has come.
      if (job.attempts === 0) return snapshot.clock?.state === 'suspect' ? 'clock' : 'time';
      return heldTasks(snapshot.outages).has(job.task) ? 'breaker' : 'backoff';
    case 'parked':
      return job.parkedBy ?? 'group';
    case 'ready':
      if (snapshot.verdict !== 'running') return 'worker';
      return (
        snapshot.waiting.find((line) => line.task === job.task && line.reason !== 'group')?.reason ?? null
      );
    case 'running':
      if (snapshot.endsKept.some((end) => isEndOf(end, job))) return 'end';
      return snapshot.slots.some((slot) => slot.job === job.id && slot.orphanPids) ? 'orphan' : null;
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'expired':
      return null;
  }
}

const WORDS: Readonly<Record<WaitingFor, string>> = {
  slots: 'all slots are busy',
  concurrency: 'its task runs as many at once as it may',
  group: 'its group is full, or an older version of its record still runs',
  paused: 'paused',
  breaker: 'its program or dependency is away',
  memory: 'memory is short',
  disk: 'the disk is nearly full',
  clock: 'the clock is not to be trusted yet',
  redis: 'Redis takes no jobs',
  elsewhere: 'other machines take it, or have its group or task full',
  alone: 'a job that was running when the worker died runs alone first',
  time: 'its time has not come',
  backoff: 'it is to be retried',
  predecessor: 'an older version of its record still runs',
  worker: 'no worker runs',
  end: 'its attempt is over, and its end is kept until it can be written down',
  orphan: 'its worker died, and what that had started cannot be killed; it stays running until that is gone',
};

/** The reason in words. A reason that only a newer worker knows is shown as it is. */
export function waitingText(reason: string): string {
  return WORDS[reason as WaitingFor] ?? reason;
}
