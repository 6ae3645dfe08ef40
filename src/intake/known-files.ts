import type { BigIntStats } from 'node:fs';
import type { Stamp } from './stamp.js';

/** What is remembered of a file of which nothing is expected: under this stamp its content was taken or rejected. */
export interface FileMemory {
  readonly stamp: Stamp;
  /** Short digest of the content, as in its cursor: base64 of 12 bytes. */
  readonly digest: string;
  /** Every record of it was admitted. */
  readonly whole: boolean;
}

const STAMP_PARTS = 5;
const DIGEST_BYTES = 12;
const FIRST_CAPACITY = 1_024;

const REMEMBERED = 1;
const WHOLE = 2;
const DOUBTED = 4;

/**
 * The files of a folder, by path. Packed, since there may be 100,000 of them of which nothing is heard for years: 80 bytes
 * for each beside its path, where objects take 400. A slot is the place of one file until it is forgotten.
 */
export class KnownFiles {
  readonly #slots = new Map<string, number>();
  #paths: (string | undefined)[] = [];
  #free: number[] = [];
  #stamps = new BigInt64Array(FIRST_CAPACITY * STAMP_PARTS);
  #digests = Buffer.alloc(FIRST_CAPACITY * DIGEST_BYTES);
  #flags = new Uint8Array(FIRST_CAPACITY);
  /** The last listing that had it, and the last poll that looked at it. */
  #listedIn = new Uint32Array(FIRST_CAPACITY);
  #lookedIn = new Uint32Array(FIRST_CAPACITY);

  clear(): void {
    this.#slots.clear();
    this.#paths = [];
    this.#free = [];
  }

  get size(): number {
    return this.#slots.size;
  }

  /** All slots are below this; `pathAt` is undefined for those that are free. */
  get slotsEnd(): number {
    return this.#paths.length;
  }

  slotOf(path: string): number | undefined {
    return this.#slots.get(path);
  }

  pathAt(slot: number): string | undefined {
    return this.#paths[slot];
  }

  /** Gives a path a slot in which nothing is remembered; one that has a slot keeps it as it is. */
  add(path: string): number {
    const known = this.#slots.get(path);
    // A listing may name a file twice, when it is renamed meanwhile.
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.#paths.length;
    if (slot === this.#flags.length) this.#grow();
    this.#paths[slot] = path;
    this.#slots.set(path, slot);
    this.#flags[slot] = 0;
    this.#listedIn[slot] = 0;
    this.#lookedIn[slot] = 0;
    return slot;
  }

  forget(path: string): void {
    const slot = this.#slots.get(path);
    if (slot === undefined) return;
    this.#slots.delete(path);
    this.#paths[slot] = undefined;
    this.#free.push(slot);
  }

  remember(slot: number, { stamp, digest, whole }: FileMemory): void {
    const at = slot * STAMP_PARTS;
    this.#stamps[at] = stamp.dev;
    this.#stamps[at + 1] = stamp.ino;
    this.#stamps[at + 2] = stamp.size;
    this.#stamps[at + 3] = stamp.mtimeNs;
    this.#stamps[at + 4] = stamp.ctimeNs;
    this.#digests.write(digest, slot * DIGEST_BYTES, DIGEST_BYTES, 'base64');
    this.#flags[slot] = whole ? REMEMBERED | WHOLE : REMEMBERED;
  }

  /** Its stamp proves nothing any more, until it is remembered anew. */
  doubt(slot: number): void {
    this.#flags[slot] = (this.#flags[slot] ?? 0) | DOUBTED;
  }

  doubtAll(): void {
    for (let slot = 0; slot < this.slotsEnd; slot += 1) this.doubt(slot);
  }

  isDoubted(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & DOUBTED) !== 0;
  }

  recall(slot: number): FileMemory | null {
    const flags = this.#flags[slot] ?? 0;
    if ((flags & REMEMBERED) === 0) return null;
    const [dev = 0n, ino = 0n, size = 0n, mtimeNs = 0n, ctimeNs = 0n] = this.#stamps.subarray(
      slot * STAMP_PARTS,
      (slot + 1) * STAMP_PARTS,
    );
    return {
      stamp: { dev, ino, size, mtimeNs, ctimeNs },
      digest: this.#digests.toString('base64', slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES),
      whole: (flags & WHOLE) !== 0,
    };
  }

  /** Whether this is the remembered stamp, and proves that the content is what it was. */
  isAt(slot: number, stats: BigIntStats): boolean {
    const at = slot * STAMP_PARTS;
    return (
      ((this.#flags[slot] ?? 0) & (REMEMBERED | DOUBTED)) === REMEMBERED &&
      this.#stamps[at + 4] === stats.ctimeNs &&
      this.#stamps[at + 3] === stats.mtimeNs &&
      this.#stamps[at + 2] === stats.size &&
      this.#stamps[at + 1] === stats.ino &&
      this.#stamps[at] === stats.dev
    );
  }

  markListed(slot: number, listing: number): void {
    this.#listedIn[slot] = listing;
  }

  isListed(slot: number, listing: number): boolean {
    return this.#listedIn[slot] === listing;
  }

  /** False when this poll has looked at it already. */
  claimLook(slot: number, poll: number): boolean {
    if (this.#lookedIn[slot] === poll) return false;
    this.#lookedIn[slot] = poll;
    return true;
  }

  #grow(): void {
    const capacity = this.#flags.length * 2;
    this.#stamps = grown(this.#stamps, new BigInt64Array(capacity * STAMP_PARTS));
    this.#digests = grown(this.#digests, Buffer.alloc(capacity * DIGEST_BYTES));
    this.#flags = grown(this.#flags, new Uint8Array(capacity));
    this.#listedIn = grown(this.#listedIn, new Uint32Array(capacity));
    this.#lookedIn = grown(this.#lookedIn, new Uint32Array(capacity));
  }
}

function grown<T extends { set(from: T): void }>(from: T, into: T): T {
  into.set(from);
  return into;
}
