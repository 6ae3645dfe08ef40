/*
 * Finds where JSON values end in bytes, without parsing them: strings, escapes and depth are all that matters for that.
 * Whether a value is valid is left to `JSON.parse` of its slice. See docs/decisions/0002-own-json-scanner.md.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const ORDINARY = 0;
const STRING = 1;
const OPEN = 2;
const CLOSE = 3;
const SPACE = 4;
const COMMA = 5;

/** What each byte means outside strings. */
const CLASS = new Uint8Array(256);
CLASS[QUOTE] = STRING;
for (const open of '[{') CLASS[open.charCodeAt(0)] = OPEN;
for (const close of ']}') CLASS[close.charCodeAt(0)] = CLOSE;
for (const space of ' \t\r\n') CLASS[space.charCodeAt(0)] = SPACE;
CLASS[0x2c] = COMMA;

export function isJsonSpace(byte: number | undefined): boolean {
  return byte !== undefined && CLASS[byte] === SPACE;
}

/** First position from `at` that holds no white space; the length of `bytes` when there is none. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let i = at;
  while (i < bytes.length && CLASS[bytes[i] as number] === SPACE) i += 1;
  return i;
}

/** Below this many bytes a loop finds the closing quote sooner than the call to native code. */
const SHORT_STRING = 32;

/**
 * Scans one value that may arrive in pieces, split at any byte. Keeps no bytes: a value of any size costs the same memory.
 * After `begin()`, hand it the pieces in order; it says where the value ends.
 */
export class ValueScanner {
  /** Deepest nesting so far; 0 for a bare scalar. */
  maxDepth = 0;
  /** Whether white space stands outside strings: if not, the bytes are already compact. */
  hasSpace = false;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #inScalar = false;

  begin(): void {
    this.maxDepth = 0;
    this.hasSpace = false;
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#inScalar = false;
  }

  /**
   * Returns the position after the value's last byte, or -1 when it does not end in `bytes`. The first byte of the value
   * must not be white space. A number or a word ends only before a delimiter: at the end of the bytes it may go on.
   * Brackets are counted, not matched; a value that begins with a closing bracket or a comma is empty.
   */
  scan(bytes: Buffer, from: number): number {
    const to = bytes.length;
    let i = from;
    let depth = this.#depth;
    let maxDepth = this.maxDepth;
    let hasSpace = this.hasSpace;
    if (this.#inString) {
      i = this.#endOfString(bytes, i);
      if (i === -1) return -1;
      if (depth === 0) return i;
    }
    while (i < to) {
      const kind = CLASS[bytes[i] as number];
      if (kind === ORDINARY) {
        i += 1;
        if (depth === 0) this.#inScalar = true;
      } else if (this.#inScalar && depth === 0) {
        return i;
      } else if (kind === STRING) {
        i = this.#endOfNewString(bytes, i + 1);
        if (i === -1) break;
        if (depth === 0) return i;
      } else if (kind === OPEN) {
        depth += 1;
        if (depth > maxDepth) maxDepth = depth;
        i += 1;
      } else if (kind === SPACE) {
        hasSpace = true;
        i += 1;
      } else if (depth === 0) {
        return i;
      } else {
        i += 1;
        if (kind === CLOSE) {
          depth -= 1;
          if (depth === 0) {
            this.maxDepth = maxDepth;
            this.hasSpace = hasSpace;
            return i;
          }
        }
      }
    }
    this.#depth = depth;
    this.maxDepth = maxDepth;
    this.hasSpace = hasSpace;
    return -1;
  }

  /** `from` stands after an opening quote; returns the position after the closing one, or -1. */
  #endOfNewString(bytes: Buffer, from: number): number {
    const near = Math.min(bytes.length, from + SHORT_STRING);
    let i = from;
    while (i < near) {
      const byte = bytes[i];
      i += 1;
      if (byte === QUOTE) return i;
      if (byte === BACKSLASH) i += 1;
    }
    this.#inString = true;
    // Past the end when the last byte was a backslash: what it escapes is in the next piece.
    this.#escaped = i > bytes.length;
    return this.#escaped ? -1 : this.#endOfString(bytes, i);
  }

  /** `from` stands inside a string; returns the position after its closing quote, or -1. */
  #endOfString(bytes: Buffer, from: number): number {
    const to = bytes.length;
    if (from === to) return -1;
    let i = from;
    if (this.#escaped) {
      this.#escaped = false;
      i += 1;
    }
    for (let quote = i; ; ) {
      quote = bytes.indexOf(QUOTE, quote);
      const end = quote === -1 ? to : quote;
      let first = end;
      while (first > i && bytes[first - 1] === BACKSLASH) first -= 1;
      const escaped = ((end - first) & 1) === 1;
      if (quote === -1) {
        this.#escaped = escaped;
        return -1;
      }
      if (!escaped) {
        this.#inString = false;
        return quote + 1;
      }
      quote += 1;
    }
  }
}
