import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { Beat } from './beat.js';
import { readDesired } from './desired.js';
import { runningProcess } from './pid-file.js';
import { startMonitor } from './start-monitor.js';
import { stateFiles } from './state-files.js';

/** Set in the environment of a worker that a monitor started. */
export const STARTED_BY_MONITOR = 'DOGGED_STARTED_BY_MONITOR';

export interface MonitorWatch {
  start(): void;
  stop(): void;
  /** For the beat: the monitor that runs now. */
  seen(): Beat['monitor'];
}

export interface MonitorWatchOptions {
  readonly stateFolder: string;
  readonly configFile: string;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'error'>;
  /** The pair was stopped, and only this worker is left of it: it should end in order. */
  readonly onUnwanted: () => void;
  /** Takes the place of a real start in tests. */
  readonly spawnMonitor?: () => void;
  readonly startedByMonitor?: boolean;
}

const LOOK_EVERY_MS = 5_000;
const START_AT_MOST_EVERY_MS = 60_000;

/**
 * The worker's half of the mutual watch. A worker that a monitor started looks for its monitor every 5 s, and starts
 * another one, at most once a minute, when it is gone. Never while `stopped` is desired. A worker that somebody started
 * by hand only tells what it sees.
 */
export function createMonitorWatch(options: MonitorWatchOptions): MonitorWatch {
  const { stateFolder, configFile, clock, log, onUnwanted } = options;
  const startedByMonitor = options.startedByMonitor ?? process.env[STARTED_BY_MONITOR] === '1';
  const start = options.spawnMonitor ?? (() => spawnAndLog(stateFolder, configFile, log));
  let cancelTimer: (() => void) | null = null;
  let lastStartAtMs = Number.NEGATIVE_INFINITY;
  let unwanted = false;

  const look = () => {
    cancelTimer = clock.after(LOOK_EVERY_MS, look, { background: true });
    if (!startedByMonitor || unwanted || runningMonitor(stateFolder) !== null) return;
    const desired = readDesired(stateFolder);
    if (desired.status !== 'read') return;
    if (desired.content.desired === 'stopped') {
      unwanted = true;
      onUnwanted();
    } else if (clock.monotonicMs() - lastStartAtMs >= START_AT_MOST_EVERY_MS) {
      lastStartAtMs = clock.monotonicMs();
      log.warn('the health monitor is gone: starting another');
      start();
    }
  };

  return {
    start: look,
    stop: () => cancelTimer?.(),
    seen() {
      const monitor = runningMonitor(stateFolder);
      return { pid: monitor?.pid ?? null, seen: monitor !== null };
    },
  };
}

function runningMonitor(stateFolder: string) {
  return runningProcess(stateFiles(stateFolder).monitorPid);
}

function spawnAndLog(stateFolder: string, configFile: string, log: Pick<Log, 'error'>): void {
  try {
    // Through systemd, where that watches it: a monitor past it would keep the one out that it is just starting again.
    startMonitor(stateFolder, configFile, (problem) => log.error({}, problem));
  } catch (error) {
    log.error({ err: error }, 'the health monitor could not be started');
  }
}
