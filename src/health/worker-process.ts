import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { watchLifeLine } from '../heartbeat/life-line.js';
import { STARTED_BY_MONITOR } from '../heartbeat/monitor-watch.js';
import { runningProcess } from '../heartbeat/pid-file.js';
import { stateFiles } from '../heartbeat/state-files.js';
import type { Clock } from '../platform/clock.js';
import { identifyProcess, isRunning, type ProcessIdentity } from '../platform/process-identity.js';

/** How the worker ended; both null when nobody can know, as for one that was not our child. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface WorkerProcess {
  readonly identity: ProcessIdentity;
  readonly adopted: boolean;
  /** Null while it runs. */
  exit(): WorkerExit | null;
  /** Stops listening; the process itself is left alone. */
  forget(): void;
}

export interface WorkerProgram {
  /** Arguments for this Node, from the program's file on. */
  readonly argv: readonly string[];
  readonly stateFolder: string;
  readonly configFile: string;
}

/**
 * Node copies the page tables of the worker for each child that it starts. Left alone, V8 keeps 30 MiB more for young
 * objects, and a command takes a tenth longer; its four threads for garbage and compiling take 2 MiB, and one does as well:
 * docs/decisions/0011-a-small-young-heap-for-the-worker.md and 0012.
 */
const SMALL = ['--max-semi-space-size=2', '--v8-pool-size=1'];

/**
 * Starts a worker in a session of its own, with a file behind its stdio: it outlives this process, and no pipe can
 * break under it. `onEnd` is called once, when it has ended and was reaped. Null when the system refused to start it.
 */
export function startWorker(program: WorkerProgram, onEnd: () => void): WorkerProcess | null {
  const log = openSync(stateFiles(program.stateFolder).workerLog, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [...SMALL, ...program.argv], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: dirname(program.configFile),
      env: { ...process.env, [STARTED_BY_MONITOR]: '1' },
    });
  } finally {
    closeSync(log);
  }
  // One that was refused has no pid; the error comes as an event, and must find a listener.
  child.on('error', () => child.removeAllListeners('exit'));
  const identity = child.pid === undefined ? null : identifyProcess(child.pid);
  if (identity === null) return null;
  // Its end is heard of all the same; a monitor that is told to end need not wait for it.
  child.unref();
  let ended: WorkerExit | null = null;
  child.on('exit', (code, signal) => {
    ended = { code, signal };
    onEnd();
  });
  return { identity, adopted: false, exit: () => ended, forget: () => child.removeAllListeners('exit') };
}

/**
 * Watches a worker that runs already, if there is one. Its end is told by its life line at once; where that is missing,
 * `exit()` tells by looking at `/proc`, so it should be asked once a second.
 */
export function adoptWorker(stateFolder: string, clock: Clock, onEnd: () => void): WorkerProcess | null {
  const found = runningProcess(stateFiles(stateFolder).workerPid);
  if (found === null) return null;
  const { bootId, pid, startTicks } = found;
  const unknown: WorkerExit = { code: null, signal: null };
  // The kernel closes the sockets of a dying process a moment before it is gone.
  const confirmEnd = (looksLeft: number) => {
    if (!isRunning(found)) onEnd();
    else if (looksLeft > 0) clock.after(CONFIRM_EVERY_MS, () => confirmEnd(looksLeft - 1));
  };
  const line = watchLifeLine(found.nonce, () => confirmEnd(CONFIRM_LOOKS));
  return {
    identity: { bootId, pid, startTicks },
    adopted: true,
    exit: () => (isRunning(found) ? null : unknown),
    forget: () => line.close(),
  };
}

const CONFIRM_EVERY_MS = 5;
const CONFIRM_LOOKS = 100;
