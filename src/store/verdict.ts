import { type JobState, type Place, stateOfPlace } from '../job/job.js';
import type { AdmissionRecord, AdmissionResult, RecordVersion } from './contract.js';

/** What a ledger knows of a key: the version that was admitted last. */
export interface KnownVersion {
  readonly versionHash: Buffer;
  readonly versionOrder: number | null;
}

/** What a record with a known key comes to, in every engine. `state` is that of its last job. */
export function verdictOn(
  record: Pick<AdmissionRecord, 'version' | 'onChange'>,
  known: KnownVersion,
  state: JobState,
): AdmissionResult {
  if (record.version.hash.equals(known.versionHash)) {
    return state === 'pending' || state === 'running' ? 'already-queued' : 'already-done';
  }
  if (record.onChange === 'ignore') return 'changed-ignored';
  if (!isNewer(record.version, known)) return 'older-ignored';
  return state === 'pending' ? 'superseded' : 'queued';
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
): Exclude<AdmissionResult, 'queued' | 'superseded' | 'held'> | null {
  switch (result) {
    case 'queued':
    case 'superseded':
    case 'held':
      return null;
    case 'already-queued':
    case 'already-done':
    case 'changed-ignored':
    case 'older-ignored':
      return result;
    default:
      return result satisfies never;
  }
}
