import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stateFiles } from './state-files.js';

/** The monitor that belongs to this program: built, it lies beside the folder that this file is in. */
const MONITOR_PROGRAM = fileURLToPath(new URL('../health-monitor.js', import.meta.url));

/**
 * The monitor looks at a small file once a second: code that V8 compiles for speed is of no use to it, and costs 5 MiB.
 * With these it stays under 45 MiB, of which 37 are Node's own program text.
 */
const SMALL = ['--no-opt', '--no-maglev', '--no-sparkplug', '--max-lazy', '--max-semi-space-size=1'];
/** Node's exit code for an option that it does not know. */
const BAD_OPTION = 9;
let isSmallRefused = false;

/**
 * Starts a health monitor in a session of its own, with a file and never a pipe behind it. It outlives its starter, and
 * ends by itself when the state folder has a monitor already. A Node that knows one of the `flags` no more starts it
 * without them at the next call.
 */
export function spawnMonitor(
  stateFolder: string,
  configFile: string,
  flags: readonly string[] = SMALL,
): ChildProcess {
  const log = openSync(stateFiles(stateFolder).monitorLog, 'a', 0o600);
  const argv = [MONITOR_PROGRAM, '--state', stateFolder, '--config', configFile];
  try {
    const child = spawn(process.execPath, isSmallRefused ? argv : [...flags, ...argv], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: dirname(configFile),
      env: unmarked(process.env),
    });
    child.once('exit', (code) => {
      if (code === BAD_OPTION) isSmallRefused = true;
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** A handler may call `dogged start`. What it starts must not be swept away with what the handler left behind. */
function unmarked(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { DOGGED_STORE_ID, DOGGED_WORKER_NONCE, DOGGED_CHILD, ...rest } = own;
  return rest;
}
