import { isJsonSpace, skipSpace, ValueScanner } from './json-scanner.js';

const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;

export type ArrayStep =
  /** `start` to `end` holds the next element. */
  | 'element'
  /** The array goes on past these bytes. When it stands inside an element, `start` is its first byte, else -1. */
  | 'more'
  /** The closing bracket was found; `end` stands after it. */
  | 'closed'
  /** `start` holds something that cannot stand there. */
  | 'broken';

/** Walks over the elements of one array whose bytes arrive in windows that begin at the cursor. */
export class ArrayWalk {
  start = -1;
  end = -1;
  readonly scanner = new ValueScanner();
  /** False while the cursor stands before the opening bracket. */
  #inside: boolean;

  constructor(inside: boolean) {
    this.#inside = inside;
  }

  /** Looks for the next element from `at`, where the last one ended. Moves on to it only when it is there as a whole. */
  step(bytes: Buffer, at: number): ArrayStep {
    this.start = -1;
    let i = skipSpace(bytes, at);
    if (i === bytes.length) return 'more';
    if (!this.#inside) {
      if (bytes[i] !== OPEN_ARRAY) return this.#broken(i);
      i = skipSpace(bytes, i + 1);
      if (i === bytes.length) return 'more';
    }
    if (bytes[i] === CLOSE_ARRAY) {
      this.end = i + 1;
      return 'closed';
    }
    if (this.#inside) {
      if (bytes[i] !== COMMA) return this.#broken(i);
      i = skipSpace(bytes, i + 1);
      if (i === bytes.length) return 'more';
    }
    this.start = i;
    this.scanner.begin();
    const end = this.scanner.scan(bytes, i);
    if (end === -1) return 'more';
    if (end === i) return this.#broken(i);
    this.end = end;
    return this.#isBare(bytes[i]) ? this.#bareElement(bytes) : this.#element();
  }

  #element(): ArrayStep {
    this.#inside = true;
    return 'element';
  }

  /** A number followed by white space may be the torn `1` of `12`: only a comma or the bracket ends it for certain. */
  #bareElement(bytes: Buffer): ArrayStep {
    const next = skipSpace(bytes, this.end);
    if (next === bytes.length && isJsonSpace(bytes[this.end])) return 'more';
    return this.#element();
  }

  #isBare(first: number | undefined): boolean {
    return first !== 0x7b && first !== OPEN_ARRAY && first !== 0x22;
  }

  #broken(at: number): ArrayStep {
    this.start = at;
    return 'broken';
  }
}
