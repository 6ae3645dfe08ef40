import type { Config } from '../config/config.js';
import { namesIn } from '../heartbeat/settings.js';
import { DURATION_BOUNDS, Histogram, LATENESS_BOUNDS } from './histogram.js';
import { createNaming, type Naming } from './naming.js';
import type { SourceFigures, TaskFigures, WorkerFigures } from './worker-figures.js';

interface TaskCounts {
  readonly attempts: Record<string, number>;
  readonly ended: Record<string, number>;
  retries: number;
  readonly durations: Histogram;
  lateness: Histogram | null;
}

interface SourceCounts {
  polls: number;
  failedPolls: number;
  readonly admitted: Record<string, number>;
  readonly refused: Record<string, number>;
  readonly gone: Record<string, number>;
  reconciled: number;
}

/** What is needed of a claim, an end and a tally. */
interface Claimed {
  readonly task: string;
  readonly source: string | null;
  readonly attempt: number;
  readonly lateByMs: number;
}
interface Ended {
  readonly claim: { readonly task: string };
  readonly report: {
    readonly outcome: { readonly kind: string };
    readonly startedAtMs: number;
    readonly endedAtMs: number;
  };
  readonly next: { readonly to: string };
}
interface TallyParts {
  readonly parts: Readonly<Record<'results' | 'refused' | 'gone', ReadonlyMap<string, number>>>;
}

/** Nothing of theirs ran, or how long is not known: its worker died. */
const NOT_TIMED: ReadonlySet<string> = new Set(['crashed', 'verified', 'damaged']);

/**
 * What happens in a worker, added up since its start: ends that were recorded, claims, tallies of polls. Plain numbers
 * that are always counted, since one costs next to nothing; who wants to see them pays for the rest.
 */
export class WorkerCounts {
  readonly #naming: Naming;
  readonly #timedSources: ReadonlySet<string>;
  readonly #tasks = new Map<string, TaskCounts>();
  readonly #sources = new Map<string, SourceCounts>();
  readonly #outages: Record<string, number> = {};
  readonly #dualWrites: Record<string, Record<string, number>> = {};

  constructor(config: Config) {
    const names = namesIn(config);
    this.#naming = createNaming({ tasks: config.tasks, names });
    const timed = config.sources.filter(({ kind }) => kind === 'schedule' || kind === 'every');
    this.#timedSources = new Set(timed.map(({ name }) => name));
    // From nothing on: a series that begins with its first failure hides that failure from `increase()`.
    for (const { name } of config.tasks) this.#task(name);
    for (const { task } of timed) this.#latenessOf(this.#task(task));
    for (const name of names.sources) this.#source(name);
    for (const name of names.dependencies) this.#outages[this.#naming.dependency(name)] = 0;
    for (const name of names.workspaces) this.#dualWritesOf(name);
  }

  claimed({ task, source, attempt, lateByMs }: Claimed): void {
    if (attempt !== 1 || source === null || !this.#timedSources.has(source)) return;
    this.#latenessOf(this.#task(task)).observe(lateByMs / 1000);
  }

  ended({ claim, report, next }: Ended): void {
    const counts = this.#task(claim.task);
    const { kind } = report.outcome;
    raise(counts.attempts, kind, 1);
    if (next.to !== 'pending') raise(counts.ended, next.to, 1);
    else if (kind !== 'released') counts.retries += 1;
    // By the wall clock, which may have been set meanwhile.
    if (!NOT_TIMED.has(kind))
      counts.durations.observe(Math.max(0, report.endedAtMs - report.startedAtMs) / 1000);
  }

  breakerMoved({ to, dependency }: { readonly to: string; readonly dependency: string }): void {
    if (to === 'opened') raise(this.#outages, this.#naming.dependency(dependency), 1);
  }

  polled(source: string, isWell: boolean): void {
    const counts = this.#source(source);
    if (isWell) counts.polls += 1;
    else counts.failedPolls += 1;
  }

  admitted(source: string, { parts }: TallyParts): void {
    const counts = this.#source(source);
    for (const [result, records] of parts.results) raise(counts.admitted, result, records);
    for (const [reason, records] of parts.refused) raise(counts.refused, reason, records);
    for (const [result, jobs] of parts.gone) raise(counts.gone, result, jobs);
  }

  reconciled(source: string, queued: number): void {
    this.#source(source).reconciled += queued;
  }

  /** Of the mirror that is kept while jobs move from one store to another. */
  dualWritten(workspace: string, result: string, jobs: number): void {
    raise(this.#dualWritesOf(workspace), result, jobs);
  }

  read(): Pick<WorkerFigures, 'tasks' | 'sources' | 'outages' | 'dualWrites'> {
    const tasks: Record<string, TaskFigures> = {};
    for (const [name, { durations, lateness, ...counts }] of this.#tasks)
      tasks[name] = { ...counts, durations: durations.read(), lateness: lateness?.read() ?? null };
    const sources: Record<string, SourceFigures> = Object.fromEntries(this.#sources);
    return { tasks, sources, outages: this.#outages, dualWrites: this.#dualWrites };
  }

  #dualWritesOf(workspace: string): Record<string, number> {
    const name = this.#naming.workspace(workspace);
    const counts = this.#dualWrites[name] ?? { written: 0, repeated: 0, outdated: 0, lost: 0, failed: 0 };
    this.#dualWrites[name] = counts;
    return counts;
  }

  #latenessOf(counts: TaskCounts): Histogram {
    counts.lateness ??= new Histogram(LATENESS_BOUNDS);
    return counts.lateness;
  }

  #task(name: string): TaskCounts {
    return entryOf(this.#tasks, this.#naming.task(name), () => ({
      attempts: {},
      ended: { completed: 0, failed: 0, cancelled: 0 },
      retries: 0,
      durations: new Histogram(DURATION_BOUNDS),
      lateness: null,
    }));
  }

  #source(name: string): SourceCounts {
    return entryOf(this.#sources, this.#naming.source(name), () => ({
      polls: 0,
      failedPolls: 0,
      admitted: { queued: 0 },
      refused: {},
      gone: {},
      reconciled: 0,
    }));
  }
}

function entryOf<T>(entries: Map<string, T>, name: string, blank: () => T): T {
  let entry = entries.get(name);
  if (entry === undefined) {
    entry = blank();
    entries.set(name, entry);
  }
  return entry;
}

function raise(counts: Record<string, number>, name: string, by: number): void {
  counts[name] = (counts[name] ?? 0) + by;
}
