import { isJsonSpace, skipSpace, ValueScanner } from './json-scanner.js';

/**
 * A place in a JSON value: a field name as it is, or a JSON pointer (RFC 6901) when it begins with `/`.
 */
export function fieldPath(field: string): readonly string[] {
  if (!field.startsWith('/')) return [field];
  return field
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What stands at a path, or undefined. Looks at own properties only. */
export function fieldValue(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

/**
 * The text of the value at a path, spelled as in the file: a number beyond 2^53 would lose digits when parsed. `json` is
 * valid JSON; of fields with the same name the last counts, as for `JSON.parse`. null when there is none.
 */
export function fieldText(json: Buffer, path: readonly string[]): string | null {
  let at = skipSpace(json, 0);
  for (const part of path) {
    const next = json[at] === OPEN_OBJECT ? findMember(json, at, part) : findItem(json, at, part);
    if (next === -1) return null;
    at = next;
  }
  return json.toString('utf8', at, endOfValue(json, at));
}

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

const scanner = new ValueScanner();

function endOfValue(json: Buffer, at: number): number {
  scanner.begin();
  const end = scanner.scan(json, at);
  return end === -1 ? json.length : end;
}

function findMember(json: Buffer, object: number, name: string): number {
  let found = -1;
  let at = skipSpace(json, object + 1);
  while (at < json.length && json[at] !== CLOSE_OBJECT) {
    const nameEnd = endOfValue(json, at);
    const value = skipSpace(json, skipSpace(json, nameEnd) + 1);
    if (JSON.parse(json.toString('utf8', at, nameEnd)) === name) found = value;
    at = afterSeparator(json, endOfValue(json, value));
  }
  return found;
}

function findItem(json: Buffer, array: number, index: string): number {
  if (json[array] !== OPEN_ARRAY || !/^(0|[1-9]\d*)$/.test(index)) return -1;
  let at = skipSpace(json, array + 1);
  for (let n = Number(index); at < json.length && json[at] !== CLOSE_ARRAY; n -= 1) {
    if (n === 0) return at;
    at = afterSeparator(json, endOfValue(json, at));
  }
  return -1;
}

/** Stands at the next value or at the closing bracket. */
function afterSeparator(json: Buffer, at: number): number {
  let i = at;
  while (isJsonSpace(json[i]) || json[i] === 0x2c) i += 1;
  return i;
}
