import type { FileAccess } from './file-access.js';

const NEWLINE = 0x0a;
const CHUNK_BYTES = 64 * 1024;
/** Further than this nobody counts: the offset still tells where a record stands. */
const FURTHEST_BYTES = 16 * 1024 * 1024;

/** Tells the lines of offsets that are asked for in rising order, each byte counted once. */
export class LineFinder {
  readonly #files: FileAccess;
  #counted = 0;
  #lines = 0;

  constructor(files: FileAccess) {
    this.#files = files;
  }

  /** The line in which an offset stands, counted from 1; null when it is too far to count. */
  lineOf(fd: number, offset: number): number | null {
    if (offset < this.#counted || offset - this.#counted > FURTHEST_BYTES) return null;
    // A buffer of its own: whoever asks may be in the midst of the shared window.
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, offset - this.#counted));
    while (this.#counted < offset) {
      const length = this.#files.read(
        fd,
        chunk,
        Math.min(chunk.length, offset - this.#counted),
        this.#counted,
      );
      if (length === 0) return null;
      const bytes = chunk.subarray(0, length);
      for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) this.#lines += 1;
      this.#counted += length;
    }
    return this.#lines + 1;
  }
}
