import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';

interface SourceState {
  readonly name: string;
  readonly problem: string | null;
  readonly waitingFiles: number;
  readonly reading: { readonly done: number } | null;
  readonly look: { readonly unaccounted: number | null } | null;
}

/** A source that changes its mind with every poll must not wear out an SD card with beats. */
const AT_MOST_EVERY_MS = 5_000;

/**
 * Sees when a source gets or loses a problem, begins or ceases to wait for a file, or goes on with a backlog, when it was
 * held against the ledger with another result, when the machine has no room for jobs, its clock jumps or is not trusted, and
 * when an outage begins or ends, or ends of jobs are kept: what a person who looks at a screen, or waits for an alert, wants to know sooner than with
 * the next beat. `look` is cheap and may be called as often as one likes.
 */
export function createWorkerNews(options: {
  readonly sources: () => readonly SourceState[];
  /** Why the disk refuses writes; null when it takes them. */
  readonly storage: () => string | null;
  /** Why Redis takes nothing; null when it does, and where there is none. */
  readonly redis: () => string | null;
  readonly dispatch: () => {
    /** Why no further job is begun; null when there is room. */
    readonly pressure: string | null;
    /** Ends of jobs that are kept until the store takes them. */
    readonly endsKept: readonly unknown[];
    /** Dependencies that are away. */
    readonly away: readonly string[];
  };
  /** How far the wall clock is not trusted; null while it is. */
  readonly clockState: () => string | null;
  /** How many jumps of the clock are told of. */
  readonly clockJumps: () => number;
  readonly clock: Clock;
  readonly log: Log;
  readonly onNews: () => void;
}): { look(): void } {
  const { sources, dispatch, storage, redis, clockState, clockJumps, clock, log, onNews } = options;
  const problems = new Map<string, string | null>();
  const describe = () => {
    const { pressure, endsKept, away } = dispatch();
    return JSON.stringify([
      pressure,
      storage(),
      redis() !== null,
      endsKept.length,
      away,
      clockState(),
      clockJumps(),
      sources().map(stateOf),
    ]);
  };
  /** Also in the log: screens and diagnosis tell only of now. */
  const logProblems = () => {
    for (const { name, problem } of sources()) {
      const before = problems.get(name) ?? null;
      problems.set(name, problem);
      if (problem === before) continue;
      if (problem === null) log.info({ source: name }, `Source ${name}: well again`);
      else log.warn({ source: name, problem }, `Source ${name}: ${problem}`);
    }
  };
  let told = describe();
  let toldAtMs = Number.NEGATIVE_INFINITY;

  return {
    look() {
      const now = describe();
      if (now === told || clock.monotonicMs() - toldAtMs < AT_MOST_EVERY_MS) return;
      told = now;
      toldAtMs = clock.monotonicMs();
      logProblems();
      onNews();
    },
  };
}

function stateOf({ name, problem, waitingFiles, reading, look }: SourceState): readonly unknown[] {
  return [name, problem, waitingFiles, reading?.done, look?.unaccounted];
}
