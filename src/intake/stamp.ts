import type { BigIntStats } from 'node:fs';

/**
 * What `lstat` says about a file's content. Compared for inequality only: clocks go back, and time stamps can lie in
 * the future, so "newer" means nothing. Nanoseconds are bigint, because a double would round them.
 */
export interface Stamp {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

let lastDev = 0n;

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): Stamp {
  // A bigint is an object of its own: sharing equal ones saves 5 MB where 100,000 files are known.
  if (dev !== lastDev) lastDev = dev;
  return { dev: lastDev, ino, size, mtimeNs: mtimeNs === ctimeNs ? ctimeNs : mtimeNs, ctimeNs };
}

export function sameStamp(a: Stamp, b: Stamp): boolean {
  return a.ctimeNs === b.ctimeNs && a.mtimeNs === b.mtimeNs && a.size === b.size && sameInode(a, b);
}

/** A hint, never identity: a file system may give the number of a deleted file to the next one. */
export function sameInode(a: Stamp, b: Stamp): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

/** Of a name under which nothing stood at that time of the file system's own clock: no file has the inode 0. */
export function stampOfNothing(dev: bigint, ctimeNs: bigint): Stamp {
  return { dev, ino: 0n, size: 0n, mtimeNs: ctimeNs, ctimeNs };
}

export function isOfNothing({ ino }: Stamp): boolean {
  return ino === 0n;
}

export function encodeStamp({ dev, ino, size, mtimeNs, ctimeNs }: Stamp): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

const ENCODED = /^(\d+):(\d+):(\d+):(-?\d+):(-?\d+)$/;

/** null for text that `encodeStamp` did not write. */
export function decodeStamp(text: string): Stamp | null {
  const parts = ENCODED.exec(text);
  if (parts === null) return null;
  const [dev, ino, size, mtimeNs, ctimeNs] = parts.slice(1).map(BigInt) as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  return { dev, ino, size, mtimeNs, ctimeNs };
}

/**
 * A stamp under which we have read the content. While it is `racy`, another write may have left the same stamp (git
 * calls such an entry racily clean), so an equal stamp proves nothing yet and the content is compared again.
 */
export interface Sighting {
  readonly stamp: Stamp;
  /** Monotonic time of our first reading under this stamp. */
  readonly sinceMs: number;
  readonly racy: boolean;
}

export interface RacyRule {
  /** Writes closer together than this may share a stamp. */
  readonly windowMs: number;
  /** False on a network mount: the stamps are another machine's. */
  readonly sameClock: boolean;
}

/** FAT keeps two seconds; a network or unknown file system may do worse than it says. */
export const COARSE_WINDOW_MS = 2_500;

/** Taken before the first byte is read, so that a write during the reading falls inside the window. */
export interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/**
 * What we know after reading the content under `stamp` at `at`. A stamp is safe once the window has passed: seen at once
 * where the file's last change is plainly older by the same clock, else by a second reading a window after the first.
 */
export function sight(previous: Sighting | null, stamp: Stamp, at: Moment, rule: RacyRule): Sighting {
  const windowMs = isCoarse(stamp) ? Math.max(rule.windowMs, COARSE_WINDOW_MS) : rule.windowMs;
  if (previous !== null && sameStamp(previous.stamp, stamp)) {
    const racy = previous.racy && at.monotonicMs - previous.sinceMs < windowMs;
    return racy === previous.racy ? previous : { ...previous, racy };
  }
  const racy = !rule.sameClock || !isOld(stamp, at.wallMs, windowMs);
  return { stamp, sinceMs: at.monotonicMs, racy };
}

/**
 * A change at a whole second, to the nanosecond, is what a file system that keeps seconds says: ext3, and ext4 with small
 * inodes, which cannot be told from a fine one by its type. mtime does not count: programs set it.
 */
function isCoarse({ ctimeNs }: Stamp): boolean {
  return ctimeNs % 1_000_000_000n === 0n;
}

/** A time stamp in the future is not old: its distance from now means nothing. */
function isOld(stamp: Stamp, wallMs: number, windowMs: number): boolean {
  return [stamp.mtimeNs, stamp.ctimeNs].every((ns) => wallMs - Number(ns / 1_000_000n) > windowMs);
}

/** A set clock is told from a slewed one, and from the moment between two readings, by this much. */
const SET_BACK_MS = 25;

/** Notices that the wall clock was set back: what it says from then on, stamps have said before. */
export class ClockWatch {
  #aheadMs = Number.NEGATIVE_INFINITY;

  wasSetBack({ wallMs, monotonicMs }: Moment): boolean {
    const aheadMs = wallMs - monotonicMs;
    const wasSetBack = aheadMs < this.#aheadMs - SET_BACK_MS;
    this.#aheadMs = wasSetBack ? aheadMs : Math.max(aheadMs, this.#aheadMs);
    return wasSetBack;
  }
}
