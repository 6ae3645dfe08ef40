import type { TaskConfig } from '../config/config.js';
import type { RunContext, Runner } from './attempt.js';
import { runCommand } from './run-command.js';
import { ServicePool } from './run-service.js';

/** The way in which a task's jobs run. */
export function createRunner(task: TaskConfig, context: RunContext, moduleHost?: string): Runner {
  const { runner } = task;
  switch (runner.kind) {
    case 'command':
      return { start: (claim) => runCommand(claim, task, runner, context), close: async () => undefined };
    case 'service':
    case 'module':
      return new ServicePool(task, runner, context, moduleHost);
    default:
      return runner satisfies never;
  }
}
