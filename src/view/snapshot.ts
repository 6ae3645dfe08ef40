import type {
  Beat,
  BeatClock,
  BeatEnd,
  BeatMachine,
  BeatQueue,
  BeatSlot,
  BeatSource,
  BeatWaiting,
} from '../heartbeat/beat.js';
import { queueOf } from '../heartbeat/compose-beat.js';
import type { TaskLimits } from '../heartbeat/settings.js';
import { JOB_STATES, type JobState } from '../job/job.js';
import { withoutKeptEnds } from '../policy/kept-ends.js';
import { explainWaiting, heldTasks } from '../policy/waiting.js';
import type { Move } from '../store/move-contract.js';
import type {
  Guest,
  JobSummary,
  Outage,
  OutboxCounts,
  QueueCounts,
  ReadStore,
  SourceCounts,
  TaskCounts,
} from '../store/read-contract.js';
import { lookAtProcesses, type ProcessesLook } from './worker-look.js';

/**
 * How things stand, for every screen: what `status`, `queue` and all that comes later show is taken from this one
 * object. Counts and running jobs are the database's, now; the heartbeat adds what only the worker knows.
 */
export interface SystemSnapshot extends Pick<ProcessesLook, 'verdict' | 'worker' | 'monitor'> {
  readonly queue: BeatQueue;
  readonly slots: readonly BeatSlot[];
  readonly sources: readonly SourceLook[];
  readonly waiting: readonly BeatWaiting[];
  /** Attempts that have ended, and whose ends the store does not take yet. Their jobs are not counted as running. */
  readonly endsKept: readonly BeatEnd[];
  /** Those that go on. None are known where there is no database to read. */
  readonly outages: readonly Outage[];
  readonly tasks: readonly TaskCounts[];
  readonly pausedAll: boolean;
  /** How far the worker does not trust the wall clock; null while it does. */
  readonly clock: BeatClock | null;
  /** Jobs move from one store to another; null: they do not, or nobody can tell. */
  readonly move: Move | null;
  /** The store that a move has chosen, as long as the config may name another. */
  readonly chosenStore: string | null;
  /** Other machines that run with the same Redis, as of the last beat. */
  readonly machines: readonly BeatMachine[];
  /** The way to Redis; null where the store is SQLite alone, or cannot be read. */
  readonly redis: OutboxCounts | null;
  /** Due jobs that the next claim can take. */
  readonly runnable: number;
  readonly oldestDueMs: number | null;
  readonly nextScheduledAtMs: number | null;
  /** Where the counts come from. `nothing`: there is no database, and no beat that could tell. */
  readonly countedFrom: 'database' | 'heartbeat' | 'nothing';
  readonly problems: readonly string[];
  readonly takenAtMs: number;
}

interface SourceLook extends BeatSource {
  /** Where the last job of each record stands; null where there is no database to count them. */
  readonly states: Readonly<Record<JobState, number>> | null;
}

/** The store's part of a look, or why there is none: null when nothing has run here yet. */
export type StoreLook =
  | { readonly status: 'read'; readonly counts: QueueCounts; readonly running: readonly JobSummary[] }
  | { readonly status: 'missing' }
  | { readonly status: 'failed'; readonly why: string };

/** More jobs than any screen shows can run at once only where `slots` says so. */
const MOST_RUNNING = 1000;

export async function lookAtStore(store: ReadStore, nowMs: number): Promise<StoreLook> {
  const counts = await store.counts(nowMs);
  const running =
    counts.total.running === 0 ? [] : await store.list({ states: ['running'], limit: MOST_RUNNING });
  return { status: 'read', counts, running };
}

