import { readFileSync } from 'node:fs';
import type { Check } from './shape.js';

export type StateFile<T> =
  | { readonly status: 'read'; readonly content: T }
  | { readonly status: 'missing' }
  /** There, but not to be trusted. Never taken for a blank one. */
  | { readonly status: 'invalid'; readonly why: string };

/** Reads a small JSON file and checks its shape. Never throws: what it could not read is `invalid`, and says why. */
export function readStateFile<T>(path: string, check: Check): StateFile<T> {
  return parseStateFile(() => readFileSync(path, 'utf8'), check);
}

export function parseStateFile<T>(read: () => string, check: Check): StateFile<T> {
  let content: unknown;
  try {
    content = JSON.parse(read());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { status: 'missing' };
    return { status: 'invalid', why: (error as Error).message };
  }
  const why = check(content, 'it');
  return why === null ? { status: 'read', content: content as T } : { status: 'invalid', why };
}
