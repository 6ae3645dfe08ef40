import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { AlertConfig, SourceConfig, TaskConfig } from '../config/config.js';
import { formatDuration } from '../config/duration.js';
import { CONFIG_NAMES, locate } from '../config/locate.js';
import { formatProblem } from '../config/problem.js';
import { labelOf } from '../health/alerts/alert.js';
import { EXIT } from '../job/errors.js';
import { plural } from '../platform/duration-text.js';
import { concurrencyOf } from '../policy/limits.js';
import { chosenStoreIn, nameOfStore } from '../store/move.js';
import { chosenStoreText } from '../store/move-contract.js';
import { escapeText } from '../view/escape.js';
import type { CommandModule } from './command.js';
import { warningsOf } from './config-warnings.js';
import { sourceFileState } from './source-file-state.js';

export const checkCommand: CommandModule = {
  examples: [
    'dogged check',
    'dogged check -c /etc/dogged/garage.yaml && dogged restart -c /etc/dogged/garage.yaml',
  ],
  notes:
    'A program that is not there is a warning, here and at a start: jobs wait for it.\nExit codes: 0 the config is good, 78 it has problems or there is none.',
  async run({ options, output, clock }) {
    const { readConfig } = await import('../config/load.js');
    const { configFile } = await locate(options.config);
    const reading = await readConfig(configFile);
    const { file, config } = reading;
    const { problems } = reading;
    const chosen = config === null ? null : await chosenStoreIn(config.stateFolder, clock);
    const otherStore =
      config === null || chosen === null || chosen === (await nameOfStore(config.redis))
        ? []
        : [reading.place({ path: ['store'], message: chosenStoreText(chosen), fix: null })];
    const warnings = config === null ? [] : [...warningsOf(reading, config), ...otherStore];
    const sources = (config?.sources ?? []).map((source) => ({ source, state: sourceFileState(source) }));
    const tasks = config?.tasks ?? [];

    output.json({
      ok: problems.length === 0,
      file,
      problems,
      warnings,
      stateFolder: config?.stateFolder ?? null,
      sources: sources.map(({ source, state }) => ({
        name: source.name,
        kind: source.kind,
        path: source.path,
        pollMs: source.pollMs,
        task: source.task,
        state,
      })),
      tasks: tasks.map(({ name, runner }) => ({ name, kind: runner.kind })),
    });

    for (const other of options.config === undefined ? unusedConfigs(file) : []) {
      output.note(`${other} is not used: ${file} comes first.`);
    }
    for (const problem of problems) output.print(escapeText(formatProblem(problem, file)));
    if (config !== null) {
      const but = warnings.length === 0 ? '.' : `, with ${plural(warnings.length, 'warning')}:`;
      output.print(`${file} is good${but}`);
      for (const warning of warnings) output.print(escapeText(formatProblem(warning, file)));
      for (const { source, state } of sources) output.print(escapeText(describeSource(source, state)));
      for (const task of tasks) output.print(escapeText(describeTask(task)));
      for (const alert of config.alerts) output.print(escapeText(describeAlert(alert)));
      output.print(`state   ${config.stateFolder}`);
    } else {
      output.print(`\n${file} has ${plural(problems.length, 'problem')}.`);
    }
    return problems.length === 0 ? EXIT.ok : EXIT.config;
  },
};

function unusedConfigs(used: string): readonly string[] {
  return CONFIG_NAMES.filter((name) => name !== basename(used) && existsSync(join(dirname(used), name)));
}

function describeSource(source: SourceConfig, state: string): string {
  if (source.kind === 'every') {
    return `source  ${source.name}: "${source.every}" in ${source.timezone ?? 'UTC'} for task ${source.task}`;
  }
  const what = source.kind === 'directory' ? `${source.path}/${source.match}` : source.path;
  const every = formatDuration(source.pollMs);
  return `source  ${source.name}: polls ${what} every ${every} for task ${source.task}; ${state}`;
}

function describeAlert(alert: AlertConfig): string {
  return `alert   ${labelOf(alert)}: told of ${alert.on.join(', ')}`;
}

function describeTask(task: TaskConfig): string {
  const { name, runner, timeoutMs, retry } = task;
  const what =
    runner.kind === 'module'
      ? runner.path
      : `${runner.argv.join(' ')}${runner.kind === 'service' ? ' (service)' : ''}`;
  const limits = `at most ${concurrencyOf(task)} at once, ${formatDuration(timeoutMs)} each, ${retry.attempts} attempts`;
  return `task    ${name}: runs ${what}; ${limits}`;
}
