import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { breadcrumb } from '../platform/breadcrumb.js';
import { COARSE_WINDOW_MS, type RacyRule } from './stamp.js';

/** Bytes where a name is not UTF-8, so that it can still be opened. */
export type PathName = string | Buffer;

/** The names of a folder, one by one: listing 100,000 of them at once would hold the loop for 40 ms. */
interface FolderNames {
  /** The bytes of a name, one in each character (latin1); null when there are no more. */
  next(): string | null;
  close(): void;
}

/**
 * The few ways in which a source touches the file system; all synchronous, none can block on a FIFO or a device.
 * They are one object so that a test can put faults and coarse clocks underneath, and a benchmark can count bytes.
 */
export interface FileAccess {
  lstat(path: PathName): BigIntStats;
  stat(path: PathName): BigIntStats;
  /** Opens for reading. Never follows a link in the last part of the path, never waits for a writer. */
  open(path: PathName): number;
  fstat(fd: number): BigIntStats;
  /** Reads at most `length` bytes at `position` into the start of `into`; fewer at the end of the file. */
  read(fd: number, into: Buffer, length: number, position: number): number;
  close(fd: number): void;
  list(folder: PathName): FolderNames;
  realPath(path: PathName): string;
  /** How far apart two writes may be and still leave equal time stamps, in milliseconds. */
  stampGranularityMs(path: PathName): number;
}

/** `O_NONBLOCK`: opening a FIFO without a writer would otherwise wait for one, for ever. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Time stamps of these are kernel ticks of this machine (1-10 ms). Numbers: `statfs(2)`. */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
  0x2fc12fc1, // zfs
]);

/** Five ticks of the coarsest kernel (100 Hz). */
const LOCAL_GRANULARITY_MS = 50;

/** On a network mount the stamps are those of another machine's clock, perhaps out of a cache. */
export function racyRuleOf(files: FileAccess, folder: PathName, isNetwork: boolean): RacyRule {
  const windowMs = isNetwork ? COARSE_WINDOW_MS : files.stampGranularityMs(folder);
  return { windowMs, sameClock: !isNetwork };
}

export const systemFiles: FileAccess = {
  lstat: (path) => lstatSync(path, { bigint: true }),
  stat: (path) => statSync(path, { bigint: true }),
  open(path) {
    breadcrumb('intake.open', path);
    return openSync(path, OPEN_FLAGS);
  },
  fstat: (fd) => fstatSync(fd, { bigint: true }),
  read(fd, into, length, position) {
    let done = 0;
    while (done < length) {
      const count = readSync(fd, into, done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  },
  close: closeSync,
  list(folder) {
    breadcrumb('intake.list', folder);
    // A name need not be UTF-8. As latin1 none of its bytes is lost, at half the price of a buffer for each.
    const dir = opendirSync(folder as string, { encoding: 'latin1', bufferSize: 256 });
    return {
      next: () => dir.readSync()?.name ?? null,
      close: () => dir.closeSync(),
    };
  },
  realPath: (path) => realpathSync(path as string),
  stampGranularityMs(path) {
    try {
      return LOCAL_FILE_SYSTEMS.has(statfsSync(path).type) ? LOCAL_GRANULARITY_MS : COARSE_WINDOW_MS;
    } catch {
      // A folder that is not there now: whatever comes back is trusted least.
      return COARSE_WINDOW_MS;
    }
  },
};
