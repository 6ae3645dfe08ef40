import type { Clock } from '../platform/clock.js';
import type { LogFormat } from './cursor.js';
import type { FileAccess } from './file-access.js';
import { LEAF_BYTES } from './fingerprint.js';
import { LeafList } from './leaf-list.js';
import { formatOf } from './log-format.js';
import { LogWalk, type WalkEnd } from './log-walk.js';
import { SliceBudget } from './step.js';
import { readWindow } from './window.js';

/** What a document looked like when nothing of it was taken yet. */
export interface LogScan {
  readonly format: LogFormat | null;
  readonly end: Exclude<WalkEnd, 'changed'>;
  /** Hashes of everything up to the end of the last value that stands there as a whole. */
  readonly leaves: LeafList;
  /** Where the value stands that is unfinished or broken, if one is. */
  readonly stuckAt: number;
}

/**
 * Walks through a document without taking anything: is it whole, and does it still begin with what an earlier scan
 * found? Yields between slices.
 */
export function* scanLog(
  parts: { readonly files: FileAccess; readonly clock: Clock; readonly maxRecordBytes: number },
  fd: number,
  sizeBytes: number,
  former: LogScan | null,
): Generator<void, LogScan> {
  const leaves = new LeafList(former?.leaves ?? null);
  const walk = new LogWalk(
    { format: null, offset: 0, lines: 0 },
    {
      ...parts,
      budget: new SliceBudget(parts.clock, Number.POSITIVE_INFINITY),
      sink: {
        value: () => true,
        tooLarge: () => undefined,
        nulBytes: () => undefined,
        passed: (bytes) => leaves.add(bytes),
      },
    },
  );
  for (;;) {
    const end = walk.turn(fd, sizeBytes, null);
    if (end === 'more') yield;
    else return { format: walk.format, end: end === 'changed' ? 'open' : end, leaves, stuckAt: walk.stuckAt };
  }
}

/** Told by the first byte that is not white space; null when the beginning holds none. */
export function peekFormat(files: FileAccess, fd: number): LogFormat | null {
  return formatOf(readWindow(files, fd, 0, LEAF_BYTES));
}