export function composeSnapshot(stateFolder: string, look: StoreLook, nowMs: number): SystemSnapshot {
  const processes = lookAtProcesses(stateFolder, nowMs);
  const { verdict, worker, monitor, beat, settings } = processes;
  const problems = [...processes.problems];
  if (look.status === 'failed') problems.push(`database: ${look.why}`);
  const works = verdict === 'running' || verdict === 'stuck';
  const clock = works ? (beat?.clock ?? null) : null;
  const machines = works ? machinesOf(beat, worker.beatAgeMs) : [];
  // Of a worker that is gone none are kept.
  const told = works && worker.beatAgeMs !== null ? (beat?.endsKept ?? []) : [];

  if (look.status !== 'read') {
    return {
      verdict,
      worker,
      monitor,
      queue: beat?.queue ?? NO_QUEUE,
      slots: works ? (beat?.slots ?? []) : [],
      sources: (beat?.sources ?? []).map(({ look, ...source }) => ({
        ...source,
        ...lookedAt(look, worker.beatAgeMs),
        waitingFiles: waitingFilesOf(source),
        states: null,
      })),
      waiting: works ? (beat?.waiting ?? []) : [],
      endsKept: told,
      outages: [],
      tasks: [],
      pausedAll: false,
      clock,
      redis: null,
      machines,
      move: null,
      chosenStore: null,
      runnable: works ? (beat?.runnable ?? 0) : 0,
      oldestDueMs: null,
      nextScheduledAtMs: null,
      countedFrom: beat === null ? 'nothing' : 'heartbeat',
      problems,
      takenAtMs: nowMs,
    };
  }

  const running = runningHere(look);
  const endsKept = told.filter((end) => running.some((job) => isEndOf(end, job)));
  const counts = withoutKeptEnds(look.counts, endsKept);
  const slotCount = works ? (processes.settingsKnown ? settings.slots : (beat?.slots.length ?? 0)) : 0;
  const slots = works
    ? correctSlots(beat, stillRunning(running, endsKept), slotCount, settings.tasks, nowMs)
    : [];
  const { waiting, runnable } = explainWaiting({
    lines: counts.tasks,
    pausedAll: counts.pausedAll,
    slots: slotCount,
    freeSlots: slots.filter((slot) => slot.state === 'idle').length,
    tasks: processes.settingsKnown ? settings.tasks : counts.tasks.map(unlimited),
    held: heldTasks(counts.outages),
    alone: beat?.waiting.some((line) => line.reason === 'alone') ?? false,
    pressure: beat?.pressure ?? null,
    clockHolds: clock?.state === 'suspect',
    ...(counts.outbox === undefined ? {} : { outbox: counts.outbox }),
  });
  return {
    verdict,
    worker,
    monitor,
    queue: queueOf(counts.total, counts.outbox?.waiting ?? 0),
    slots,
    sources: mergeSources(beat, counts, works, worker.beatAgeMs),
    waiting,
    endsKept,
    outages: counts.outages,
    tasks: counts.tasks,
    pausedAll: counts.pausedAll,
    clock,
    redis: counts.outbox ?? null,
    machines,
    move: counts.move ?? null,
    chosenStore: counts.chosenStore ?? null,
    runnable,
    oldestDueMs: counts.oldestDueAtMs === null ? null : Math.max(0, nowMs - counts.oldestDueAtMs),
    nextScheduledAtMs: counts.nextScheduledAtMs,
    countedFrom: 'database',
    problems,
    takenAtMs: nowMs,
  };
}

const NO_QUEUE: BeatQueue = {
  pending: 0,
  scheduled: 0,
  running: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  expired: 0,
  outbox: 0,
};

/** Jobs of ours that run at other machines fill no slot here; jobs of theirs that run here do. */
function runningHere({
  running,
  counts,
}: Extract<StoreLook, { status: 'read' }>): readonly (Guest & Partial<JobSummary>)[] {
  return [...running.filter(({ isElsewhere }) => !isElsewhere), ...(counts.outbox?.guests ?? [])];
}

/** Since the beat was written, the end may have been taken, and the job may run again. */
export function isEndOf(
  end: BeatEnd,
  { id, attempts = end.attempt }: Pick<Guest, 'id'> & { readonly attempts?: number },
): boolean {
  return end.job === id && end.attempt === attempts;
}

function stillRunning(running: readonly Guest[], endsKept: readonly BeatEnd[]): readonly Guest[] {
  return running.filter((job) => !endsKept.some((end) => isEndOf(end, job)));
}

/**
 * The slots as they are now. The beat knows places and progress, but is up to a beat old: a job that has ended since
 * leaves its slot idle, and one that has started since takes the first idle slot.
 */
