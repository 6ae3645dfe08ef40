import { placeFromCode } from '../../job/job.js';
import type { JobSummary } from '../read-contract.js';
import { payloadOf } from './payload.js';

/** A job with the names of its queue and scope, as every list reads it. */
export interface JobRow {
  readonly id: number;
  readonly workspace: string;
  readonly task: string;
  readonly scopeKind: number;
  readonly scopeName: string;
  readonly key: string;
  readonly versionHash: Buffer;
  readonly versionOrder: number | null;
  readonly cycle: string;
  readonly place: number;
  readonly priority: number;
  readonly group: string | null;
  readonly attempts: number;
  readonly charged: number;
  readonly crashes: number;
  readonly maxAttempts: number;
  readonly createdAtMs: number;
  readonly runAtMs: number;
  readonly expiresAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly lateByMs: number | null;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly result: string | null;
  readonly afterJob: number | null;
  readonly payload: Buffer;
  readonly payloadHash: Buffer;
  readonly epoch: number;
}

export const JOB_COLUMNS = `
  j.id, q.workspace, q.task, s.kind AS scopeKind, s.name AS scopeName, j.key,
  j.version_hash AS versionHash, j.version_order AS versionOrder, j.cycle, j.place, j.priority,
  j.group_name AS "group", j.attempt AS attempts, j.charged, j.crashes, j.max_attempts AS maxAttempts,
  j.created_at AS createdAtMs, j.run_at AS runAtMs, j.expires_at AS expiresAtMs,
  j.started_at AS startedAtMs, j.ended_at AS endedAtMs, j.late_by AS lateByMs, j.reason,
  j.exit_code AS exitCode, j.result, j.after_job AS afterJob, ${payloadOf('j')} AS payload, j.payload_hash AS payloadHash, j.epoch`;

/** CROSS JOIN fixes the order: jobs are always found first, by an index of theirs. */
export const jobTables = `
  jobs j
  CROSS JOIN queues q ON q.id = j.queue_id
  CROSS JOIN scopes s ON s.id = j.scope_id`;

export function summaryOf(row: JobRow): JobSummary {
  const { scopeKind, scopeName, versionHash, versionOrder, afterJob, payload, payloadHash, epoch, ...same } =
    row;
  const place = placeFromCode(row.place);
  return {
    ...same,
    id: String(row.id),
    source: scopeKind === 0 ? scopeName : null,
    version: versionOrder === null ? versionHash.toString('hex') : String(versionOrder),
    place,
    isElsewhere: place === 'running' && epoch === 0,
    payload: { bytes: payload, hash: payloadHash },
    parkedBy: place !== 'parked' ? null : afterJob === null ? 'group' : 'predecessor',
  };
}
