import { readFileSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MachineRoom } from '../policy/pressure.js';

/**
 * How full the machine is now: memory by the kernel's own estimate of what programs can still get, or by the limit of the
 * control group that this process is in, whichever is tighter; disk where the state folder lies. A few small reads.
 */
export function readMachineRoom(stateFolder: string): MachineRoom {
  return { memoryUsed: memoryUsed(), diskFreeBytes: diskFreeBytes(stateFolder) };
}

function memoryUsed(): number | null {
  const shares = [machineMemory(), groupMemory()].filter((share) => share !== null);
  return shares.length === 0 ? null : Math.max(...shares);
}

function machineMemory(): number | null {
  const text = readText('/proc/meminfo');
  const total = /^MemTotal:\s+(\d+) kB/m.exec(text)?.[1];
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1];
  return total === undefined || available === undefined ? null : 1 - Number(available) / Number(total);
}

/** Version 2 of control groups; a limit may stand in any group above ours. */
function groupMemory(): number | null {
  const group = /^0::(\/.*)$/m.exec(readText('/proc/self/cgroup'))?.[1];
  if (group === undefined) return null;
  const shares: number[] = [];
  for (let path = group; path !== '/'; path = dirname(path)) {
    const folder = join('/sys/fs/cgroup', path);
    const limit = Number(readText(join(folder, 'memory.max')));
    const used = Number(readText(join(folder, 'memory.current')));
    // Pages of files can be taken back at any time.
    const cached = Number(/^inactive_file (\d+)$/m.exec(readText(join(folder, 'memory.stat')))?.[1] ?? 0);
    if (limit > 0 && Number.isFinite(limit)) shares.push(Math.max(0, used - cached) / limit);
  }
  return shares.length === 0 ? null : Math.max(...shares);
}

function diskFreeBytes(stateFolder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(stateFolder);
    return bavail * bsize;
  } catch {
    // A disk that cannot even be asked is told of by whoever writes to it.
    return null;
  }
}

/** Empty where there is no such file: not every kernel has each of them. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
