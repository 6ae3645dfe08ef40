const NEWLINE = 0x0a;

/**
 * Keeps the beginning and the end of what a child writes, half of `capBytes` each, and counts what lies between.
 * A child may write for ever: this never holds more than `capBytes`.
 */
export class CappedOutput {
  readonly #headCapBytes: number;
  readonly #tailCapBytes: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  /** A ring, made when the head is full. */
  #tail: Buffer | null = null;
  #tailEnd = 0;
  #totalBytes = 0;

  constructor(capBytes: number) {
    this.#headCapBytes = Math.ceil(capBytes / 2);
    this.#tailCapBytes = capBytes - this.#headCapBytes;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  push(chunk: Buffer): void {
    this.#totalBytes += chunk.length;
    const forHead = Math.min(chunk.length, this.#headCapBytes - this.#headBytes);
    if (forHead > 0) {
      this.#head.push(chunk.subarray(0, forHead));
      this.#headBytes += forHead;
    }
    if (forHead < chunk.length) this.#pushTail(chunk.subarray(forHead));
  }

  /** As text, or null when nothing was written. Says how much was left out. */
  text(): string | null {
    if (this.#totalBytes === 0) return null;
    const [head, tail] = this.#parts();
    const leftOutBytes = this.#totalBytes - head.length - tail.length;
    if (leftOutBytes === 0) return Buffer.concat([head, tail]).toString();
    return `${wholeCharactersOf(head)}\n… ${leftOutBytes} bytes left out …\n${tail.toString()}`;
  }

  /** The last line that is not blank, trimmed; null when there is none or its beginning was left out. */
  lastLine(): string | null {
    const [head, tail] = this.#parts();
    const isWhole = this.#totalBytes === head.length + tail.length;
    const bytes = isWhole ? Buffer.concat([head, tail]) : tail;
    let end = bytes.length;
    while (end > 0 && (bytes[end - 1] as number) <= 0x20) end -= 1;
    if (end === 0) return null;
    const start = bytes.lastIndexOf(NEWLINE, end - 1) + 1;
    if (start === 0 && !isWhole) return null;
    return bytes.toString('utf8', start, end).trim();
  }

  #parts(): [head: Buffer, tail: Buffer] {
    const head = this.#head.length === 1 ? (this.#head[0] as Buffer) : Buffer.concat(this.#head);
    if (this.#tail === null) return [head, Buffer.alloc(0)];
    const written = this.#totalBytes - this.#headBytes;
    if (written <= this.#tailCapBytes) return [head, this.#tail.subarray(0, written)];
    const { length } = this.#tail;
    const at = this.#tailEnd % length;
    return [head, Buffer.concat([this.#tail.subarray(at), this.#tail.subarray(0, at)])];
  }

  #pushTail(chunk: Buffer): void {
    if (this.#tailCapBytes === 0) return;
    this.#tail ??= Buffer.allocUnsafe(this.#tailCapBytes);
    const { length } = this.#tail;
    const kept = chunk.length > length ? chunk.subarray(chunk.length - length) : chunk;
    const at = (this.#tailEnd + chunk.length - kept.length) % length;
    const first = Math.min(kept.length, length - at);
    kept.copy(this.#tail, at, 0, first);
    kept.copy(this.#tail, 0, first);
    this.#tailEnd = (at + kept.length) % length;
  }
}

/** Drops a character whose last bytes were cut off. */
function wholeCharactersOf(bytes: Buffer): string {
  let start = bytes.length;
  while (start > 0 && bytes.length - start < 4 && ((bytes[start - 1] as number) & 0xc0) === 0x80) start -= 1;
  const lead = bytes[start - 1] ?? 0;
  const wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  const isCut = wanted > 1 && bytes.length - start + 1 < wanted;
  return bytes.toString('utf8', 0, isCut ? start - 1 : bytes.length);
}