function correctSlots(
  beat: Beat | null,
  running: readonly Guest[],
  slotCount: number,
  tasks: readonly TaskLimits[],
  nowMs: number,
): BeatSlot[] {
  const jobs = new Map(running.map((job) => [job.id, job]));
  const slots: BeatSlot[] = [];
  for (let slot = 0; slot < slotCount; slot += 1) {
    const told = beat?.slots.find((candidate) => candidate.slot === slot);
    const job = told?.job === undefined ? undefined : jobs.get(told.job);
    if (told === undefined || job === undefined) {
      slots.push({ slot, state: 'idle' });
    } else {
      jobs.delete(job.id);
      slots.push({
        ...working(slot, job, tasks, nowMs),
        ...defined(told, ['timeoutMs', 'progress', 'orphanPids']),
      });
    }
  }
  // Oldest first, so that a screen that is drawn twice shows the same order.
  for (const job of [...jobs.values()].reverse()) {
    const idle = slots.findIndex((slot) => slot.state === 'idle');
    const slot = idle >= 0 ? idle : slots.length;
    slots[slot] = working(slot, job, tasks, nowMs);
  }
  return slots;
}

function working(slot: number, job: Guest, tasks: readonly TaskLimits[], nowMs: number): BeatSlot {
  const timeoutMs = tasks.find((task) => task.name === job.task)?.timeoutMs;
  return {
    slot,
    state: 'working',
    job: job.id,
    task: job.task,
    key: job.key,
    sinceMs: Math.max(0, nowMs - (job.startedAtMs ?? nowMs)),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

function defined(
  slot: BeatSlot,
  names: readonly ('timeoutMs' | 'progress' | 'orphanPids')[],
): Partial<BeatSlot> {
  return Object.fromEntries(
    names.filter((name) => slot[name] !== undefined).map((name) => [name, slot[name]]),
  );
}

/** Records and rejects as the database counts them, now; last poll and problem as they were at the last beat. */
function mergeSources(
  beat: Beat | null,
  counts: QueueCounts,
  works: boolean,
  beatAgeMs: number | null,
): SourceLook[] {
  const names = new Set([...(beat?.sources ?? []), ...counts.sources].map((source) => source.name));
  return [...names].map((name) => {
    const told = beat?.sources.find((source) => source.name === name);
    const counted = counts.sources.filter((source) => source.name === name);
    return {
      name,
      records: counted.reduce((sum, source) => sum + source.records, 0),
      rejected: counted.reduce((sum, source) => sum + source.rejected, 0),
      lastPollMs: told?.lastPollMs ?? null,
      problem: told?.problem ?? null,
      waitingFiles: works ? waitingFilesOf(told) : 0,
      ...(works && told?.reading !== undefined ? { reading: told.reading } : {}),
      ...lookedAt(told?.look, beatAgeMs),
      states: sumOfStates(counted),
    };
  });
}

/** As of now. Only a worker that has beaten knows any. */
function machinesOf(beat: Beat | null, beatAgeMs: number | null): readonly BeatMachine[] {
  if (beatAgeMs === null) return [];
  return (beat?.machines ?? []).map(({ site, seenMsAgo }) => ({ site, seenMsAgo: seenMsAgo + beatAgeMs }));
}

/** As of now, and only where the beat is that of the worker whose age is known: nobody can tell how old another one is. */
function lookedAt(look: BeatSource['look'], beatAgeMs: number | null): Pick<BeatSource, 'look'> {
  return look === undefined || beatAgeMs === null ? {} : { look: { ...look, agoMs: look.agoMs + beatAgeMs } };
}

/** One name may stand in several workspaces. */
function sumOfStates(counted: readonly SourceCounts[]): Record<JobState, number> {
  const sum = (state: JobState) => counted.reduce((all, { states }) => all + states[state], 0);
  return Object.fromEntries(JOB_STATES.map((state) => [state, sum(state)])) as Record<JobState, number>;
}

function waitingFilesOf(source: BeatSource | undefined): number {
  return source?.waitingFiles ?? 0;
}

/** Where no worker has told its limits, only a pause can be known. */
function unlimited({ task }: TaskCounts): TaskLimits {
  return {
    name: task,
    concurrency: Number.MAX_SAFE_INTEGER,
    timeoutMs: 0,
    group: null,
    runner: { kind: 'unknown' },
  };
}
