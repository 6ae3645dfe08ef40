import { readFileSync } from 'node:fs';

/**
 * What proves that a process is the one that we mean. A pid alone proves nothing: the kernel gives it away
 * again. Boot id, pid and start time together are never used twice.
 */
export interface ProcessIdentity {
  readonly bootId: string;
  readonly pid: number;
  /** Clock ticks after boot at which the process started (`/proc/PID/stat`, field 22). */
  readonly startTicks: number;
}

export interface ProcessStat {
  /** One letter, as in `/proc/PID/stat`: R S D Z T … */
  readonly state: string;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly startTicks: number;
}

/** Facts about a process, or null when there is none (or it vanished while we looked). */
export function readProcessStat(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
  // The command name stands in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '?',
    parentPid: Number(fields[1]),
    groupId: Number(fields[2]),
    sessionId: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

let knownBootId: string | undefined;

export function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}

/** The identity of a running process, or null when there is none with this pid. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const stat = readProcessStat(pid);
  return stat === null ? null : { bootId: bootId(), pid, startTicks: stat.startTicks };
}

/** True only when exactly this process still runs: a zombie, a dead one and a reused pid are all false. */
export function isRunning(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  const stat = readProcessStat(identity.pid);
  if (stat === null || stat.startTicks !== identity.startTicks) return false;
  return stat.state !== 'Z' && stat.state !== 'X';
}

/**
 * Sends a signal to exactly this process, or to the process group that it leads.
 * Returns false, and signals nobody, when its identity is not proved.
 */
export function signalProved(
  identity: ProcessIdentity,
  signal: NodeJS.Signals,
  target: 'process' | 'group' = 'process',
): boolean {
  if (!isRunning(identity)) return false;
  if (target === 'group' && readProcessStat(identity.pid)?.groupId !== identity.pid) return false;
  try {
    process.kill(target === 'group' ? -identity.pid : identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
