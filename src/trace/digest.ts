/*
 * How a set of records is told in 8 characters: the CRC-32 of what `seal.ts` makes of them, one after the other. Of 32 bits no
 * hash tells more, and this one goes on from where it stood: docs/decisions/0016-a-trace-of-every-hand-off.md.
 */

export interface Digest {
  readonly count: number;
  readonly crc: number;
}

export const NOTHING: Digest = { count: 0, crc: 0 };

let crc32: typeof import('node:zlib').crc32 | undefined;

/** `count` more records, whose seal is `stream`. */
export function extendDigest({ count, crc }: Digest, stream: Uint8Array, more: number): Digest {
  // Loaded for the first one: a short command seldom takes any.
  crc32 ??= process.getBuiltinModule('node:zlib').crc32;
  return { count: count + more, crc: more === 0 ? crc : crc32(stream, crc) };
}

/** As people and scripts see it. */
export function digestText({ count, crc }: Digest): string {
  return count === 0 ? 'empty' : crc.toString(16).padStart(8, '0');
}
