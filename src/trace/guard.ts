import type { Snapshot } from '../job/snapshot.js';
import type { Sealable } from './seal.js';

export type Guarded = Sealable & { readonly payload: Snapshot };

/**
 * Tells cheaply that payloads are what they were when they were normalised: by a copy. Node puts small buffers side by side
 * into one piece of memory, so that few long copies do for many payloads and their hashes: a tenth of the price of a checksum for each.
 * Other buffers may stand between: a difference says that it must be looked at closely, and no more.
 */
export interface Guard {
  readonly records: readonly Guarded[];
  readonly stretches: readonly Stretch[];
}

interface Stretch {
  readonly memory: Buffer;
  readonly copy: Buffer;
}

export function guardOf(records: readonly Guarded[]): Guard {
  const stretches: Stretch[] = [];
  let memory: ArrayBufferLike | null = null;
  let start = 0;
  let end = 0;
  const close = () => {
    if (memory === null) return;
    const found = Buffer.from(memory, start, end - start);
    stretches.push({ memory: found, copy: Buffer.from(found) });
  };
  for (const { payload } of records) {
    const { buffer, byteOffset, length } = payload.bytes;
    if (memory !== buffer || byteOffset < end) {
      close();
      memory = buffer;
      start = byteOffset;
    }
    end = byteOffset + length;
  }
  close();
  return { records, stretches };
}

export function joinGuards(guards: readonly Guard[]): Guard {
  const [only] = guards;
  if (only !== undefined && guards.length === 1) return only;
  return {
    records: guards.flatMap(({ records }) => records),
    stretches: guards.flatMap(({ stretches }) => stretches),
  };
}

/** Whether these are the guarded records, all of them in their order, with payloads that nobody has touched. */
export function isUntouched({ records, stretches }: Guard, given: readonly Guarded[]): boolean {
  if (given.length !== records.length) return false;
  for (let n = 0; n < records.length; n += 1) if (!isSame(records[n], given[n])) return false;
  for (const { memory, copy } of stretches) if (!memory.equals(copy)) return false;
  return true;
}

/** By identity: a copy may be right as well, and is then looked at closely. */
export function isSame(one: Guarded | undefined, other: Guarded | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  if (one.payload !== other.payload || one.version !== other.version) return false;
  return one.occurrenceIn !== null || one.key === other.key;
}
