import type { Config, SourceConfig } from '../config/config.js';
import { DoggedError } from '../job/errors.js';

/** The sources that a command means: all, or the one that was named. Throws SOURCE_UNKNOWN. */
export function chosenSources(config: Config, name: string | undefined): readonly SourceConfig[] {
  if (name === undefined) return config.sources;
  const chosen = config.sources.filter((source) => source.name === name);
  if (chosen.length > 0) return chosen;
  const known = config.sources.map((source) => source.name).join(', ') || 'none';
  throw new DoggedError('SOURCE_UNKNOWN', { source: name, known });
}
