import { DoggedError, EXIT } from '../job/errors.js';
import { escapeText } from '../view/escape.js';
import type { CommandCall, CommonOptions } from './command.js';
import { locateSystem, withStore } from './system.js';

interface PauseOptions extends CommonOptions {
  readonly workspace?: string;
}

/**
 * What `pause` and `resume` share. A task is held in every workspace that the config names, unless one is given;
 * without a task, everything is. Asking for what is so already is no failure.
 */
export async function setPaused(call: CommandCall<PauseOptions>, paused: boolean): Promise<number> {
  const { args, options, output, clock } = call;
  const task = args[0] ?? null;
  const { configFile, stateFolder } = await locateSystem(options);
  const { loadConfig } = await import('../config/load.js');
  const config = await loadConfig(configFile);
  if (task !== null && !config.tasks.some(({ name }) => name === task)) {
    const known = config.tasks.map(({ name }) => name).join(', ');
    throw new DoggedError('TASK_UNKNOWN', { task, known });
  }
  const workspaces =
    options.workspace === undefined
      ? [...new Set([config.workspace, ...config.sources.map(({ workspace }) => workspace)])]
      : [options.workspace];

  let changed = false;
  await withStore(stateFolder, clock, async (store) => {
    for (const workspace of workspaces) {
      changed = (await store.setPaused(workspace, task, paused, clock.wallMs())) || changed;
    }
  });
  const what = task === null ? 'everything' : escapeText(task);
  const state = paused ? 'is paused' : 'goes on';
  output.json({ task, paused, changed });
  output.print(changed ? `${what} ${state}` : `${what} ${state} already`);
  return EXIT.ok;
}
