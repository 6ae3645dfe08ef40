import type { LogFormat } from './cursor.js';
import { skipSpace } from './json-scanner.js';
import { bomLength } from './window.js';

const OPEN_ARRAY = 0x5b;

/** Told by the first byte of a document that is not white space; null while there is none. */
export function formatOf(beginning: Buffer): LogFormat | null {
  const at = skipSpace(beginning, bomLength(beginning));
  if (at === beginning.length) return null;
  return beginning[at] === OPEN_ARRAY ? 'array' : 'ndjson';
}
