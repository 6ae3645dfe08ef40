import { stateOfPlace } from '../job/job.js';
import { isIntact } from '../job/snapshot.js';
import { isoTime } from '../platform/clock.js';
import type { HistoryEntry, JobDetails } from '../store/read-contract.js';

/**
 * A job as `jobs --json` and `job --json` promise it, as JSON text: payload and result are put in as the bytes that
 * are stored, so that numbers keep their spelling (1.0, or more digits than a double holds).
 */
export function jobJson(job: JobDetails, waitingFor: string | null): string {
  const intact = isIntact(job.payload);
  return objectText([
    ['id', job.id],
    ['workspace', job.workspace],
    ['task', job.task],
    ['source', job.source],
    ['key', job.key],
    ['version', job.version],
    ['cycle', job.cycle],
    ['state', stateOfPlace(job.place)],
    ['priority', job.priority],
    ['group', job.group],
    ['attempts', job.attempts],
    ['maxAttempts', job.maxAttempts],
    ['createdAt', isoTime(job.createdAtMs)],
    ['runAt', isoTime(job.runAtMs)],
    ['expiresAt', isoTime(job.expiresAtMs)],
    ['startedAt', isoTime(job.startedAtMs)],
    ['endedAt', isoTime(job.endedAtMs)],
    ['lateByMs', job.lateByMs],
    ['reason', shownReason(job)],
    ['waitingFor', waitingFor],
    ['exitCode', job.exitCode],
    ['payload', intact ? new JsonText(job.payload.bytes.toString()) : null],
    ['payloadHash', job.payload.hash.toString('hex')],
    ['result', resultValue(job.result)],
    ['history', job.history.map(historyJson)],
  ]);
}

/** Why the job stands where it stands. A payload that no longer matches its hash is said before anything else. */
export function shownReason(job: Pick<JobDetails, 'payload' | 'reason'>): string | null {
  return isIntact(job.payload) ? job.reason : 'integrity';
}

/** The same for people: the two that are bare words for scripts say what they mean. */
export function reasonText(job: Pick<JobDetails, 'payload' | 'reason'>): string | null {
  const reason = shownReason(job);
  return reason === null ? null : (MEANINGS[reason] ?? reason);
}

const MEANINGS: Readonly<Record<string, string>> = {
  integrity: 'integrity: its stored payload no longer matches its hash',
  poison: 'poison: the worker died under it again and again',
};

function historyJson(entry: HistoryEntry): object {
  if (entry.kind === 'event') {
    return { kind: 'event', at: isoTime(entry.atMs), event: entry.event, detail: entry.detail };
  }
  return {
    kind: 'attempt',
    at: isoTime(entry.atMs),
    attempt: entry.attempt,
    endedAt: isoTime(entry.endedAtMs),
    durationMs: entry.endedAtMs === null ? null : Math.max(0, entry.endedAtMs - entry.atMs),
    outcome: entry.outcome,
    reason: entry.reason,
    exitCode: entry.exitCode,
    signal: entry.signal,
    stdout: entry.stdout,
    stderr: entry.stderr,
  };
}

/** Text that is JSON already. */
class JsonText {
  constructor(readonly text: string) {}
}

function resultValue(result: string | null): unknown {
  if (result === null) return null;
  try {
    JSON.parse(result);
    return new JsonText(result);
  } catch {
    // Kept as it is: a handler's last line that only looked like JSON.
    return result;
  }
}

function objectText(fields: readonly (readonly [name: string, value: unknown])[]): string {
  const parts = fields.map(([name, value]) => {
    const text = value instanceof JsonText ? value.text : JSON.stringify(value);
    return `${JSON.stringify(name)}:${text}`;
  });
  return `{${parts.join(',')}}`;
}
