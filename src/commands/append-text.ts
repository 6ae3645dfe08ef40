import { compactJson } from '../job/snapshot.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);
const COMMA = 0x2c;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The text of a valid JSON array with one more element at its end. Every byte that was there stays, and the new element
 * is set off as the first one is: on a line of its own where that one is, with the same indent.
 */
export function addToArray(array: Buffer, record: Buffer): Buffer {
  const open = array.indexOf('[');
  const close = array.lastIndexOf(']');
  const firstAt = skipSpace(array, open + 1);
  if (firstAt === close) {
    return Buffer.concat([
      array.subarray(0, open + 1),
      Buffer.from('\n'),
      record,
      Buffer.from('\n'),
      array.subarray(close),
    ]);
  }
  let end = close;
  while (isSpace(array[end - 1])) end -= 1;
  const gap = array.subarray(open + 1, firstAt);
  return Buffer.concat([array.subarray(0, end), Buffer.from(','), gap, record, array.subarray(end)]);
}

/** Whether an element of this valid array has exactly these compact bytes. */
export function arrayHolds(array: Buffer, record: Buffer): boolean {
  for (const element of elements(compactJson(withoutBom(array)))) {
    if (record.equals(element)) return true;
  }
  return false;
}

/** Whether a line of these JSON lines has exactly these compact bytes. */
export function linesHold(lines: Buffer, record: Buffer): boolean {
  const text = withoutBom(lines);
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    const line = text.subarray(start, end < 0 ? text.length : end);
    if (record.equals(compactJson(line))) return true;
    start += line.length + 1;
  }
  return false;
}

/** The elements of a compact array, found by counting brackets outside strings. */
function* elements(array: Buffer): Iterable<Buffer> {
  let depth = 0;
  let inString = false;
  let start = 1;
  for (let i = 0; i < array.length; i += 1) {
    const byte = array[i] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (OPENING.has(byte)) {
      depth += 1;
    } else if (CLOSING.has(byte)) {
      depth -= 1;
      if (depth === 0) yield array.subarray(start, i);
    } else if (byte === COMMA && depth === 1) {
      yield array.subarray(start, i);
      start = i + 1;
    }
  }
}

export function withoutBom(text: Buffer): Buffer {
  return text.subarray(0, 3).equals(BOM) ? text.subarray(3) : text;
}

function skipSpace(text: Buffer, from: number): number {
  let at = from;
  while (isSpace(text[at])) at += 1;
  return at;
}

export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
