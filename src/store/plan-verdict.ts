import type { AdmissionResult } from './intake-contract.js';
import type { JudgedRecord, LastJob } from './verdict.js';

/**
 * What a record of a plan comes to whose key is known. It is held against what its last job really did, never against an
 * earlier plan: nothing is passed over but on evidence that it runs or has run. `isSame`: this very version is known.
 */
export function planVerdict(
  record: JudgedRecord,
  job: LastJob,
  isSame: boolean,
  nowMs: number,
): AdmissionResult {
  const orDone = (runs: boolean) => (runs && !isOver(record, nowMs) ? 'queued' : 'already-done');
  switch (job.state) {
    case 'pending':
      return isSame ? 'already-queued' : 'superseded';
    case 'running':
      return isSame ? 'already-running' : 'changed-running';
    case 'completed':
      return orDone(!isSame && startsAfter(record, job));
    case 'cancelled':
      // By a person: that holds for as long as it is the same showing.
      return orDone(job.isWithdrawn || (!isSame && startsAfter(record, job)));
    case 'failed':
      // A dead letter is for a person to see; a changed record may be the mend.
      return orDone(!isSame);
    case 'expired':
      // Prolonged, or a wall clock that stood in the future has been set right.
      return orDone(true);
    default:
      return job.state satisfies never;
  }
}

/** What a record comes to whose key was never seen. */
export function firstVerdict(record: JudgedRecord, nowMs: number): 'queued' | 'expired' {
  return record.onChange === 'replan' && isOver(record, nowMs) ? 'expired' : 'queued';
}

function isOver({ expiresAtMs }: JudgedRecord, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs;
}

/** It is to start after what ran has ended: another showing of the same name. */
function startsAfter(record: JudgedRecord, { runAtMs, endedAtMs }: LastJob): boolean {
  if (endedAtMs === null) return true;
  return record.runAtMs !== runAtMs && record.runAtMs > endedAtMs;
}
