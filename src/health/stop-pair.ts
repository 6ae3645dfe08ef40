import { existsSync } from 'node:fs';
import { isOvertaken, writeDesired } from '../heartbeat/desired.js';
import { writeLastKill } from '../heartbeat/last-kill.js';
import { type CutOffJob, readLastStop } from '../heartbeat/last-stop.js';
import { type NamedIdentity, runningProcess } from '../heartbeat/pid-file.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { DoggedError } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import { signalProved } from '../platform/process-identity.js';
import { endProcess, isCollected, isGone } from './restart.js';

export interface StopOptions {
  readonly stateFolder: string;
  /** The worker is asked to end, and after this told to end at once. */
  readonly graceMs: number;
  readonly clock: Clock;
  /** Called once when the worker takes a while, for a word to the user. */
  readonly onWaiting?: (pid: number) => void;
}

export interface StopResult {
  /** Null where none ran. */
  readonly workerPid: number | null;
  readonly monitorPid: number | null;
  /** The worker did not end in order, and was killed. */
  readonly killed: boolean;
  readonly cutOff: readonly CutOffJob[];
}

const NOTHING_RAN: StopResult = { workerPid: null, monitorPid: null, killed: false, cutOff: [] };
/** After a second SIGTERM a worker ends its children and records what it cut off. */
const HURRIED_MS = 7_000;
const MONITOR_GRACE_MS = 10_000;
const COLLECTED_WITHIN_MS = 1_000;
const SAID_AFTER_MS = 2_000;

/**
 * Ends worker and monitor and waits until both are gone. `stopped` is written down first, so neither starts the other
 * again; the worker goes first, so that it hands its jobs back while its monitor still keeps quiet about it.
 *
 * Throws STOP_FAILED for a process that even SIGKILL does not end.
 */
export async function stopPair(options: StopOptions): Promise<StopResult> {
  const { stateFolder, clock } = options;
  const files = stateFiles(stateFolder);
  if (!existsSync(stateFolder)) return NOTHING_RAN;
  // It may end by itself as soon as it reads the wish, and is then found no more.
  const firstMonitor = runningProcess(files.monitorPid);
  const request = recordWish(stateFolder);
  let workerPid: number | null = null;
  let monitorPid: number | null = null;
  let killed = false;
  let cutOff: readonly CutOffJob[] = [];
  const stopMonitor = async () => {
    const pid = await endMonitor(stateFolder, clock);
    monitorPid = pid ?? monitorPid;
    return pid !== null;
  };
  for (;;) {
    // A monitor that cannot be told would start another worker.
    if (request === null) await stopMonitor();
    const worker = runningProcess(files.workerPid);
    if (worker !== null) {
      workerPid = worker.pid;
      killed = (await stopWorker(worker, options)) === 'killed';
      await isCollected(worker, COLLECTED_WITHIN_MS, clock);
      const last = readLastStop(stateFolder);
      if (last.status === 'read' && last.content.nonce === worker.nonce) cutOff = last.content.cutOff;
    }
    const hadMonitor = await stopMonitor();
    // A worker that was just booting may have registered while its monitor ended; and who asks for a start after
    // this stop was asked for has the last word.
    const isOver = worker === null && !hadMonitor;
    const isOvertakenByStart = request !== null && isOvertaken(stateFolder, request);
    if (!isOver && !isOvertakenByStart) continue;
    if (firstMonitor !== null && isOver && (await isGone(firstMonitor, MONITOR_GRACE_MS, clock))) {
      await isCollected(firstMonitor, COLLECTED_WITHIN_MS, clock);
      monitorPid ??= firstMonitor.pid;
    }
    return { workerPid, monitorPid, killed, cutOff };
  }
}

/** Ends the monitor alone, and waits for that: the worker goes on. Throws STOP_FAILED as `stopPair`. */
export async function endMonitor(stateFolder: string, clock: Clock): Promise<number | null> {
  const monitor = runningProcess(stateFiles(stateFolder).monitorPid);
  if (monitor === null) return null;
  const result = await endProcess(monitor, { how: 'ask', graceMs: MONITOR_GRACE_MS, clock });
  if (result === 'unkillable') throw stopFailed('health monitor', monitor.pid, MONITOR_GRACE_MS);
  await isCollected(monitor, COLLECTED_WITHIN_MS, clock);
  return monitor.pid;
}

/** Null where nothing can be written, as on a card that has turned read-only: that must keep nobody from stopping. */
function recordWish(stateFolder: string): string | null {
  try {
    return writeDesired(stateFolder, 'stopped');
  } catch {
    return null;
  }
}

async function stopWorker(worker: NamedIdentity, options: StopOptions): Promise<'ended' | 'killed'> {
  const { stateFolder, graceMs, clock, onWaiting } = options;
  const startedAtMs = clock.monotonicMs();
  signalProved(worker, 'SIGTERM');
  // One that somebody froze can hear it only when it is woken.
  signalProved(worker, 'SIGCONT');
  const firstMs = Math.min(SAID_AFTER_MS, graceMs);
  if (await isGone(worker, firstMs, clock)) return 'ended';
  onWaiting?.(worker.pid);
  if (await isGone(worker, graceMs - firstMs, clock)) return 'ended';
  // By the program's own rule a second signal cuts the running jobs off, and still hands them back.
  signalProved(worker, 'SIGTERM');
  if (await isGone(worker, HURRIED_MS, clock)) return 'ended';
  // Where that cannot be written, the stop goes on: its jobs then count a crash, which alone harms none of them.
  writeLastKill(stateFolder, worker, 'it was stopped, and did not end by itself');
  const result = await endProcess(worker, { how: 'kill', graceMs: 0, clock });
  if (result === 'unkillable') throw stopFailed('worker', worker.pid, clock.monotonicMs() - startedAtMs);
  return 'killed';
}

function stopFailed(role: string, pid: number, waitedMs: number): DoggedError {
  return new DoggedError('STOP_FAILED', { role, pid, waitedMs: Math.round(waitedMs) });
}
