import type { Settings } from '../heartbeat/settings.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { type Clock, isoTime } from '../platform/clock.js';
import { RotatingFile } from '../platform/rotating-file.js';

export interface MonitorLog {
  info(message: string, details?: Readonly<Record<string, unknown>>): void;
  warn(message: string, details?: Readonly<Record<string, unknown>>): void;
  error(message: string, details?: Readonly<Record<string, unknown>>): void;
}

/** The numbers by which pino knows its levels: `dogged logs` reads both processes' lines alike. */
const LEVEL = { info: 30, warn: 40, error: 50 } as const;

/** Writes `health_monitor.log`. `echo` hears each message too, for a monitor that runs in a terminal. */
export function openMonitorLog(
  stateFolder: string,
  logs: Settings['logs'],
  clock: Clock,
  echo: (message: string) => void = () => undefined,
): MonitorLog {
  const file = new RotatingFile({ path: stateFiles(stateFolder).monitorLog, ...logs });
  const write = (level: keyof typeof LEVEL, msg: string, details: Readonly<Record<string, unknown>> = {}) => {
    const line = { level: LEVEL[level], time: isoTime(clock.wallMs()), ...details, msg };
    file.write(`${JSON.stringify(line)}\n`);
    echo(msg);
  };
  return {
    info: (message, details) => write('info', message, details),
    warn: (message, details) => write('warn', message, details),
    error: (message, details) => write('error', message, details),
  };
}
