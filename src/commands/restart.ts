import { remedyFor } from '../view/remedy.js';
import type { CommandModule } from './command.js';
import { duration } from './option-values.js';
import { startFrom } from './start.js';
import { type StopOptions, stopIn, tellStop } from './stop.js';
import { locateSystem } from './system.js';

export const restartCommand: CommandModule<StopOptions> = {
  examples: ['dogged restart', 'dogged restart --timeout 5s'],
  notes:
    'Stops both processes and starts them again, with the config as it is now. A config that is refused stops nothing.\nExit codes: as start.',
  configure(command) {
    command.option('--timeout <duration>', 'cut running jobs off after this', duration);
  },
  async run({ options, output, clock }) {
    const { configFile, stateFolder } = await locateSystem(options);
    const { loadConfig } = await import('../config/load.js');
    await loadConfig(configFile);
    tellStop(await stopIn(stateFolder, options.timeout, output, clock), output);
    return startFrom(configFile, remedyFor(options.config), output, clock);
  },
};
