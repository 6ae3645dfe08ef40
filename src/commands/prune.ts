import { EXIT } from '../job/errors.js';
import { plural } from '../platform/duration-text.js';
import type { CommandModule, CommonOptions } from './command.js';
import { duration } from './option-values.js';
import { locateSystem, withExisting } from './system.js';

interface PruneOptions extends CommonOptions {
  readonly olderThan: number;
}

/** One lock each, with the worker's turn between two. */
const BATCH = 1_000;

export const pruneCommand: CommandModule<PruneOptions> = {
  examples: ['dogged prune --older-than 30d'],
  notes:
    'Removes ended jobs with their output. That their records were done stays known for ever: nothing runs again.',
  configure(command) {
    command.requiredOption('--older-than <duration>', 'only jobs that ended longer ago than this', duration);
  },
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const endedBeforeMs = clock.wallMs() - options.olderThan;
    const removed = await withExisting(stateFolder, clock, async (store) => {
      let total = 0;
      for (;;) {
        const went = await store.prune(endedBeforeMs, BATCH);
        total += went;
        if (went < BATCH) return total;
      }
    });
    output.json({ removed });
    output.print(`${plural(removed, 'job')} removed`);
    return EXIT.ok;
  },
};
