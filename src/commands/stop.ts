import { type StopResult, stopPair } from '../health/stop-pair.js';
import { runningProcess } from '../heartbeat/pid-file.js';
import { readBeat } from '../heartbeat/read-beat.js';
import { readSettings } from '../heartbeat/settings.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { EXIT } from '../job/errors.js';
import { isOwnJob } from '../job/job.js';
import type { Clock } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import { escapeText } from '../view/escape.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { duration } from './option-values.js';
import { locateSystem } from './system.js';

export interface StopOptions extends CommonOptions {
  /** Milliseconds. */
  readonly timeout?: number;
  readonly ifMonitor?: string;
}

/** Used where no worker has told its `shutdownGrace`. */
const DEFAULT_GRACE_MS = 30_000;
/** The worker ends its jobs after its grace, and needs a moment to record that. */
const BEYOND_GRACE_MS = 10_000;

export const stopCommand: CommandModule<StopOptions> = {
  examples: ['dogged stop', 'dogged stop --timeout 5s   # running jobs are cut off after 5 s'],
  notes:
    'Running jobs get shutdownGrace (30 s) to end. What is cut off is named, and waits for the next start, uncharged.\nExit codes: 0 nothing runs any more (also when nothing ran), 1 a process could not be ended.',
  configure(command) {
    command
      .option('--timeout <duration>', 'cut running jobs off after this', duration)
      .option('--if-monitor <pid>', 'do nothing unless the health monitor has this PID: for systemd');
  },
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    if (options.ifMonitor !== undefined && !isMonitor(options.ifMonitor, stateFolder)) {
      output.json({ worker: null, monitor: null, killed: false, cutOff: [] });
      output.print(`No health monitor has PID ${options.ifMonitor || '(none)'}: nothing is stopped.`);
      return EXIT.ok;
    }
    const result = await stopIn(stateFolder, options.timeout, output, clock);
    output.json({
      worker: result.workerPid,
      monitor: result.monitorPid,
      killed: result.killed,
      cutOff: result.cutOff,
    });
    if (result.workerPid === null && result.monitorPid === null) output.print('Nothing runs here.');
    tellStop(result, output);
    return EXIT.ok;
  },
};

/**
 * systemd runs the unit's stop command after an end of the monitor, too, also after one that we asked for: by then somebody may have
 * asked for a start, and that is not to be undone.
 */
function isMonitor(pid: string, stateFolder: string): boolean {
  return String(runningProcess(stateFiles(stateFolder).monitorPid)?.pid) === pid;
}

/** Works from the state folder alone: a broken config must not keep anybody from stopping. */
export function stopIn(
  stateFolder: string,
  timeoutMs: number | undefined,
  output: Output,
  clock: Clock,
): Promise<StopResult> {
  const settings = readSettings(stateFolder);
  const shutdownGraceMs = settings.status === 'read' ? settings.content.shutdownGraceMs : DEFAULT_GRACE_MS;
  return stopPair({
    stateFolder,
    graceMs: timeoutMs ?? shutdownGraceMs + BEYOND_GRACE_MS,
    clock,
    onWaiting: (pid) => output.note(waitingText(pid, stateFolder)),
  });
}

/** A worker that ends beats once more, with what it still runs. */
function waitingText(pid: number, stateFolder: string): string {
  const settings = readSettings(stateFolder);
  const beat = settings.status === 'read' ? readBeat(settings.content.heartbeatFolder) : null;
  const slots = beat?.status === 'read' && beat.content.pid === pid ? beat.content.slots : [];
  const running = slots.filter(({ state }) => state === 'working').length;
  const jobs = running === 0 ? 'end' : `end ${plural(running, 'running job')}`;
  return `Waiting for the worker (PID ${pid}) to ${jobs} …`;
}

/** What ended, and what it had to leave. */
export function tellStop({ workerPid, monitorPid, killed, cutOff }: StopResult, output: Output): void {
  if (workerPid !== null)
    output.print(`Stopped: worker PID ${workerPid}${killed ? ' (it had to be killed)' : ''}`);
  if (monitorPid !== null) output.print(`Stopped: health monitor PID ${monitorPid}`);
  if (cutOff.length === 0) return;
  const they = cutOff.length === 1 ? 'it waits' : 'they wait';
  output.print(`${plural(cutOff.length, 'job')} cut off; ${they} for the next start, uncharged:`);
  for (const { id, task, key } of cutOff) {
    output.print(`  ${isOwnJob(id) ? id : 'of another machine'}  ${escapeText(task)}  ${escapeText(key)}`);
  }
}
