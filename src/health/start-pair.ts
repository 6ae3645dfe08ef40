import { mkdirSync } from 'node:fs';
import type { Beat } from '../heartbeat/beat.js';
import { isOvertaken, readDesired, writeDesired } from '../heartbeat/desired.js';
import { runningProcess } from '../heartbeat/pid-file.js';
import { readBeat } from '../heartbeat/read-beat.js';
import { type MonitorStart, startMonitor } from '../heartbeat/start-monitor.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { type Clock, pause } from '../platform/clock.js';
import { type Phase, readTally } from './tally.js';

export interface StartOptions {
  readonly stateFolder: string;
  readonly configFile: string;
  readonly heartbeatFolder: string;
  readonly withinMs: number;
  readonly clock: Clock;
}

export type StartResult =
  | {
      readonly started: true;
      readonly workerPid: number;
      readonly monitorPid: number;
      readonly wasRunning: boolean;
    }
  /** `why` is the monitor's account, where it gave one. `isTrying`: there is a monitor, and it goes on. */
  | {
      readonly started: false;
      readonly waitedMs: number;
      readonly why: string | null;
      readonly isTrying: boolean;
    };

const LOOK_EVERY_MS = 20;
/** Between two tries to start a monitor: the first may have met one that was just ending. */
const SPAWN_EVERY_MS = 500;
/** In these phases the monitor starts nothing before something else has changed: there is no first beat to wait for. */
const HOPELESS: readonly Phase[] = ['await-config', 'await-mending', 'gave-up'];

/**
 * Sees to it that the state folder has a monitor and a worker at work, and waits for the worker's first beat. Does
 * nothing where they are at work already; any number of callers at once end with one pair.
 */
export async function startPair(options: StartOptions): Promise<StartResult> {
  const { stateFolder, configFile, heartbeatFolder, withinMs, clock } = options;
  const running = pairAtWork(stateFolder, heartbeatFolder);
  if (running !== null && isDesired(stateFolder)) return { started: true, ...running, wasRunning: true };

  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  const before = readTally(stateFolder);
  const request = writeDesired(stateFolder, 'running');
  const startedAtMs = clock.monotonicMs();
  let spawnedAtMs = Number.NEGATIVE_INFINITY;
  let monitor: MonitorStart | null = null;
  for (;;) {
    const nowMs = clock.monotonicMs();
    const pair = pairAtWork(stateFolder, heartbeatFolder);
    if (pair !== null) return { started: true, ...pair, wasRunning: false };
    const waitedMs = Math.round(nowMs - startedAtMs);
    if (isOvertaken(stateFolder, request) && !isDesired(stateFolder)) {
      return { started: false, waitedMs, why: 'A stop was asked for meanwhile.', isTrying: false };
    }
    const tally = readTally(stateFolder);
    const isNews = JSON.stringify(tally) !== JSON.stringify(before);
    const isHopeless = isNews && tally !== null && HOPELESS.includes(tally.phase);
    const problem = monitor?.problem() ?? null;
    if (problem !== null) return { started: false, waitedMs, why: problem, isTrying: false };
    if (isHopeless || waitedMs > withinMs) {
      return { started: false, waitedMs, why: isNews && tally !== null ? tally.why : null, isTrying: true };
    }
    if (
      !(monitor?.isComing() ?? false) &&
      nowMs - spawnedAtMs >= SPAWN_EVERY_MS &&
      monitorOf(stateFolder) === null
    ) {
      spawnedAtMs = nowMs;
      monitor = startMonitor(stateFolder, configFile);
    }
    await pause(clock, LOOK_EVERY_MS);
  }
}

function pairAtWork(stateFolder: string, heartbeatFolder: string) {
  const worker = runningProcess(stateFiles(stateFolder).workerPid);
  const monitor = monitorOf(stateFolder);
  if (worker === null || monitor === null) return null;
  const beat = readBeat(heartbeatFolder);
  if (
    beat.status !== 'read' ||
    beat.content.nonce !== worker.nonce ||
    !AT_WORK.includes(beat.content.state)
  ) {
    return null;
  }
  return { workerPid: worker.pid, monitorPid: monitor.pid };
}

const AT_WORK: readonly Beat['state'][] = ['running', 'draining'];

function monitorOf(stateFolder: string) {
  return runningProcess(stateFiles(stateFolder).monitorPid);
}

function isDesired(stateFolder: string): boolean {
  const desired = readDesired(stateFolder);
  return desired.status === 'read' && desired.content.desired === 'running';
}
