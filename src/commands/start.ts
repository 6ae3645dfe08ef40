import { formatProblem } from '../config/problem.js';
import { startPair } from '../health/start-pair.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { DoggedError, EXIT } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import { durationText } from '../platform/duration-text.js';
import { painter } from '../view/colour.js';
import { escapeText } from '../view/escape.js';
import { formatLogLine } from '../view/log-lines.js';
import { type Remedy, remedyFor } from '../view/remedy.js';
import type { CommandModule, Output } from './command.js';
import { warningsOf } from './config-warnings.js';
import { lastLines } from './log-files.js';
import { locateSystem, upgradeStore } from './system.js';

const FIRST_BEAT_WITHIN_MS = 10_000;
const LINES_SHOWN = 10;
const STILL_TRYING = 'The health monitor goes on trying. To end that: dogged stop';

export const startCommand: CommandModule = {
  examples: ['dogged start', 'dogged start -c /srv/pipeline/dogged.config.yaml'],
  notes:
    'Starts health monitor and worker in the background and waits for the first beat. Running already: says so.\nExit codes: 0 they run, 1 no beat within 10 s, 78 bad config.',
  async run({ options, output, clock }) {
    const { configFile } = await locateSystem(options);
    return startFrom(configFile, remedyFor(options.config), output, clock);
  },
};

/** Validates before anything is touched: a config that is refused stops no worker that runs. */
export async function startFrom(
  configFile: string,
  remedy: Remedy,
  output: Output,
  clock: Clock,
): Promise<number> {
  const { configIn, readConfig } = await import('../config/load.js');
  const reading = await readConfig(configFile);
  const config = configIn(reading);
  const { stateFolder, heartbeat } = config;
  for (const warning of warningsOf(reading, config)) {
    output.note(escapeText(`Warning: ${formatProblem(warning, configFile)}`));
  }
  await upgradeStore(stateFolder, clock, output.note);
  const result = await startPair({
    stateFolder,
    configFile,
    heartbeatFolder: heartbeat.folder,
    withinMs: FIRST_BEAT_WITHIN_MS,
    clock,
  });
  if (!result.started) {
    const { why, isTrying, waitedMs } = result;
    // One that has ended by then will not beat: how long that took is of no use.
    const what =
      waitedMs < FIRST_BEAT_WITHIN_MS
        ? 'The worker did not start.'
        : `The worker gave no first beat within ${durationText(waitedMs)}.`;
    const more = isTrying ? [...tailOf(stateFiles(stateFolder).workerLog), remedy(STILL_TRYING)] : [];
    const detail = [why ?? '', ...more].join('\n').trim();
    throw new DoggedError('START_FAILED', { what, detail });
  }
  const { workerPid, monitorPid, wasRunning } = result;
  output.json({ result: wasRunning ? 'already-running' : 'started', worker: workerPid, monitor: monitorPid });
  const done = wasRunning ? 'Running already' : 'Started';
  output.print(`${done}: worker PID ${workerPid}, health monitor PID ${monitorPid}`);
  return EXIT.ok;
}

function tailOf(path: string): string[] {
  return lastLines(path, LINES_SHOWN).lines.map((line) => formatLogLine(line, painter(false)));
}
