import { lstatSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ClockWatch,
  decodeStamp,
  encodeStamp,
  type Stamp,
  sameInode,
  sameStamp,
  sight,
  stampOf,
} from '../../src/intake/stamp.js';
import { tempFolder } from '../support/temp-folder.js';

const stampOfFile = (path: string) => stampOf(lstatSync(path, { bigint: true }));
const LOCAL = { windowMs: 50, sameClock: true };
const NETWORK = { windowMs: 2_500, sameClock: false };

const stampAt = (ms: number): Stamp => {
  const ns = BigInt(ms) * 1_000_000n + 1n;
  return { dev: 1n, ino: 2n, size: 3n, mtimeNs: ns, ctimeNs: ns };
};

describe('a stamp', () => {
  it('differs after every change that a kernel can show, also one with a preserved mtime', () => {
    const path = join(tempFolder(), 'a');
    writeFileSync(path, 'one');
    utimesSync(path, 5, 5);
    const before = stampOfFile(path);
    expect(sameStamp(before, stampOfFile(path))).toBe(true);
    writeFileSync(path, 'two');
    utimesSync(path, 5, 5);
    const rewritten = stampOfFile(path);
    expect(rewritten.mtimeNs).toBe(before.mtimeNs);
    writeFileSync(`${path}.new`, 'six');
    renameSync(`${path}.new`, path);
    expect(sameInode(rewritten, stampOfFile(path))).toBe(false);
  });

  it('is compared for inequality: an older one is as different as a newer one', () => {
    expect(sameStamp(stampAt(1_000), stampAt(999))).toBe(false);
    expect(sameStamp(stampAt(1_000), stampAt(1_001))).toBe(false);
  });

  it('keeps nanoseconds that a double would round, and survives being written down', () => {
    const stamp = { ...stampAt(0), mtimeNs: 1_795_328_563_123_456_789n, ctimeNs: -1n };
    const again = decodeStamp(encodeStamp(stamp));
    expect(again).toEqual(stamp);
    expect(sameStamp(stamp, { ...stamp, mtimeNs: stamp.mtimeNs + 1n })).toBe(false);
    expect(decodeStamp('1:2:3')).toBeNull();
    expect(decodeStamp('')).toBeNull();
  });
});

describe('a wall clock', () => {
  it('that is set back is noticed once; one that is slewed, set forward or stands still is none', () => {
    const watch = new ClockWatch();
    const seen = [0, 5, -10, 3_600_000, 3_600_000, 0, 0, 10].map((aheadMs, n) =>
      watch.wasSetBack({ wallMs: 1_000 * n + aheadMs, monotonicMs: 1_000 * n }),
    );
    expect(seen).toEqual([false, false, false, false, false, true, false, false]);
  });
});

describe('an equal stamp', () => {
  const wallMs = 1_000_000;

  it('proves equal content at once when the last change is plainly older than our look', () => {
    const stamp = stampAt(wallMs - 1_000);
    expect(sight(null, stamp, { wallMs, monotonicMs: 0 }, LOCAL).racy).toBe(false);
  });

  it('proves nothing while another write may share it, and is safe once we have looked again after the window', () => {
    const stamp = stampAt(wallMs - 10);
    const first = sight(null, stamp, { wallMs, monotonicMs: 0 }, LOCAL);
    expect(first.racy).toBe(true);
    const soon = sight(first, stamp, { wallMs: wallMs + 40, monotonicMs: 40 }, LOCAL);
    expect(soon.racy).toBe(true);
    expect(sight(soon, stamp, { wallMs: wallMs + 60, monotonicMs: 60 }, LOCAL).racy).toBe(false);
  });

  it.each([
    ['lies in the future', wallMs + 3_600_000],
    ['was made before the clock was set back', wallMs + 5],
  ])('is measured by our own clock alone when it %s', (_, ms) => {
    const stamp = stampAt(ms);
    const first = sight(null, stamp, { wallMs, monotonicMs: 0 }, LOCAL);
    expect(first.racy).toBe(true);
    expect(sight(first, stamp, { wallMs: wallMs - 9_999, monotonicMs: 51 }, LOCAL).racy).toBe(false);
  });

  it('is never trusted at first sight on a network mount, whatever its age', () => {
    const stamp = stampAt(0);
    const first = sight(null, stamp, { wallMs, monotonicMs: 0 }, NETWORK);
    expect(first.racy).toBe(true);
    expect(sight(first, stamp, { wallMs, monotonicMs: 2_000 }, NETWORK).racy).toBe(true);
    expect(sight(first, stamp, { wallMs, monotonicMs: 2_500 }, NETWORK).racy).toBe(false);
  });

  it('at a whole second is of a file system that keeps no more, and proves nothing for longer', () => {
    const stamp = { ...stampAt(0), ctimeNs: BigInt(wallMs) * 1_000_000n };
    const first = sight(null, stamp, { wallMs: wallMs + 900, monotonicMs: 0 }, LOCAL);
    expect(first.racy).toBe(true);
    expect(sight(first, stamp, { wallMs: wallMs + 1_900, monotonicMs: 1_000 }, LOCAL).racy).toBe(true);
    expect(sight(first, stamp, { wallMs: wallMs + 3_400, monotonicMs: 2_500 }, LOCAL).racy).toBe(false);
    const fine = { ...stamp, ctimeNs: stamp.ctimeNs + 1n };
    expect(sight(null, fine, { wallMs: wallMs + 900, monotonicMs: 0 }, LOCAL).racy).toBe(false);
  });

  it('begins anew with each other stamp', () => {
    const first = sight(null, stampAt(wallMs), { wallMs, monotonicMs: 0 }, LOCAL);
    const second = sight(first, stampAt(wallMs + 1), { wallMs: wallMs + 1, monotonicMs: 100 }, LOCAL);
    expect(second).toMatchObject({ racy: true, sinceMs: 100 });
  });
});
