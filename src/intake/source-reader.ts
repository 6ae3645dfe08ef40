import type { SourceConfig } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import { DirectoryReader } from './directory-source.js';
import type { FileAccess } from './file-access.js';
import type { Judge } from './judge.js';
import { LogReader } from './log-source.js';
import type { SourceReader } from './step.js';

/** The reader for the kind of a source. */
export function createReader(
  source: SourceConfig,
  judge: Judge,
  files: FileAccess,
  clock: Clock,
): SourceReader {
  return source.kind === 'log'
    ? new LogReader(source, judge, files, clock)
    : new DirectoryReader(source, judge, files, clock);
}
