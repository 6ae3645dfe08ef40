import { createHash } from 'node:crypto';
import { type Refusal, refuse } from './refusal.js';

/** A record on which the event loop stood still until the worker was killed. */
export interface HungRecord {
  /** SHA-256 of its bytes as they stood in the file, in hex. */
  readonly digest: string;
  readonly lengthBytes: number;
  /** Where the loop stood, for people. */
  readonly stoodIn: string;
}

/**
 * Refuses what a worker hung on: known by its bytes, wherever they stand now, so that only a changed record is looked at
 * again. Where nothing ever hung it costs one look at an empty map.
 */
export function createHungCheck(hung: readonly HungRecord[]): (bytes: Buffer) => Refusal | null {
  const byLength = new Map<number, readonly HungRecord[]>();
  for (const one of hung) byLength.set(one.lengthBytes, [...(byLength.get(one.lengthBytes) ?? []), one]);
  return (bytes) => {
    const candidates = byLength.get(bytes.length);
    if (candidates === undefined) return null;
    const digest = createHash('sha256').update(bytes).digest('hex');
    const found = candidates.find((one) => one.digest === digest);
    if (found === undefined) return null;
    return refuse(
      'hung',
      `the worker stood still on it, in ${found.stoodIn}`,
      'simplify the patterns in `require` of the source, or change the record; a changed config tries it again',
    );
  };
}
