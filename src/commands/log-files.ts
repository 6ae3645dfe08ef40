import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Up to where a log has been shown: after the last whole line, in the file that had this inode. */
export interface LogCursor {
  readonly inode: number;
  readonly offset: number;
}

export interface LogPart {
  /** Whole lines, oldest first. */
  readonly lines: readonly string[];
  /** null while there is no log. */
  readonly cursor: LogCursor | null;
}

interface OpenLog {
  readonly fd: number;
  readonly inode: number;
  readonly sizeBytes: number;
}

const NEWLINE = 0x0a;
const FIRST_WINDOW_BYTES = 64 * 1024;

/** The last `count` lines, across rotated files (`.1` is the newest of them). An unfinished line at the very end is left for later. */
export function lastLines(path: string, count: number): LogPart {
  return withLogs(path, Number.POSITIVE_INFINITY, (logs) => {
    const [current] = logs;
    if (current === undefined) return { lines: [], cursor: null };
    let lines: string[] = [];
    for (const log of logs) {
      if (lines.length >= count) break;
      lines = [...tailOf(log, count - lines.length), ...lines];
    }
    return { lines, cursor: { inode: current.inode, offset: endOfLastLine(current) } };
  });
}

/**
 * What was written after the cursor, across as many rotations as there were meanwhile. A file that became shorter was
 * emptied: it is shown from its beginning.
 */
export function linesAfter(path: string, cursor: LogCursor | null): LogPart {
  const simple = withLogs(path, 1, ([current]) =>
    current !== undefined && (cursor === null || current.inode === cursor.inode)
      ? linesFrom(current, cursor?.offset ?? 0)
      : null,
  );
  if (simple !== null) return simple;
  return withLogs(path, Number.POSITIVE_INFINITY, (logs) => {
    const known = logs.findIndex((log) => log.inode === cursor?.inode);
    const oldestFirst = (known < 0 ? logs : logs.slice(0, known + 1)).toReversed();
    let part: LogPart = { lines: [], cursor };
    for (const log of oldestFirst) {
      const { lines, cursor: after } = linesFrom(log, log.inode === cursor?.inode ? cursor.offset : 0);
      part = { lines: [...part.lines, ...lines], cursor: after };
    }
    return part;
  });
}

/** Opens the log and its rotated files, newest first, for as long as `work` takes. */
function withLogs<T>(path: string, most: number, work: (logs: readonly OpenLog[]) => T): T {
  const logs: OpenLog[] = [];
  try {
    for (let n = 0; n < most; n += 1) {
      const fd = openIfThere(n === 0 ? path : `${path}.${n}`);
      if (fd === null) {
        // In the middle of a rotation there is no current file for an instant.
        if (n === 0) continue;
        break;
      }
      const { ino: inode, size: sizeBytes } = fstatSync(fd);
      logs.push({ fd, inode, sizeBytes });
    }
    return work(logs);
  } finally {
    for (const { fd } of logs) closeSync(fd);
  }
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function linesFrom(log: OpenLog, from: number): LogPart {
  const start = from > log.sizeBytes ? 0 : from;
  const bytes = readRange(log.fd, start, log.sizeBytes);
  const whole = bytes.lastIndexOf(NEWLINE) + 1;
  return {
    lines: whole === 0 ? [] : bytes.toString('utf8', 0, whole - 1).split('\n'),
    cursor: { inode: log.inode, offset: start + whole },
  };
}

/** Reads backwards in growing windows: the end of a large log costs no more than the end of a small one. */
function tailOf(log: OpenLog, count: number): string[] {
  for (let windowBytes = FIRST_WINDOW_BYTES; ; windowBytes *= 4) {
    const start = Math.max(0, log.sizeBytes - windowBytes);
    const { lines } = linesFrom(log, start);
    // The first line of a window that does not begin at the file's beginning may be the end of one.
    const whole = start === 0 ? lines : lines.slice(1);
    if (start === 0 || whole.length >= count) return count === 0 ? [] : whole.slice(-count);
  }
}

function endOfLastLine(log: OpenLog): number {
  for (let windowBytes = FIRST_WINDOW_BYTES; ; windowBytes *= 4) {
    const start = Math.max(0, log.sizeBytes - windowBytes);
    const newline = readRange(log.fd, start, log.sizeBytes).lastIndexOf(NEWLINE);
    if (newline >= 0 || start === 0) return start + newline + 1;
  }
}

function readRange(fd: number, start: number, end: number): Buffer {
  const bytes = Buffer.alloc(end - start);
  let done = 0;
  while (done < bytes.length) {
    const read = readSync(fd, bytes, done, bytes.length - done, start + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}
