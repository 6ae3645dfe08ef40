import type { CommandModule } from './command.js';

export interface CatalogueEntry {
  readonly name: string;
  readonly summary: string;
  /** Loads the module of this command and nothing of any other. */
  readonly load: () => Promise<CommandModule>;
}

export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly CatalogueEntry[];
}

/** Every command, in the order and the groups in which `dogged --help` lists them. */
export const CATALOGUE: readonly CommandGroup[] = [
  {
    title: 'Set up:',
    commands: [
      {
        name: 'init',
        summary: 'write a config, folders and handlers that run as they are',
        load: async () => (await import('./init.js')).initCommand,
      },
      {
        name: 'check',
        summary: 'validate the config, and tell what will be polled',
        load: async () => (await import('./check.js')).checkCommand,
      },
      {
        name: 'completion',
        summary: 'let your shell complete commands and flags',
        load: async () => (await import('./completion.js')).completionCommand,
      },
    ],
  },
  {
    title: 'Run:',
    commands: [
      {
        name: 'start',
        summary: 'start worker and health monitor in the background',
        load: async () => (await import('./start.js')).startCommand,
      },
      {
        name: 'stop',
        summary: 'stop both',
        load: async () => (await import('./stop.js')).stopCommand,
      },
      {
        name: 'restart',
        summary: 'stop both and start them again',
        load: async () => (await import('./restart.js')).restartCommand,
      },
      {
        name: 'worker',
        summary: 'the worker in the foreground',
        load: async () => (await import('./worker.js')).workerCommand,
      },
      {
        name: 'migrate',
        summary: 'move the jobs to Redis, or back to SQLite, while all of it runs',
        load: async () => (await import('./migrate.js')).migrateCommand,
      },
      {
        name: 'service',
        summary: 'let systemd start it at boot and watch the health monitor',
        load: async () => (await import('./service.js')).serviceCommand,
      },
    ],
  },
  {
    title: 'Look:',
    commands: [
      {
        name: 'status',
        summary: 'everything on one screen',
        load: async () => (await import('./status.js')).statusCommand,
      },
      {
        name: 'health',
        summary: 'whether all is well, and the command that mends what is not',
        load: async () => (await import('./health.js')).healthCommand,
      },
      {
        name: 'queue',
        summary: 'the slots and the line, live',
        load: async () => (await import('./queue.js')).queueCommand,
      },
      {
        name: 'jobs',
        summary: 'a list of jobs',
        load: async () => (await import('./jobs.js')).jobsCommand,
      },
      {
        name: 'job',
        summary: 'one job: its attempts, output and payload',
        load: async () => (await import('./job.js')).jobCommand,
      },
      {
        name: 'trace',
        summary: 'the way of a record from file to handler, hand-off by hand-off',
        load: async () => (await import('./trace.js')).traceCommand,
      },
      {
        name: 'rejects',
        summary: 'records that were refused, each with its remedy',
        load: async () => (await import('./rejects.js')).rejectsCommand,
      },
      {
        name: 'outages',
        summary: 'what was away, since when, why, and what it held back',
        load: async () => (await import('./outages.js')).outagesCommand,
      },
      {
        name: 'metrics',
        summary: 'figures for Prometheus',
        load: async () => (await import('./metrics.js')).metricsCommand,
      },
      {
        name: 'audit',
        summary: 'prove that every record in the files is accounted for',
        load: async () => (await import('./audit.js')).auditCommand,
      },
      {
        name: 'reconcile',
        summary: 'close what an audit finds open',
        load: async () => (await import('./reconcile.js')).reconcileCommand,
      },
      {
        name: 'logs',
        summary: 'the log, readable',
        load: async () => (await import('./logs.js')).logsCommand,
      },
      {
        name: 'report',
        summary: 'what a bug report needs, in one file, secrets removed',
        load: async () => (await import('./report.js')).reportCommand,
      },
    ],
  },
  {
    title: 'Jobs:',
    commands: [
      {
        name: 'add',
        summary: 'give it a job by hand, once only with --key',
        load: async () => (await import('./add.js')).addCommand,
      },
      {
        name: 'append',
        summary: 'append a record to a JSON file, safely, from any language',
        load: async () => (await import('./append.js')).appendCommand,
      },
      {
        name: 'retry',
        summary: 'run failed or cancelled jobs again',
        load: async () => (await import('./retry.js')).retryCommand,
      },
      {
        name: 'cancel',
        summary: 'cancel jobs that wait or run',
        load: async () => (await import('./cancel.js')).cancelCommand,
      },
      {
        name: 'pause',
        summary: 'hold a task back, or everything',
        load: async () => (await import('./pause.js')).pauseCommand,
      },
      {
        name: 'resume',
        summary: 'let it go on',
        load: async () => (await import('./resume.js')).resumeCommand,
      },
      {
        name: 'wait',
        summary: 'wait until jobs have ended',
        load: async () => (await import('./wait.js')).waitCommand,
      },
      {
        name: 'drain',
        summary: 'wait until nothing is left to do',
        load: async () => (await import('./drain.js')).drainCommand,
      },
      {
        name: 'prune',
        summary: 'remove old jobs that have ended',
        load: async () => (await import('./prune.js')).pruneCommand,
      },
      {
        name: 'backup',
        summary: 'copy the database to a file, also while the worker runs',
        load: async () => (await import('./backup.js')).backupCommand,
      },
    ],
  },
];

export function findCommand(name: string): CatalogueEntry | undefined {
  for (const group of CATALOGUE) {
    const found = group.commands.find((entry) => entry.name === name);
    if (found !== undefined) return found;
  }
  return undefined;
}
