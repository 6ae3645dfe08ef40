import type { CommandModule } from './command.js';
import { workspaceId } from './option-values.js';
import { setPaused } from './set-paused.js';

export const pauseCommand: CommandModule = {
  examples: ['dogged pause implement', 'dogged pause            # everything'],
  notes: 'What runs goes on to its end; what waits uses up no attempt. Files are read on, and jobs admitted.',
  configure(command) {
    command
      .argument('[task]', 'the task to hold back; everything without it')
      .option('--workspace <id>', 'only in this workspace', workspaceId);
  },
  run(call) {
    return setPaused(call, true);
  },
};
