import type { Clock } from '../platform/clock.js';

interface SourceState {
  readonly name: string;
  readonly problem: string | null;
  readonly waitingFiles: number;
  readonly reading: { readonly done: number } | null;
}

/** A source that changes its mind with every poll must not wear out an SD card with beats. */
const AT_MOST_EVERY_MS = 5_000;

/**
 * Sees when a source gets or loses a problem, begins or ceases to wait for a file, or goes on with a backlog: what a person
 * who looks at a screen wants to know sooner than with the next beat. `look` is cheap and may be called as often as one likes.
 */
export function createSourceNews(options: {
  readonly sources: () => readonly SourceState[];
  readonly clock: Clock;
  readonly onNews: () => void;
}): { look(): void } {
  const { sources, clock, onNews } = options;
  let told = describe(sources());
  let toldAtMs = Number.NEGATIVE_INFINITY;

  return {
    look() {
      const now = describe(sources());
      if (now === told || clock.monotonicMs() - toldAtMs < AT_MOST_EVERY_MS) return;
      told = now;
      toldAtMs = clock.monotonicMs();
      onNews();
    },
  };
}

function describe(sources: readonly SourceState[]): string {
  return JSON.stringify(
    sources.map(({ name, problem, waitingFiles, reading }) => [name, problem, waitingFiles, reading?.done]),
  );
}
