import { readFileSync } from 'node:fs';

export interface ProcessFigures {
  readonly upMs: number;
  readonly rssBytes: number;
  /** Percent of one core, as a mean since the process started. */
  readonly cpu: number;
}

/** Clock ticks a second in `/proc`: USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** What a process uses, or null when it cannot be told: it may end while we look. */
export function readProcessFigures(pid: number): ProcessFigures | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // After the command name, which may itself hold spaces and parentheses; the first of these is field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const usedTicks = Number(fields[11]) + Number(fields[12]);
    const startTicks = Number(fields[19]);
    const uptimeSeconds = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
    const upMs = Math.max(0, Math.round((uptimeSeconds - startTicks / TICKS_PER_SECOND) * 1000));
    const rssKb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
    const usedMs = (usedTicks * 1000) / TICKS_PER_SECOND;
    const cpu = upMs === 0 ? 0 : Math.round((usedMs / upMs) * 1000) / 10;
    return { upMs, rssBytes: rssKb * 1024, cpu };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return null;
    throw error;
  }
}
