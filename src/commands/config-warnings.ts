import type { Config } from '../config/config.js';
import type { ConfigReading } from '../config/load.js';
import type { Problem } from '../config/problem.js';
import { checkPrograms } from './check-programs.js';

/**
 * What is no mistake in a config, and yet can hardly be meant: `check`, `start` and `restart` tell the same. A program that
 * is not there may come, so its jobs wait and nothing is refused for it.
 */
export function warningsOf(reading: ConfigReading, config: Config): readonly Problem[] {
  return [...reading.warnings, ...checkPrograms(config).map(reading.place)];
}
