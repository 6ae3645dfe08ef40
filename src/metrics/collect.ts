import { programVersion } from '../platform/version.js';
import { withoutKeptEnds } from '../policy/kept-ends.js';
import type { QueueCounts } from '../store/read-contract.js';
import { lookAtProcesses, type ProcessesLook } from '../view/worker-look.js';
import { type Family, flag, gauge } from './family.js';
import { createNaming } from './naming.js';
import { processFamilies } from './process-families.js';
import { createRecoveryCounts } from './recovery-counts.js';
import { storeFamilies } from './store-families.js';
import { workerFamilies } from './worker-families.js';
import type { WorkerFigures } from './worker-figures.js';

/** What is known at a moment. What is null is not known, and nothing is said of it: an invented 0 would be a lie. */
export interface Known {
  readonly counts: QueueCounts | null;
  readonly figures: WorkerFigures | null;
  readonly nowMs: number;
}

/** Every metric of one state folder: from the folder itself, from the database, and from the worker. */
export function createCollector(
  stateFolder: string,
): (known: Known, look?: ProcessesLook) => readonly Family[] {
  const recoveries = createRecoveryCounts(stateFolder);
  return ({ counts, figures, nowMs }, look = lookAtProcesses(stateFolder, nowMs)) => {
    const { settings, settingsKnown } = look;
    const naming = createNaming(settingsKnown ? settings : null);
    return [
      gauge('dogged_build_info', 'Version of the program that tells this; always 1.', [
        [{ version: programVersion(), node: process.version }, 1],
      ]),
      gauge(
        'dogged_metrics_timestamp_seconds',
        'When all of this was read, in seconds since the epoch: an old one is a stale file.',
        nowMs / 1000,
      ),
      flag(
        'dogged_database_readable',
        'Whether the database could be read; without it nothing is said of jobs.',
        counts !== null,
      ),
      ...processFamilies(look, stateFolder, recoveries(), naming),
      ...(counts === null
        ? []
        : storeFamilies(
            withoutKeptEnds(counts, figures?.endsKept ?? []),
            naming,
            settings.names?.dependencies ?? [],
            nowMs,
          )),
      ...(figures === null ? [] : workerFamilies(figures)),
    ];
  };
}
