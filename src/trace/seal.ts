/*
 * What a record is while it is handed on: its key, its version and the SHA-256 of its payload, as bytes. Taken when it has been
 * normalised, and compared with what is taken anew at each later hand-off.
 */

/** As much of a record as is sealed. */
export interface Sealable {
  readonly key: string;
  /** Not null for a record that has no key of its own: the store numbers its repetitions, so its key is no part of the seal. */
  readonly occurrenceIn: number | null;
  readonly version: { readonly hash: Buffer };
  readonly payload: { readonly hash: Buffer };
}

/** Records one after the other; record `n` ends where `ends[n]` says. */
export interface Seal {
  readonly stream: Buffer;
  readonly ends: readonly number[];
}

export const NO_SEAL: Seal = { stream: Buffer.alloc(0), ends: [] };

/** Of UTF-8, for one UTF-16 unit. */
const MOST_BYTES_A_UNIT = 3;

export function sealOf(records: readonly Sealable[]): Seal {
  let room = 0;
  for (const { key, version, payload } of records) {
    room += key.length * MOST_BYTES_A_UNIT + version.hash.length + payload.hash.length;
  }
  const stream = Buffer.allocUnsafe(room);
  const ends: number[] = [];
  let at = 0;
  for (const { key, occurrenceIn, version, payload } of records) {
    if (occurrenceIn === null) at += stream.write(key, at);
    stream.set(version.hash, at);
    at += version.hash.length;
    stream.set(payload.hash, at);
    at += payload.hash.length;
    ends.push(at);
  }
  return { stream: stream.subarray(0, at), ends };
}

export function sealedPart({ stream, ends }: Seal, n: number): Buffer {
  return stream.subarray(ends[n - 1] ?? 0, ends[n]);
}

/** Of the `count` records for which `isWanted` says so. All of them are the same seal: that is the common case, and costs nothing. */
export function sealOfSome(seal: Seal, isWanted: (n: number) => boolean, count: number): Seal {
  if (count === seal.ends.length) return seal;
  const parts: Buffer[] = [];
  for (let n = 0; n < seal.ends.length; n += 1) if (isWanted(n)) parts.push(sealedPart(seal, n));
  return sealOfParts(parts);
}

export function joinSeals(seals: readonly Seal[]): Seal {
  const [only] = seals;
  if (only !== undefined && seals.length === 1) return only;
  const ends: number[] = [];
  let at = 0;
  for (const seal of seals) {
    for (const end of seal.ends) ends.push(at + end);
    at += seal.stream.length;
  }
  return { stream: Buffer.concat(seals.map(({ stream }) => stream)), ends };
}

export function sealOfParts(parts: readonly Buffer[]): Seal {
  let at = 0;
  const ends = parts.map((part) => {
    at += part.length;
    return at;
  });
  return { stream: Buffer.concat(parts), ends };
}
