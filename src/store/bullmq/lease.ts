import type { JobId } from '../../job/job.js';
import type { Claim } from '../contract.js';
import type { Parcel } from './parcel.js';
import type { TaskQueue } from './queues.js';

/** What it takes to renew and to end an attempt: known also to a worker that finds it in the books of a dead one. */
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

/** An attempt of ours. */
export interface Lease extends Ending {
  readonly crashes: number;
}

/** As Redis has given it. */
export interface ClaimedJob {
  readonly lease: Lease;
  /** null: a job of our own, all of which stands in its row. */
  readonly parcel: Parcel | null;
}

/** What a claim says of a job, whatever attempt it is. */
export type ClaimBody = Omit<Claim, 'id' | 'epoch' | 'attempt' | 'crashes' | 'lateByMs'>;

export function claimOf(
  body: ClaimBody,
  { attempt, crashes }: Lease,
  id: JobId,
  epoch: number,
  nowMs: number,
): Claim {
  const { workspace, task, source, key, cycle, charged, maxAttempts, payload, timeoutMs, priority, group } =
    body;
  const { runAtMs, expiresAtMs } = body;
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
