import { DoggedError, EXIT } from '../job/errors.js';
import { MAX_PRIORITY } from '../job/job.js';
import type { Store } from '../store/engine.js';
import { escapeText } from '../view/escape.js';
import type { CommandModule, CommonOptions } from './command.js';
import { notEmpty, type RunAt, runAt, wholeNumber, workspaceId } from './option-values.js';
import { readStdin } from './read-stdin.js';
import { locateSystem, withStore } from './system.js';

interface AddOptions extends CommonOptions {
  readonly payload: string;
  readonly key?: string;
  readonly workspace?: string;
  readonly priority: number;
  readonly runAt?: RunAt;
  readonly group?: string;
}

export const addCommand: CommandModule<AddOptions> = {
  examples: [
    'dogged add implement --payload \'{"title":"hello"}\' --key hello',
    'jq .job order.json | dogged add implement --payload - --run-at +10m',
  ],
  notes:
    'With --key, a second job of this task with the same key is not made, however long ago the first one was: the answer\nsays "duplicate" and names it. Without --key every call makes a job. Exit code 0 for both.',
  configure(command) {
    command
      .argument('<task>', 'a task of the config')
      .option('--payload <json>', 'one JSON value for the handler; "-" reads it from stdin', '{}')
      .option('--key <key>', 'makes saying it twice harmless', notEmpty)
      .option('--workspace <id>', "instead of the config's", workspaceId)
      .option(
        '--priority <n>',
        'higher goes first: each step counts as a minute of waiting',
        wholeNumber(-MAX_PRIORITY, MAX_PRIORITY),
        0,
      )
      .option('--run-at <time>', 'not before 2026-01-01T06:00:00Z, or +10m from now', runAt)
      .option('--group <name>', "instead of the payload's group field", notEmpty);
  },
  async run({ args, options, output, clock }) {
    const name = args[0] ?? '';
    const { configFile } = await locateSystem(options);
    const { loadConfig } = await import('../config/load.js');
    const config = await loadConfig(configFile);
    const task = config.tasks.find((candidate) => candidate.name === name);
    if (task === undefined) {
      const known = config.tasks.map((candidate) => candidate.name).join(', ');
      throw new DoggedError('TASK_UNKNOWN', { task: name, known });
    }
    const payloadText = options.payload === '-' ? await readStdin('add') : options.payload;
    const { admitAdded } = await import('../intake/admit.js');
    const add = (store: Store) => {
      const nowMs = clock.wallMs();
      return admitAdded(store, {
        workspace: options.workspace ?? config.workspace,
        task: task.name,
        key: options.key,
        payloadText,
        priority: options.priority,
        runAtMs: dueAtMs(options.runAt, nowMs),
        group: options.group ?? null,
        groupRule: task.group,
        maxAttempts: task.retry.attempts,
        nowMs,
      });
    };
    const answer = await withStore(config.stateFolder, clock, add, output.note);
    output.json(answer);
    const id = answer.id === null ? 'whose job was pruned' : `job ${escapeText(answer.id)}`;
    output.print(
      answer.result === 'queued'
        ? `${id} queued`
        : `duplicate of ${id}, which is ${answer.state}: nothing was added`,
    );
    return EXIT.ok;
  },
};

function dueAtMs(when: RunAt | undefined, nowMs: number): number {
  if (when === undefined) return nowMs;
  return 'atMs' in when ? when.atMs : nowMs + when.inMs;
}
