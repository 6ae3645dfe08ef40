import { type BigIntStats, lstatSync } from 'node:fs';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import type { FakeClock } from '../support/fake-clock.js';

/**
 * A file system whose time stamps move in ticks of the fake clock, however coarse, and go back with it. Tell it of each
 * write; the rest of a stamp (inode, size) stays real.
 */
export function coarseStamps(clock: FakeClock, tickMs: number) {
  const times = new Map<bigint, bigint>();
  const withTimes = (stats: BigIntStats): BigIntStats => {
    const ns = times.get(stats.ino);
    return ns === undefined
      ? stats
      : Object.create(stats, { mtimeNs: { value: ns }, ctimeNs: { value: ns } });
  };
  const files: FileAccess = {
    ...systemFiles,
    lstat: (path) => withTimes(systemFiles.lstat(path)),
    fstat: (fd) => withTimes(systemFiles.fstat(fd)),
    // ext3 is known as local and fine, and keeps whole seconds.
    stampGranularityMs: () => (tickMs > 1_000 ? 2_500 : 50),
  };
  return {
    files,
    written(path: string) {
      const tickNs = BigInt(Math.round(tickMs * 1e6));
      const nowNs = BigInt(Math.round(clock.wallMs() * 1e6));
      times.set(lstatSync(path, { bigint: true }).ino, (nowNs / tickNs) * tickNs);
    },
  };
}

export const FAULTS = ['ENOENT', 'EACCES', 'EMFILE', 'ESTALE', 'EIO', 'short read'] as const;
export type Fault = (typeof FAULTS)[number];

/** A file system that fails as it is told: `next()` is asked before each call. */
export function faultyFiles(next: () => Fault | null): FileAccess {
  const guarded = <A extends unknown[], R>(call: (...args: A) => R) => {
    return (...args: A): R => {
      const fault = next();
      if (fault === null || fault === 'short read') return call(...args);
      throw Object.assign(new Error(`${fault}: injected`), { code: fault });
    };
  };
  return {
    ...systemFiles,
    lstat: guarded(systemFiles.lstat),
    stat: guarded(systemFiles.stat),
    open: guarded(systemFiles.open),
    fstat: guarded(systemFiles.fstat),
    list: guarded(systemFiles.list),
    read(fd, into, length, position) {
      const fault = next();
      const wanted = fault === 'short read' ? Math.floor(length / 2) : length;
      if (fault === null || fault === 'short read') return systemFiles.read(fd, into, wanted, position);
      throw Object.assign(new Error(`${fault}: injected`), { code: fault });
    },
  };
}
