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

/** What began while the table was read is read as well, so often at most: on a busy machine something always begins. */
const MOST_PASSES = 3;

/**
 * Every process that is alive now, also one that took the place of another while we read; zombies have ended and are left
 * out.
 */
export function liveProcesses(): LiveProcess[] {
  const found: LiveProcess[] = [];
  const seen = new Set<number>();
  for (let pass = 1; pass <= MOST_PASSES; pass += 1) {
    const fresh = readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && !seen.has(pid));
    if (fresh.length === 0) break;
    for (const pid of fresh) {
      seen.add(pid);
      const stat = readProcessStat(pid);
      if (stat !== null && stat.state !== 'Z' && stat.state !== 'X') found.push({ pid, ...stat });
    }
  }
  return found;
}

/** The parent of all threads of the kernel, which have no environment. */
const KERNEL_THREADS = 2;
const TICKS_PER_SECOND = 100;

/**
 * Whether a process is just becoming another program: for that moment it shows no environment, and so no mark. Only a
 * young one is taken for such: a program may well be started with an empty environment.
 */
export function isBetweenPrograms({ pid, parentPid, startTicks }: LiveProcess, nowTicks: number): boolean {
  if (nowTicks - startTicks > TICKS_PER_SECOND) return false;
  return pid !== KERNEL_THREADS && parentPid !== KERNEL_THREADS && readEnvironment(pid) === '';
}

/** Now, as the start of a process is told. */
export function nowInTicks(): number {
  return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * TICKS_PER_SECOND;
}

/** null when the process is gone, carries none, or belongs to another user. */
export function readMark(pid: number): FoundMark | null {
  const environment = readEnvironment(pid);
  if (!environment?.includes(`${MARK_VARIABLES.storeId}=`)) return null;
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

/** null when the process is gone, or belongs to another user. */
function readEnvironment(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return null;
    throw error;
  }
}
