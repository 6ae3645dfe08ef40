import { type JobState, type Place, stateOfPlace } from '../job/job.js';
import type { AdmissionRecord, AdmissionResult, RecordVersion } from './intake-contract.js';
import { planVerdict } from './plan-verdict.js';

/** What a ledger knows of a key: the version that was admitted last. */
export interface KnownVersion {
  readonly versionHash: Buffer;
  readonly versionOrder: number | null;
}

/** The last job of a known record. */
export interface LastJob {
  readonly state: JobState;
  /** When it was to run last; null once it was pruned. */
  readonly runAtMs: number | null;
  /** null while it has not ended, and once it was pruned. */
  readonly endedAtMs: number | null;
  /** Cancelled because its plan no longer had it. */
  readonly isWithdrawn: boolean;
}

/** What an admission must know of a record to say what it comes to. */
export type JudgedRecord = Pick<AdmissionRecord, 'version' | 'onChange' | 'runAtMs' | 'expiresAtMs'>;

/** What a record with a known key comes to, in every engine. */
export function verdictOn(
  record: JudgedRecord,
  known: KnownVersion,
  job: LastJob,
  nowMs: number,
): AdmissionResult {
  const isSame = record.version.hash.equals(known.versionHash);
  if (record.onChange === 'replan') {
    return isSame || isNewer(record.version, known)
      ? planVerdict(record, job, isSame, nowMs)
      : 'older-ignored';
  }
  if (isSame) return job.state === 'pending' || job.state === 'running' ? 'already-queued' : 'already-done';
  if (record.onChange === 'ignore') return 'changed-ignored';
  if (!isNewer(record.version, known)) return 'older-ignored';
  return job.state === 'pending' ? 'superseded' : 'queued';
}

function isNewer(version: RecordVersion, known: KnownVersion): boolean {
  if (version.order === null || known.versionOrder === null) return true;
  return version.order > known.versionOrder;
}

/** The state of a known record. `place`: where its job stands, or stood when it was pruned, which is after its end. */
export function lastState(place: Place | null): JobState {
  return place === null ? 'completed' : stateOfPlace(place);
}

/** Why a record brought no job and changed none, as it is counted; null where it did. */
export function refusalOf(
  result: AdmissionResult,
): Exclude<AdmissionResult, 'queued' | 'superseded' | 'held' | 'changed-running'> | null {
  switch (result) {
    case 'queued':
    case 'superseded':
    case 'held':
    case 'changed-running':
      return null;
    case 'expired':
    case 'already-running':
    case 'already-queued':
    case 'already-done':
    case 'changed-ignored':
    case 'older-ignored':
      return result;
    default:
      return result satisfies never;
  }
}
