import { join } from 'node:path';
import type { Beat, WorkerState } from '../heartbeat/beat.js';
import { type NamedIdentity, readPidFile, runningProcess } from '../heartbeat/pid-file.js';
import { readBeat } from '../heartbeat/read-beat.js';
import { defaultSettings, readSettings, type Settings } from '../heartbeat/settings.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { isRunning } from '../platform/process-identity.js';
import { readProcessFigures } from './process-figures.js';

/**
 * - `running`: the process that the pid file names is there, and its beat is fresh (or it is about to give its first).
 * - `stuck`: it is there, but has not beaten for longer than `health.stuck`.
 * - `dead`: the pid file names a process that is gone.
 * - `stopped`: there is no pid file: nobody runs, and nobody should.
 * - `unknown`: the pid file cannot be read or trusted.
 */
export type Verdict = 'running' | 'stuck' | 'dead' | 'stopped' | 'unknown';

interface WorkerLook {
  readonly pid: number | null;
  readonly state: WorkerState | 'dead' | 'unknown';
  /** By the wall clock; null without a beat of this very worker. */
  readonly beatAgeMs: number | null;
  readonly upMs: number | null;
  readonly rssBytes: number | null;
  /** Percent of one core, as a mean since it started. */
  readonly cpu: number | null;
}

export interface ProcessesLook {
  readonly verdict: Verdict;
  readonly worker: WorkerLook;
  readonly monitor: { readonly pid: number | null };
  /** The last beat, whoever gave it. */
  readonly beat: Beat | null;
  /** What the last worker understood of its config. */
  readonly settings: Settings;
  /** False where no worker has told its settings: then they are the defaults. */
  readonly settingsKnown: boolean;
  /** What could not be read, in words. */
  readonly problems: readonly string[];
}

/** What the state folder alone says about worker and monitor: no config, no database. Never throws for a damaged file. */
export function lookAtProcesses(stateFolder: string, nowMs: number): ProcessesLook {
  const files = stateFiles(stateFolder);
  const problems: string[] = [];

  const settingsFile = readSettings(stateFolder);
  const settings =
    settingsFile.status === 'read'
      ? settingsFile.content
      : defaultSettings(stateFolder, join(stateFolder, '..'));
  if (settingsFile.status === 'invalid') problems.push(`settings.json: ${settingsFile.why}`);

  const beatFile = readBeat(settings.heartbeatFolder);
  if (beatFile.status === 'invalid') problems.push(`heartbeat.json: ${beatFile.why}`);
  const beat = beatFile.status === 'read' ? beatFile.content : null;

  const pidFile = readPidFile(files.workerPid);
  if (pidFile.status === 'invalid') problems.push(`worker.pid: ${pidFile.why}`);
  const look =
    pidFile.status === 'read'
      ? lookAtWorker(pidFile.content, beat, settings, nowMs)
      : nobody(pidFile.status === 'missing' ? 'stopped' : 'unknown');

  return {
    ...look,
    monitor: { pid: runningProcess(files.monitorPid)?.pid ?? null },
    beat,
    settings,
    settingsKnown: settingsFile.status === 'read',
    problems,
  };
}

function lookAtWorker(
  identity: NamedIdentity,
  beat: Beat | null,
  settings: Settings,
  nowMs: number,
): Pick<ProcessesLook, 'verdict' | 'worker'> {
  const { pid } = identity;
  if (!isRunning(identity)) return { verdict: 'dead', worker: { ...nobody('dead').worker, pid } };
  const own = beat?.nonce === identity.nonce ? beat : null;
  const beatAgeMs = own === null ? null : Math.max(0, nowMs - Date.parse(own.wallTime));
  const figures = readProcessFigures(pid);
  const silentMs = beatAgeMs ?? figures?.upMs ?? 0;
  return {
    verdict: silentMs > settings.health.stuckMs ? 'stuck' : 'running',
    worker: {
      pid,
      state: own?.state ?? 'starting',
      beatAgeMs,
      upMs: figures?.upMs ?? null,
      rssBytes: figures?.rssBytes ?? null,
      cpu: figures?.cpu ?? null,
    },
  };
}

function nobody(state: 'stopped' | 'dead' | 'unknown'): Pick<ProcessesLook, 'verdict' | 'worker'> {
  return {
    verdict: state,
    worker: { pid: null, state, beatAgeMs: null, upMs: null, rssBytes: null, cpu: null },
  };
}
