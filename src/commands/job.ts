import { DoggedError, EXIT } from '../job/errors.js';
import { jobJson } from '../view/job-json.js';
import { jobScreen } from '../view/job-screen.js';
import { composeSnapshot, lookAtStore } from '../view/snapshot.js';
import { waitingFor } from '../view/waiting-for.js';
import type { CommandModule } from './command.js';
import { layoutFor } from './layout.js';
import { locateSystem, withJobReader } from './system.js';

export const jobCommand: CommandModule = {
  examples: ['dogged job 17', 'dogged job 17 --json | jq .history'],
  configure(command) {
    command.argument('<id>', 'the job, as `dogged jobs` lists it');
  },
  async run({ args, options, output, clock }) {
    const id = args[0] ?? '';
    const { stateFolder } = await locateSystem(options);
    await withJobReader(stateFolder, clock, output.note, async (store, jobs) => {
      const job = await jobs.get(null, id);
      if (job === null) throw new DoggedError('JOB_UNKNOWN', { id });
      const nowMs = clock.wallMs();
      const waits = waitingFor(job, composeSnapshot(stateFolder, await lookAtStore(store, nowMs), nowMs));
      output.jsonText(jobJson(job, waits));
      const layout = layoutFor(options, output);
      output.print(jobScreen(job, waits, nowMs, layout).join('\n'));
    });
    return EXIT.ok;
  },
};
