import { readFileSync } from 'node:fs';
import type { BlockedThread } from './hang-file.js';

/** Looks at the main thread of a process from outside: works whatever that thread does. */
export function lookAtThread(processId: number): BlockedThread {
  const stat = readPart(processId, 'stat');
  return {
    // The command name stands in parentheses and may itself hold spaces and parentheses.
    state: stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3),
    wchan: readPart(processId, 'wchan').replace(/^0$/, ''),
    syscall: nameCall(readPart(processId, 'syscall').split(' ')[0] ?? ''),
  };
}

/** Some kernels hide some of these: that says nothing against the rest. */
function readPart(processId: number, part: string): string {
  try {
    return readFileSync(`/proc/${processId}/task/${processId}/${part}`, 'latin1').trim();
  } catch {
    return '';
  }
}

/** The calls in which a worker can wait long: numbers of x86-64, and of the machines that share the newer table. */
const CALLS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  x64: {
    0: 'read',
    1: 'write',
    4: 'stat',
    5: 'fstat',
    6: 'lstat',
    17: 'pread64',
    18: 'pwrite64',
    35: 'nanosleep',
    61: 'wait4',
    73: 'flock',
    74: 'fsync',
    75: 'fdatasync',
    82: 'rename',
    202: 'futex',
    217: 'getdents64',
    230: 'clock_nanosleep',
    232: 'epoll_wait',
    247: 'waitid',
    257: 'openat',
    262: 'newfstatat',
    281: 'epoll_pwait',
    332: 'statx',
  },
  arm64: {
    22: 'epoll_pwait',
    32: 'flock',
    38: 'renameat',
    56: 'openat',
    61: 'getdents64',
    63: 'read',
    64: 'write',
    67: 'pread64',
    68: 'pwrite64',
    79: 'newfstatat',
    80: 'fstat',
    82: 'fsync',
    83: 'fdatasync',
    95: 'waitid',
    98: 'futex',
    101: 'nanosleep',
    115: 'clock_nanosleep',
    260: 'wait4',
    291: 'statx',
  },
};

/** `running` is what the kernel says of a thread that is on a processor, -1 of one that waits outside any call. */
function nameCall(number: string): string {
  if (number === '' || number === 'running' || number === '-1') return '';
  const name = CALLS[process.arch]?.[number];
  return name === undefined ? number : `${number} ${name}`;
}
