import { isTerminal, stateOfPlace } from '../job/job.js';
import { isIntact } from '../job/snapshot.js';
import type { HistoryEntry, JobDetails } from '../store/read-contract.js';
import type { StoredCycle } from '../store/trace-contract.js';
import { type Gone, type LostRecord, NONE_GONE } from '../trace/cycle-trace.js';
import { digestText, NOTHING } from '../trace/digest.js';
import { type CheckpointVerdict, judgeCycle, type TraceVerdict, verdictOf } from '../trace/verdict.js';

/** The way of a cycle, or of one job of it, as far as it is known. */
export interface Way {
  readonly cycle: string;
  readonly source: string | null;
  readonly task: string | null;
  readonly job: { readonly id: string; readonly key: string } | null;
  readonly verdict: TraceVerdict;
  readonly checkpoints: readonly CheckpointVerdict[];
  readonly lost: readonly LostRecord[];
  /** Of a cycle: jobs that its plan no longer had, or whose time was missed. */
  readonly gone: Gone;
  /** Of a job: what happened to it beside its attempts. */
  readonly events: readonly JobEvent[];
  /** Nothing more will come of it. */
  readonly isOver: boolean;
}

export function wayOfCycle({ cycle, source, task, trace, queue }: StoredCycle): Way {
  const checkpoints = judgeCycle(trace, queue);
  const lost = [...trace.lost, ...queue.lost];
  const isOver = queue.open === 0;
  const verdict = verdictOf(checkpoints);
  const gone = trace.gone ?? NONE_GONE;
  return { cycle, source, task, job: null, verdict, checkpoints, lost, gone, events: [], isOver };
}

/**
 * What its cycle came to up to the queue, and then this job alone. `isEndKept`: its attempt is over, and the end cannot be written
 * down yet.
 */
export function wayOfJob(job: JobDetails, cycle: StoredCycle | null, isEndKept: boolean): Way {
  const { id, key, task, source, place, history } = job;
  const before = cycle === null ? [] : judgeCycle(cycle.trace, cycle.queue).slice(0, -1);
  // Attempts at an older version are none of this cycle's.
  const sinceVersion = history.slice(history.findLastIndex(isNewVersion) + 1);
  const attempts = sinceVersion.filter((entry): entry is Attempt => entry.kind === 'attempt');
  const checkpoints = [
    ...before,
    readOf(job, attempts),
    ...attempts.flatMap((entry) => stepsOf(job, entry, isEndKept)),
  ];
  const lost = (cycle?.trace.lost ?? []).filter((record) => record.key === key);
  const events = history.filter((entry): entry is JobEvent => entry.kind === 'event');
  const [verdict, isOver] = [verdictOf(checkpoints), isTerminal(stateOfPlace(place))];
  const whose = { cycle: job.cycle, source, task, job: { id, key } };
  return { ...whose, verdict, checkpoints, lost, gone: NONE_GONE, events, isOver };
}

type Attempt = Extract<HistoryEntry, { kind: 'attempt' }>;
type JobEvent = Extract<HistoryEntry, { kind: 'event' }>;

function isNewVersion(entry: HistoryEntry): boolean {
  return entry.kind === 'event' && entry.event === 'superseded';
}

function readOf(job: JobDetails, attempts: readonly Attempt[]): CheckpointVerdict {
  const { endedAtMs, reason, payload } = job;
  const state = stateOfPlace(job.place);
  const last = attempts.at(-1);
  const step = { name: 'QUEUE_READ', hash: beginningOf(job), reasons: {} } as const;
  if (!isIntact(payload) || last?.outcome === 'damaged') {
    const remark = 'the stored payload does not match its hash: set aside, nothing was run';
    return { ...step, atMs: last?.atMs ?? null, count: attempts.length === 0 ? 0 : 1, ok: false, remark };
  }
  if (last !== undefined) {
    const remark = 'SHA-256 of its payload, as it was normalised';
    return { ...step, atMs: last.atMs, count: 1, ok: true, remark };
  }
  const unread = { ...step, count: 0, hash: digestText(NOTHING) };
  if (!isTerminal(state)) return { ...unread, atMs: null, ok: null, remark: 'not claimed yet' };
  const why = `${state} before it was read${reason === null ? '' : `: ${reason}`}`;
  return { ...unread, atMs: endedAtMs, ok: true, remark: 'never claimed', reasons: { [why]: 1 } };
}

function stepsOf(job: JobDetails, entry: Attempt, isEndKept: boolean): CheckpointVerdict[] {
  const { attempt, atMs, endedAtMs, outcome, reason } = entry;
  const base = { count: 1, hash: beginningOf(job), reasons: {} };
  const isRun = outcome !== 'damaged';
  const recorded = { ...base, name: 'RECORDED', atMs: endedAtMs } as const;
  const why = reason === null ? '' : `: ${reason}`;
  const open = isEndKept ? 'is over, and its end is kept until it can be written down' : 'runs';
  return [
    ...(isRun ? [{ ...base, name: 'RUN' as const, atMs, ok: true, remark: `attempt ${attempt}` }] : []),
    endedAtMs === null
      ? { ...recorded, count: 0, hash: digestText(NOTHING), ok: null, remark: `attempt ${attempt} ${open}` }
      : { ...recorded, ok: true, remark: `attempt ${attempt}: ${outcome}${why}` },
  ];
}

/** Of one payload: the beginning of its SHA-256, as it was when it was normalised. */
function beginningOf({ payload }: JobDetails): string {
  return payload.hash.toString('hex', 0, 4);
}
