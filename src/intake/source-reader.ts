import type { SourceConfig } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import { DirectoryReader } from './directory-source.js';
import type { FileAccess } from './file-access.js';
import type { Judge } from './judge.js';
import { LogReader } from './log-source.js';
import type { SourceReader } from './step.js';

/** The reader for the kind of a source. What only plans need is loaded for plans alone. */
export async function createReader(
  source: SourceConfig,
  judge: Judge,
  files: FileAccess,
  clock: Clock,
): Promise<SourceReader> {
  switch (source.kind) {
    case 'log':
      return new LogReader(source, judge, files, clock);
    case 'directory':
      return new DirectoryReader(source, judge, files, clock);
    case 'schedule': {
      const { ScheduleReader } = await import('./plan/schedule-source.js');
      return new ScheduleReader(source, judge, files, clock);
    }
    case 'every': {
      const { EveryReader } = await import('./plan/every-source.js');
      return new EveryReader(source, judge);
    }
    default:
      return source satisfies never;
  }
}
