/**
 * A payload as it is stored and handed over: compact JSON bytes (white space outside strings removed; key order
 * and the spelling of numbers as in the file) with their SHA-256. Taken once, at admission; every later hand-off
 * compares bytes with hash.
 */
export interface Snapshot {
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`, 32 bytes. */
  readonly hash: Buffer;
}

let loadedCrypto: typeof import('node:crypto') | undefined;

/** Loaded for the first hash: `dogged status` seldom takes one, and loading it costs a twentieth of the start of Node. */
function crypto(): typeof import('node:crypto') {
  loadedCrypto ??= process.getBuiltinModule('node:crypto');
  return loadedCrypto;
}

export function sha256(bytes: Uint8Array | string): Buffer {
  // By way of text into the pool: half the time of a buffer from the native side, each of which is memory of its own.
  return Buffer.from(crypto().hash('sha256', bytes, 'binary'), 'binary');
}

/** `compact` must already be compact JSON: see `compactJson`. The bytes are copied, so nobody can change them later. */
export function takeSnapshot(compact: Uint8Array): Snapshot {
  const bytes = Buffer.from(compact);
  return { bytes, hash: sha256(bytes) };
}

/** Asked of every payload before it is written and before it runs: as text, without a buffer for each answer. */
export function isIntact({ bytes, hash }: Snapshot): boolean {
  return crypto().hash('sha256', bytes, 'binary') === hash.toString('latin1');
}

/** First 16 bytes of the SHA-256: the form in which keys and versions stand in the ledger (57 MB a million rows). */
export const LEDGER_HASH_BYTES = 16;

export function ledgerHash(value: Uint8Array | string): Buffer {
  return sha256(value).subarray(0, LEDGER_HASH_BYTES);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Removes the white space outside strings from JSON text that is known to be valid, byte by byte. Never parses and
 * prints again: that would change 1.0 into 1 and lose digits beyond 2^53.
 */
export function compactJson(json: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(json.length);
  const end = json.length;
  let length = 0;
  for (let i = 0; i < end; ) {
    const byte = json[i++] as number;
    if (byte <= 0x20) continue;
    out[length++] = byte;
    if (byte !== QUOTE) continue;
    // A loop of its own for what most bytes are: half as fast again as one loop that remembers where it is.
    while (i < end) {
      const inside = json[i++] as number;
      out[length++] = inside;
      if (inside === QUOTE) break;
      if (inside === BACKSLASH && i < end) out[length++] = json[i++] as number;
    }
  }
  return out.subarray(0, length);
}

/** SHA-256 over several parts, for hashes that are built up as records pass by. */
export function sha256Of(parts: Iterable<Uint8Array>): Buffer {
  const digest = crypto().createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest();
}
