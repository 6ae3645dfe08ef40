import { isIntact } from '../job/snapshot.js';
import type { HistoryEntry, JobDetails } from '../store/read-contract.js';
import type { StoredCycle } from '../store/trace-contract.js';
import type { LostRecord } from '../trace/cycle-trace.js';
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
  /** Nothing more will come of it. */
  readonly isOver: boolean;
}

export function wayOfCycle({ cycle, source, task, trace, queue }: StoredCycle): Way {
  const checkpoints = judgeCycle(trace, queue);
  const lost = [...trace.lost, ...queue.lost];
  const isOver = queue.open === 0;
  return { cycle, source, task, job: null, verdict: verdictOf(checkpoints), checkpoints, lost, isOver };
}

/** What its cycle came to up to the queue, and then this job alone. */
export function wayOfJob(job: JobDetails, cycle: StoredCycle | null): Way {
  const { id, key, task, source, place } = job;
  const before = cycle === null ? [] : judgeCycle(cycle.trace, cycle.queue).slice(0, -1);
  const checkpoints = [...before, readOf(job), ...job.history.flatMap((entry) => stepsOf(job, entry))];
  const lost = (cycle?.trace.lost ?? []).filter((record) => record.key === key);
  const isOver = place === 'completed' || place === 'failed' || place === 'cancelled' || place === 'expired';
  const verdict = verdictOf(checkpoints);
  return { cycle: job.cycle, source, task, job: { id, key }, verdict, checkpoints, lost, isOver };
}

type Attempt = Extract<HistoryEntry, { kind: 'attempt' }>;

function readOf(job: JobDetails): CheckpointVerdict {
  const attempts = job.history.filter((entry): entry is Attempt => entry.kind === 'attempt');
  const last = attempts.at(-1);
  const hash = beginningOf(job);
  const step = { name: 'QUEUE_READ', hash, reasons: {} } as const;
  if (!isIntact(job.payload) || last?.outcome === 'damaged') {
    const remark = 'the stored payload does not match its hash: set aside, nothing was run';
    return { ...step, atMs: last?.atMs ?? null, count: attempts.length === 0 ? 0 : 1, ok: false, remark };
  }
  if (last === undefined)
    return { ...step, atMs: null, count: 0, hash: 'empty', ok: null, remark: 'not claimed yet' };
  return {
    ...step,
    atMs: last.atMs,
    count: 1,
    ok: true,
    remark: 'SHA-256 of its payload, as it was normalised',
  };
}

function stepsOf(job: JobDetails, entry: HistoryEntry): CheckpointVerdict[] {
  if (entry.kind === 'event') return [];
  const { attempt, atMs, endedAtMs, outcome, reason } = entry;
  const base = { count: 1, hash: beginningOf(job), reasons: {} };
  const isRun = outcome !== 'damaged';
  const recorded = { ...base, name: 'RECORDED', atMs: endedAtMs } as const;
  const why = reason === null ? '' : `: ${reason}`;
  return [
    ...(isRun ? [{ ...base, name: 'RUN' as const, atMs, ok: true, remark: `attempt ${attempt}` }] : []),
    endedAtMs === null
      ? { ...recorded, count: 0, hash: 'empty', ok: null, remark: `attempt ${attempt} runs` }
      : { ...recorded, ok: true, remark: `attempt ${attempt}: ${outcome}${why}` },
  ];
}

/** Of one payload: the beginning of its SHA-256, as it was when it was normalised. */
function beginningOf({ payload }: JobDetails): string {
  return payload.hash.toString('hex', 0, 4);
}
