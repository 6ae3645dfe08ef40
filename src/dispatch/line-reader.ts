const NEWLINE = 0x0a;

/**
 * Cuts a stream of bytes into lines and hands over each without its newline. A line longer than `maxBytes` is never
 * held: `onOverflow` is called once and nothing more is read.
 */
export class LineReader {
  readonly #maxBytes: number;
  readonly #onLine: (line: Buffer) => void;
  readonly #onOverflow: () => void;
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #overflown = false;

  constructor(maxBytes: number, onLine: (line: Buffer) => void, onOverflow: () => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
    this.#onOverflow = onOverflow;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (
      let end = chunk.indexOf(NEWLINE);
      end >= 0 && !this.#overflown;
      end = chunk.indexOf(NEWLINE, start)
    ) {
      this.#finishLine(chunk.subarray(start, end));
      start = end + 1;
    }
    if (this.#overflown || start === chunk.length) return;
    const rest = chunk.subarray(start);
    if (this.#tooLong(rest)) return;
    this.#parts.push(rest);
    this.#partsBytes += rest.length;
  }

  #finishLine(last: Buffer): void {
    if (this.#tooLong(last)) return;
    const line = this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#partsBytes = 0;
    this.#onLine(line);
  }

  #tooLong(next: Buffer): boolean {
    if (this.#partsBytes + next.length <= this.#maxBytes) return false;
    this.#overflown = true;
    this.#parts = [];
    this.#onOverflow();
    return true;
  }
}
