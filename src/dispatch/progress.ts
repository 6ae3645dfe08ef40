const MARK = Buffer.from('::progress ');
const NEWLINE = 0x0a;
/** A progress line is short: a longer one is not looked for across two reads. */
const LONGEST_LINE_BYTES = 512;

/** A share of the work between 0 and 1, from a number of per cent. null when it is none. */
export function progressFromPercent(percent: unknown): number | null {
  if (typeof percent !== 'number' || !Number.isFinite(percent)) return null;
  return Math.min(1, Math.max(0, percent / 100));
}

/**
 * Finds lines of the form `::progress 40 text` in a stream of bytes, at any place where the reads may cut it.
 * Costs one search for each read, however many lines that holds.
 */
export class ProgressScanner {
  readonly #onProgress: (share: number) => void;
  /** The unfinished line at the end of the last read, while it can still become a progress line. */
  #carry: Buffer = Buffer.alloc(0);
  #carryIsLineStart = true;

  constructor(onProgress: (share: number) => void) {
    this.#onProgress = onProgress;
  }

  push(chunk: Buffer): void {
    const isLineStart = this.#carryIsLineStart;
    const text = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk;
    this.#report(text, isLineStart);

    const lastNewline = text.lastIndexOf(NEWLINE);
    const rest = text.subarray(lastNewline + 1);
    const restIsLineStart = lastNewline >= 0 || isLineStart;
    const fits = restIsLineStart && rest.length <= LONGEST_LINE_BYTES;
    this.#carry = fits ? Buffer.from(rest) : Buffer.alloc(0);
    this.#carryIsLineStart = fits;
  }

  /** Only the newest of a read counts. */
  #report(text: Buffer, isLineStart: boolean): void {
    for (let at = text.lastIndexOf(MARK); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(MARK, at - 1)) {
      const atLineStart = at === 0 ? isLineStart : text[at - 1] === NEWLINE;
      const end = text.indexOf(NEWLINE, at);
      if (!atLineStart || end < 0) continue;
      const percent = Number.parseFloat(text.toString('latin1', at + MARK.length, end));
      const share = progressFromPercent(percent);
      if (share === null) continue;
      this.#onProgress(share);
      return;
    }
  }
}
