import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stateFiles } from './state-files.js';

/** The monitor that belongs to this program: built, it lies beside the folder that this file is in. */
const MONITOR_PROGRAM = fileURLToPath(new URL('../health-monitor.js', import.meta.url));

/**
 * Starts a health monitor in a session of its own, with a file and never a pipe behind it. It outlives its starter, and
 * ends by itself when the state folder has a monitor already.
 */
export function spawnMonitor(stateFolder: string, configFile: string): ChildProcess {
  const log = openSync(stateFiles(stateFolder).monitorLog, 'a', 0o600);
  try {
    const child = spawn(process.execPath, [MONITOR_PROGRAM, '--state', stateFolder, '--config', configFile], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: dirname(configFile),
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}
