import { type ConfigFinding, configCheck } from '../health/check-config.js';
import { machineChecks } from '../health/check-machine.js';
import { type ProcessFigures, processChecks } from '../health/check-processes.js';
import { queueChecks } from '../health/check-queue.js';
import { DIAGNOSIS_EXIT, diagnose, diagnosisLines } from '../health/diagnose.js';
import { recoverOnce } from '../health/recover.js';
import { writeDesired } from '../heartbeat/desired.js';
import { defaultSettings, readSettings, type Settings } from '../heartbeat/settings.js';
import { DoggedError, EXIT } from '../job/errors.js';
import { type Clock, pause } from '../platform/clock.js';
import { programVersion } from '../platform/version.js';
import { escapeText } from '../view/escape.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { startFrom } from './start.js';
import { locateSystem, lookAtSystem } from './system.js';

interface HealthOptions extends CommonOptions {
  readonly diagnose?: boolean;
  readonly monitor?: boolean;
  readonly recover?: boolean;
}

const CPU_SAMPLE_MS = 250;

interface Place {
  readonly configFile: string;
  readonly stateFolder: string;
}

export const healthCommand: CommandModule<HealthOptions> = {
  examples: [
    'dogged health --diagnose',
    'dogged health --diagnose --json | jq .verdict',
    'dogged health --recover',
  ],
  notes: `--diagnose is what it does when nothing is said; it changes nothing.
Exit codes of --diagnose, as monitoring plugins have them: 0 all is well, 1 a warning, 2 critical, 3 unknown.
--monitor stays in the foreground and keeps a worker at work; --recover starts or restarts what is dead or stuck, once.`,
  configure(command) {
    command
      .option('--diagnose', 'check everything and say what to do')
      .option('--monitor', 'run the health monitor in the foreground')
      .option('--recover', 'mend what is dead or stuck, once');
  },
  async run({ options, output, clock }) {
    const chosen = [options.diagnose, options.monitor, options.recover].filter(Boolean);
    if (chosen.length > 1) {
      const problem = 'Say one of --diagnose, --monitor and --recover.';
      throw new DoggedError('USAGE', { problem, command: 'health' });
    }
    const place = await locateSystem(options);
    if (options.monitor === true) return monitor(place, output);
    if (options.recover === true) return recover(place, output, clock);
    return diagnoseAll(place, output, clock);
  },
};

async function diagnoseAll(
  { configFile, stateFolder }: Place,
  output: Output,
  clock: Clock,
): Promise<number> {
  const settings = settingsIn(stateFolder, configFile);
  const checks = [
    configCheck(configFile, stateFolder, () => loadFinding(configFile)),
    ...processChecks({
      stateFolder,
      settings,
      clock,
      version: programVersion(),
      figuresOf: (pid) => figuresOf(pid, clock),
    }),
    ...queueChecks(settings, async () => {
      const { snapshot } = await lookAtSystem(stateFolder, clock, null, async () => null);
      return snapshot;
    }),
    ...machineChecks(stateFolder),
  ];
  const diagnosis = await diagnose(checks, clock);
  output.json({
    verdict: diagnosis.verdict,
    checks: diagnosis.checks.map(({ name, status, text, remedy }) => ({ name, status, text, remedy })),
  });
  for (const line of diagnosisLines(diagnosis)) output.print(escapeText(line));
  return DIAGNOSIS_EXIT[diagnosis.verdict];
}

/** As the worker understood its config; before the first worker, as it would understand an empty one. */
function settingsIn(stateFolder: string, configFile: string): Settings {
  const file = readSettings(stateFolder);
  return file.status === 'read' ? file.content : defaultSettings(stateFolder, configFile);
}

async function loadFinding(configFile: string): Promise<ConfigFinding> {
  const { readConfig } = await import('../config/load.js');
  const { formatProblem } = await import('../config/problem.js');
  try {
    const { config, problems, file } = await readConfig(configFile);
    if (config !== null) return { is: 'valid', sources: config.sources.length, tasks: config.tasks.length };
    return { is: 'invalid', problems: problems.map((problem) => formatProblem(problem, file)) };
  } catch (error) {
    if (error instanceof DoggedError && error.code === 'CONFIG_MISSING') return { is: 'missing' };
    throw error;
  }
}

/** Two samples: the first one alone would tell a mean over nothing. */
async function figuresOf(pid: number, clock: Clock): Promise<ProcessFigures | null> {
  const { default: pidusage } = await import('pidusage');
  try {
    await pidusage(pid);
    await pause(clock, CPU_SAMPLE_MS);
    const { cpu, memory, elapsed } = await pidusage(pid);
    return { upMs: elapsed, rssBytes: memory, cpu };
  } catch (error) {
    // It has ended since we looked: other checks tell that.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  } finally {
    pidusage.clear();
  }
}

async function monitor({ configFile, stateFolder }: Place, output: Output): Promise<number> {
  const { mkdirSync } = await import('node:fs');
  const { runMonitor } = await import('../health-monitor.js');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  // Who runs it by hand wants a worker, whatever was wanted before.
  writeDesired(stateFolder, 'running');
  return runMonitor({ stateFolder, configFile, echo: (message) => output.note(escapeText(message)) });
}

async function recover({ configFile, stateFolder }: Place, output: Output, clock: Clock): Promise<number> {
  const settings = settingsIn(stateFolder, configFile);
  const { need, why } = await recoverOnce({ stateFolder, settings, clock, say: output.note });
  if (need === 'none') {
    output.json({ result: 'nothing-to-do', why });
    output.print(why);
    return EXIT.ok;
  }
  output.note(why);
  return startFrom(configFile, output, clock);
}
