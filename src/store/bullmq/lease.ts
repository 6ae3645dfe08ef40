import type { JobId } from '../../job/job.js';
import type { Claim } from '../contract.js';
import type { Parcel } from './parcel.js';
import type { TaskQueue } from './queues.js';

/** An attempt of ours: what it takes to renew and to end it. */
export interface Lease {
  readonly queue: TaskQueue;
  readonly parcel: Parcel;
  readonly token: string;
  readonly attempt: number;
  readonly crashes: number;
}

/** What it takes to end an attempt: known also to a worker that finds it in the books of a dead one. */
export interface Ending {
  readonly queue: TaskQueue;
  readonly redisId: string;
  readonly origin: string;
  readonly group: string | null;
  readonly token: string;
  readonly attempt: number;
  /** Others may own the job as well. */
  readonly isShared: boolean;
}

export function endingOf({ queue, parcel, token, attempt }: Lease): Ending {
  const { id, origin, group, isShared } = parcel;
  return { queue, redisId: id, origin, group, token, attempt, isShared };
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
