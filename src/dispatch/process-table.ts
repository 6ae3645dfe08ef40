import { readdirSync, readFileSync } from 'node:fs';
import { type ProcessStat, readProcessStat } from '../platform/process-identity.js';
import { MARK_VARIABLES } from './child-environment.js';

export interface LiveProcess extends ProcessStat {
  readonly pid: number;
}

/** The mark as it stands in a process's environment. Absent parts are null. */
export interface FoundMark {
  readonly storeId: string | null;
  readonly nonce: string | null;
  readonly child: string | null;
  readonly job: string | null;
  readonly task: string | null;
}

/** Every process that is alive now; zombies have ended and are left out. */
export function liveProcesses(): LiveProcess[] {
  const found: LiveProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = readProcessStat(pid);
    if (stat !== null && stat.state !== 'Z' && stat.state !== 'X') found.push({ pid, ...stat });
  }
  return found;
}

/** null when the process is gone, carries none, or belongs to another user. */
export function readMark(pid: number): FoundMark | null {
  let environment: string;
  try {
    environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return null;
    throw error;
  }
  if (!environment.includes(`${MARK_VARIABLES.storeId}=`)) return null;
  const variables = new Map<string, string>();
  for (const entry of environment.split('\0')) {
    const at = entry.indexOf('=');
    if (at > 0) variables.set(entry.slice(0, at), entry.slice(at + 1));
  }
  const value = (name: string) => variables.get(name) ?? null;
  return {
    storeId: value(MARK_VARIABLES.storeId),
    nonce: value(MARK_VARIABLES.nonce),
    child: value(MARK_VARIABLES.child),
    job: value(MARK_VARIABLES.job),
    task: value(MARK_VARIABLES.task),
  };
}
