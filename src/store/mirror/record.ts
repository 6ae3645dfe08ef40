import { type JobState, stateOfPlace } from '../../job/job.js';
import { sha256Of } from '../../job/snapshot.js';
import type { HistoryEntry, JobDetails } from '../read-contract.js';

/** A job as the mirror keeps it: all of it but what its attempts have printed. */
export interface MirrorRecord {
  readonly state: JobState;
  /** JSON; the payload is kept beside it, byte for byte. */
  readonly text: string;
  readonly payload: Buffer;
  /** Hex, of both: equal jobs have equal ones. */
  readonly digest: string;
}

type Entry = Omit<Extract<HistoryEntry, { kind: 'attempt' }>, 'stdout' | 'stderr'> | HistoryEntry;
type Stored = Omit<JobDetails, 'payload' | 'history'> & {
  readonly payloadHash: string;
  readonly history: readonly Entry[];
};

export function recordOf(job: JobDetails): MirrorRecord {
  const { payload, history, ...rest } = job;
  const stored: Stored = { ...rest, payloadHash: payload.hash.toString('hex'), history: history.map(bare) };
  const text = JSON.stringify(stored);
  return {
    state: stateOfPlace(job.place),
    text,
    payload: payload.bytes,
    digest: digestOf(text, payload.bytes),
  };
}

export function digestOf(text: string, payload: Buffer): string {
  return sha256Of([Buffer.from(`${Buffer.byteLength(text)}:${text}`), payload]).toString('hex');
}

/** The job that `recordOf` made this of. What its attempts have printed is taken from `other`, where it stands. */
export function jobOf(text: string, payload: Buffer, other: JobDetails): JobDetails {
  const { payloadHash, history, ...rest } = JSON.parse(text) as Stored;
  const printed = new Map(
    other.history.flatMap((entry) => (entry.kind === 'attempt' ? [[entry.attempt, entry]] : [])),
  );
  return {
    ...rest,
    payload: { bytes: payload, hash: Buffer.from(payloadHash, 'hex') },
    history: history.map((entry) => {
      if (entry.kind === 'event') return entry;
      const { stdout = null, stderr = null } = printed.get(entry.attempt) ?? {};
      return { ...entry, stdout, stderr };
    }),
  };
}

function bare(entry: HistoryEntry): Entry {
  if (entry.kind === 'event') return entry;
  const { stdout: _, stderr: __, ...rest } = entry;
  return rest;
}

/** What differs between two records of a job, in words. */
export function differenceBetween(here: MirrorRecord, there: Pick<MirrorRecord, 'text' | 'payload'>): string {
  if (!here.payload.equals(there.payload)) return 'its payload';
  const ours = JSON.parse(here.text) as Record<string, unknown>;
  const theirs = parsed(there.text);
  if (theirs === null) return 'its record is no JSON';
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
  return names.filter((name) => JSON.stringify(ours[name]) !== JSON.stringify(theirs[name])).join(', ');
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}
