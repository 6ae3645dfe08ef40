import type { CommandModule, CommonOptions } from './command.js';
import { locateSystem } from './system.js';

interface WorkerOptions extends CommonOptions {
  readonly untilIdle?: boolean;
}

export const workerCommand: CommandModule<WorkerOptions> = {
  examples: ['dogged worker', 'dogged worker --until-idle   # polls once, runs all that is due, ends'],
  notes:
    'Runs in the foreground: what `dogged start`, systemd and cron run. SIGTERM or Ctrl-C stops it in order, a second one at once.\nExit codes: 0 stopped in order, 69 Redis cannot be used as it is, 75 another worker has this\nstate folder, 78 bad config.',
  configure(command) {
    command.option('--until-idle', 'poll, run what is due, end');
  },
  plainLine: true,
  async run({ options }) {
    const { configFile } = await locateSystem(options);
    const { runWorker } = await import('../worker.js');
    return runWorker({ configFile, untilIdle: options.untilIdle === true });
  },
};
