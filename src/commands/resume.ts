import type { CommandModule } from './command.js';
import { workspaceId } from './option-values.js';
import { setPaused } from './set-paused.js';

export const resumeCommand: CommandModule = {
  examples: ['dogged resume implement', 'dogged resume           # ends a pause of everything'],
  notes: 'A task that was paused by its own name stays so until it is resumed by its name.',
  configure(command) {
    command
      .argument('[task]', 'the task to let go on; without it, the pause of everything is ended')
      .option('--workspace <id>', 'only in this workspace', workspaceId);
  },
  run(call) {
    return setPaused(call, false);
  },
};
