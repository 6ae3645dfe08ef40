import type { JobId } from '../../job/job.js';
import type { Claim } from '../contract.js';
import type { Parcel } from './parcel.js';
import type { RedisJob, TaskQueue } from './queues.js';

/** An attempt of ours: what it takes to renew and to end it. */
export interface Lease {
  readonly queue: TaskQueue;
  readonly parcel: Parcel;
  readonly token: string;
  readonly attempt: number;
  readonly crashes: number;
  readonly job: RedisJob;
}

/** What it takes to end an attempt: known also to a worker that finds it in the books of a dead one. */
export interface Ending {
  readonly queue: TaskQueue;
  readonly redisId: string;
  readonly origin: string;
  readonly group: string | null;
  readonly token: string;
  readonly attempt: number;
  readonly job: RedisJob | null;
}

export function endingOf({ queue, parcel, token, attempt, job }: Lease): Ending {
  return { queue, redisId: parcel.id, origin: parcel.origin, group: parcel.group, token, attempt, job };
}

export function claimOf({ parcel, attempt, crashes }: Lease, id: JobId, epoch: number, nowMs: number): Claim {
  const { workspace, task, source, key, cycle, charged, maxAttempts, payload, timeoutMs, priority, group } =
    parcel;
  const { runAtMs, expiresAtMs } = parcel;
  return {
    id,
    workspace,
    task,
    source,
    key,
    cycle,
    epoch,
    attempt,
    charged,
    crashes,
    maxAttempts,
    payload,
    timeoutMs,
    priority,
    group,
    runAtMs,
    expiresAtMs,
    lateByMs: Math.max(0, nowMs - runAtMs),
  };
}
