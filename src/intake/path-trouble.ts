import type { Clock } from '../platform/clock.js';

const LONGEST_PAUSE_MS = 60_000;

/** What an error of the file system says about a path: only ENOENT (and a lost folder) means that it is gone. */
export function isGone(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

export function errorCode(error: unknown): string | null {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' ? code : null;
}

const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: 'the worker has no permission to read it: allow it with chmod, or give it to the worker with chown',
  EPERM: 'the worker has no permission to read it: allow it with chmod, or give it to the worker with chown',
  EMFILE: 'this process has too many files open: raise its limit with ulimit -n',
  ENFILE: 'this machine has too many files open: close programs, or raise fs.file-max',
  ESTALE: 'the network mount no longer knows it: mount it again if this stays',
  ETIMEDOUT: 'the network mount does not answer: look at its server',
  EHOSTDOWN: 'the network mount does not answer: look at its server',
  ENOTCONN: 'the mount has lost what it is connected to: mount it again',
  EIO: 'the disk could not read it: look at dmesg and at the disk',
  ELOOP: 'it is a symbolic link, or its links lead round in a circle',
  ENAMETOOLONG: 'its name is too long for the file system',
  ENXIO: 'it is not a regular file',
};

/** For people: what stands in the way when a source's folder is not there. */
export function folderMissing(folder: string): string {
  const argument = /^[\w./@%+:,-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`;
  return `the folder ${folder} is not there: make it with mkdir -p ${argument}, or mount it`;
}

/** For people: what the error means, and its code. Throws on what is no error of the file system. */
export function describeTrouble(error: unknown): string {
  const code = errorCode(error);
  if (code === null) throw error;
  return `${MEANINGS[code] ?? 'it cannot be read'} (${code})`;
}

/** A path that cannot be read is tried again later and later: from one poll to a minute. */
export class PathTrouble {
  readonly text: string;
  readonly #retryAtMs: number;
  readonly #pauseMs: number;

  constructor(text: string, former: PathTrouble | null, pollMs: number, clock: Clock) {
    this.text = text;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, former === null ? pollMs : former.#pauseMs * 2);
    this.#retryAtMs = clock.monotonicMs() + this.#pauseMs;
  }

  isDue(nowMonotonicMs: number): boolean {
    return nowMonotonicMs >= this.#retryAtMs;
  }
}
