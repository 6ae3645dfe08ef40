import { DoggedError, EXIT } from '../job/errors.js';
import type { Store } from '../store/engine.js';
import { escapeText } from '../view/escape.js';
import { remedyFor } from '../view/remedy.js';
import type { CommandCall, CommonOptions } from './command.js';
import { refuseUnknownNames, workspacesIn } from './known-names.js';
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
  const { workspace } = options;
  const workspaces = workspace === undefined ? workspacesIn(config) : [workspace];

  let changed = false;
  const pause = async (store: Store) => {
    await refuseUnknownNames({ workspace }, configFile, store, paused ? 'pause' : 'resume');
    for (const workspace of workspaces) {
      changed = (await store.setPaused(workspace, task, paused, clock.wallMs())) || changed;
    }
    return (await store.counts()).pausedAll;
  };
  const pausedAll = await withStore(stateFolder, clock, pause, output.note);
  const resume = remedyFor(options.config)('dogged resume');
  const what = task === null ? 'everything' : escapeText(task);
  const already = changed ? '' : ' already';
  output.json({ task, paused, changed });
  if (paused) {
    output.print(`${what} is paused${already}`);
    output.print(`Let it go on with: ${task === null ? resume : `${resume} ${what}`}`);
  } else if (pausedAll) {
    output.print(`${what} is not paused by its name, but everything is. Let all go on with: ${resume}`);
  } else {
    output.print(`${what} goes on${already}`);
  }
  return EXIT.ok;
}
