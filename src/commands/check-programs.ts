import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { Config, TaskConfig } from '../config/config.js';
import type { Finding } from '../config/explain.js';

/** Programs whose first argument that is no option is a file that they run. */
const INTERPRETERS = /^(?:node|python3?|ruby|perl|php|lua|sh|bash|dash|zsh)$/;

/** Whether the programs, modules and scripts of tasks and alerts are there: as of now, for people only. */
export function checkPrograms(config: Config): readonly Finding[] {
  const inAlerts = config.alerts.flatMap(({ via }, index) =>
    via.kind === 'exec' ? checkCommand(['alerts', index, 'exec'], via.argv, { env: {} }, config.folder) : [],
  );
  const inTasks = config.tasks.flatMap((task) => [
    ...checkTask(task, config.folder),
    ...checkCommand(['tasks', task.name, 'verify'], task.verify ?? [], task, config.folder),
    ...checkProbe(task, config.folder),
  ]);
  return [...inTasks, ...inAlerts];
}

/** A probe that cannot be started would never end an outage. Named where it is written, not in each task that shares it. */
function checkProbe(task: TaskConfig, folder: string): readonly Finding[] {
  const { probe } = task.breaker;
  if (probe === null || probe.task !== task.name) return [];
  return checkCommand(['tasks', task.name, 'breaker', 'probe'], probe.argv, task, folder);
}

function checkTask(task: TaskConfig, folder: string): readonly Finding[] {
  const { name, runner } = task;
  if (runner.kind === 'module') {
    return existsSync(runner.path) ? [] : [missing(['tasks', name, 'module'], runner.path)];
  }
  if (runner.kind === 'command' && runner.shell) return [];
  const path = ['tasks', name, runner.kind === 'service' ? 'service' : 'run'];
  return checkCommand(path, runner.argv, task, folder);
}

function checkCommand(
  path: readonly (string | number)[],
  argv: readonly string[],
  { env }: Pick<TaskConfig, 'env'>,
  folder: string,
): readonly Finding[] {
  const [program, ...rest] = argv;
  if (program === undefined) return [];
  const findings = checkProgram([...path, 0], program, folder, env['PATH'] ?? process.env['PATH'] ?? '');
  const script = rest[0] ?? '';
  if (
    INTERPRETERS.test(program) &&
    !/^-|\{\{/.test(script) &&
    script !== '' &&
    !existsSync(resolve(folder, script))
  ) {
    findings.push(missing([...path, 1], resolve(folder, script)));
  }
  return findings;
}

function checkProgram(
  path: readonly (string | number)[],
  program: string,
  folder: string,
  search: string,
): Finding[] {
  if (program.includes('/')) {
    const file = resolve(folder, program);
    if (!existsSync(file)) return [missing(path, file)];
    return isExecutable(file)
      ? []
      : [
          {
            path,
            message: `names a file that cannot be executed: ${file}`,
            fix: `allow it with: chmod +x ${file}`,
          },
        ];
  }
  // A handler gets the folder of this Node at the end of its PATH.
  const folders = [...search.split(delimiter), dirname(process.execPath)];
  if (folders.some((one) => isExecutable(join(one, program)))) return [];
  return [
    {
      path,
      message: `names a program that is not in PATH: ${program}`,
      fix: 'install it, or write its whole path',
    },
  ];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function missing(path: readonly (string | number)[], file: string): Finding {
  return { path, message: `names no file: ${file} is not there`, fix: null };
}
