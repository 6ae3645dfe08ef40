import type { Config, SourceConfig } from '../config/config.js';
import { readHungRecords } from '../heartbeat/hung-records.js';
import type { ReadingProgress } from '../intake/step.js';
import type { AccountParts } from '../intake/take-account.js';
import type { Clock } from '../platform/clock.js';
import { readingText } from '../view/reading-text.js';
import type { ProgressLine } from './progress-line.js';

/** Beyond a worker's poll, so that what is new is taken by then. */
const GRACE_MS = 500;

export type OnProgress = (name: string, reading: ReadingProgress | null) => void;

export interface SourceWork {
  readonly config: Config;
  readonly sources: readonly SourceConfig[];
  readonly clock: Clock;
  readonly onProgress: OnProgress;
}

/** What `audit` and `reconcile` share: goes over the sources one by one, each with what it takes to hold it against the store. */
export async function eachSource<T extends object>(
  { config, sources, clock, onProgress }: SourceWork,
  store: AccountParts['store'],
  visit: (parts: AccountParts) => Promise<T>,
): Promise<readonly (T & { readonly name: string })[]> {
  const { systemFiles } = await import('../intake/file-access.js');
  const hung = readHungRecords(config.stateFolder, config.file);
  const done: (T & { readonly name: string })[] = [];
  for (const source of sources) {
    const visited = await visit({
      source,
      tasks: config.tasks,
      hung,
      store,
      clock,
      files: systemFiles,
      lookAgainMs: source.pollMs + GRACE_MS,
      onProgress: (reading) => onProgress(source.name, reading),
      isStopping: () => false,
    });
    done.push({ ...visited, name: source.name });
  }
  return done;
}

/** Shows on a progress line how far the source that is being read has come. */
export function readingOn(progress: ProgressLine): OnProgress {
  return (name, reading) => {
    if (reading !== null) progress.show(reading.done, reading.total, `${name}: ${readingText(reading)}`);
  };
}
