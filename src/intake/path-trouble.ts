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
  EACCES: 'no permission to read it',
  EPERM: 'no permission to read it',
  EMFILE: 'too many open files in this process',
  ENFILE: 'too many open files on this machine',
  ESTALE: 'the network mount lost it',
  EIO: 'the disk could not read it',
  ELOOP: 'it is a symbolic link',
  ENXIO: 'it is not a regular file',
};

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
