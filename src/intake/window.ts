import type { FileAccess } from './file-access.js';
import { LEAF_BYTES } from './fingerprint.js';

/** What one slice reads at most, unless a single record is larger. */
export const WINDOW_BYTES = 4 * LEAF_BYTES;

/** Shared by all readings: a window is used up before its reader lets the loop turn. */
const shared = Buffer.allocUnsafe(WINDOW_BYTES);

/**
 * Reads up to `length` bytes at `position`. The result is overwritten by the next call of anybody: keep nothing of it
 * across a `yield`.
 */
export function readWindow(files: FileAccess, fd: number, position: number, length: number): Buffer {
  if (length > WINDOW_BYTES) {
    // A record larger than a window is rare: its memory is not kept.
    const large = Buffer.allocUnsafe(length);
    return large.subarray(0, files.read(fd, large, length, position));
  }
  return shared.subarray(0, files.read(fd, shared, length, position));
}

const BOM = [0xef, 0xbb, 0xbf];

/** Length of a UTF-8 byte order mark at the beginning, else 0. */
export function bomLength(bytes: Buffer): number {
  return BOM.every((byte, i) => bytes[i] === byte) ? BOM.length : 0;
}
