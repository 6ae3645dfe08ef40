import { createHash, type Hash } from 'node:crypto';
import { sha256 } from '../job/snapshot.js';
import type { FileAccess } from './file-access.js';

/** Blocks of this size are hashed one by one: the grain in which a changed prefix is found. */
export const LEAF_BYTES = 64 * 1024;
/** How much of the beginning, and of the end at the cursor, is compared before every append. */
export const EDGE_BYTES = 4 * 1024;
/** 64 bits of SHA-256: a chance match is out of the question, and a log of 10 GB keeps its hashes in about 2 KB. */
const DIGEST_BYTES = 8;
/** When there are more blocks than this, pairs are joined: the saved form stays small however long the log. */
const MOST_BLOCKS = 128;

/** The form in which a cursor keeps it. Hashes are base64. */
export interface SavedFingerprint {
  readonly length: number;
  readonly head: string;
  readonly tail: string;
  /** log2 of how many leaves one full block stands for. */
  readonly level: number;
  readonly blocks: string;
  /** Hash of the leaf that is not full yet. */
  readonly rest: string;
}

/** Where edges are read to be compared. */
const EDGE = Buffer.allocUnsafe(EDGE_BYTES);

interface Block {
  readonly level: number;
  readonly digest: Buffer;
}

/**
 * Hashes of the first `length` bytes of a file, extended as bytes are consumed: its head, its tail at the cursor, and
 * a tree of block hashes over everything. Head and tail are compared at every look; the blocks are what an audit compares.
 */
export class Fingerprint {
  #length = 0;
  #head: Buffer = Buffer.alloc(0);
  #tail: Buffer = Buffer.alloc(0);
  /** The head's hash, once it is full and changes no more. */
  #headDigest: string | null = null;
  #rest: Hash = createHash('sha256');
  #blocks: Block[] = [];
  #level = 0;

  get length(): number {
    return this.#length;
  }

  /** Number of full leaves. */
  get leaves(): number {
    return Math.floor(this.#length / LEAF_BYTES);
  }

  /** Takes in the bytes that follow. They are read, not kept. */
  advance(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#head.length < EDGE_BYTES) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, EDGE_BYTES - this.#head.length)]);
    }
    this.#tail =
      bytes.length >= EDGE_BYTES
        ? Buffer.from(bytes.subarray(bytes.length - EDGE_BYTES))
        : Buffer.concat([
            this.#tail.subarray(Math.max(0, this.#tail.length + bytes.length - EDGE_BYTES)),
            bytes,
          ]);
    for (let at = 0; at < bytes.length; ) {
      const room = LEAF_BYTES - (this.#length % LEAF_BYTES);
      const part = bytes.subarray(at, at + room);
      this.#rest.update(part);
      this.#length += part.length;
      at += part.length;
      if (part.length === room) {
        this.#push(this.#rest.digest().subarray(0, DIGEST_BYTES));
        this.#rest = createHash('sha256');
      }
    }
  }

  /** Whether the file still begins with our head, and still holds our tail before the cursor. Reads at most 8 KiB. */
  matchesEdges(files: FileAccess, fd: number): boolean {
    return (
      this.#matchesAt(files, fd, this.#tail, this.#length - this.#tail.length) &&
      // A short prefix is all tail.
      (this.#length <= EDGE_BYTES || this.#matchesAt(files, fd, this.#head, 0))
    );
  }

  save(): SavedFingerprint {
    const head = this.#headDigest ?? digestOf(this.#head).toString('base64');
    if (this.#head.length === EDGE_BYTES) this.#headDigest = head;
    return {
      length: this.#length,
      head,
      tail: digestOf(this.#tail).toString('base64'),
      level: this.#level,
      blocks: Buffer.concat(this.#blocks.map((block) => block.digest)).toString('base64'),
      rest: this.restDigest().toString('base64'),
    };
  }

  /**
   * Takes a saved fingerprint up again. null when the file is shorter, or its head, its tail or its last block are
   * other bytes than those that were saved.
   */
  static restore(saved: SavedFingerprint, files: FileAccess, fd: number): Fingerprint | null {
    const print = new Fingerprint();
    print.#length = saved.length;
    print.#level = saved.level;
    print.#head = readExactly(files, fd, 0, Math.min(EDGE_BYTES, saved.length));
    const tailLength = Math.min(EDGE_BYTES, saved.length);
    print.#tail = readExactly(files, fd, saved.length - tailLength, tailLength);
    const restLength = saved.length % LEAF_BYTES;
    print.#rest.update(readExactly(files, fd, saved.length - restLength, restLength));
    const digests = Buffer.from(saved.blocks, 'base64');
    print.#blocks = levelsOf(print.leaves, saved.level).map((level, i) => ({
      level,
      digest: digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES),
    }));
    const found = print.save();
    return found.head === saved.head && found.tail === saved.tail && found.rest === saved.rest ? print : null;
  }

  /** The block in which a leaf stands, or null for the leaf that is not full yet. */
  blockAt(
    leaf: number,
  ): { readonly firstLeaf: number; readonly leaves: number; readonly digest: Buffer } | null {
    let firstLeaf = 0;
    for (const { level, digest } of this.#blocks) {
      const leaves = 2 ** level;
      if (leaf < firstLeaf + leaves) return { firstLeaf, leaves, digest };
      firstLeaf += leaves;
    }
    return null;
  }

  restDigest(): Buffer {
    return this.#rest.copy().digest().subarray(0, DIGEST_BYTES);
  }

  #matchesAt(files: FileAccess, fd: number, expected: Buffer, position: number): boolean {
    const length = files.read(fd, EDGE, expected.length, position);
    return EDGE.compare(expected, 0, expected.length, 0, length) === 0;
  }

  #push(leaf: Buffer): void {
    pushJoined(this.#blocks, { level: 0, digest: leaf }, this.#level);
    if (this.#blocks.length < MOST_BLOCKS || this.#blocks.at(-1)?.level !== this.#level) return;
    this.#level += 1;
    const joined: Block[] = [];
    for (const block of this.#blocks) pushJoined(joined, block, this.#level);
    this.#blocks = joined;
  }
}

/** Follows one block over its leaves, so that its hash can be compared once all have passed. */
export class BlockDigest {
  #parts: Block[] = [];

  addLeaf(bytes: Buffer): void {
    pushJoined(this.#parts, { level: 0, digest: digestOf(bytes) }, Number.POSITIVE_INFINITY);
  }

  equals(digest: Buffer): boolean {
    return this.#parts.length === 1 && this.#parts[0]?.digest.equals(digest) === true;
  }
}

export function digestOf(bytes: Buffer): Buffer {
  return sha256(bytes).subarray(0, DIGEST_BYTES);
}

/** As a binary counter carries: two neighbours of one level become one of the next, up to `highest`. */
function pushJoined(blocks: Block[], block: Block, highest: number): void {
  let { level, digest } = block;
  while (level < highest && blocks.at(-1)?.level === level) {
    const left = blocks.pop()?.digest ?? digest;
    digest = digestOf(Buffer.concat([left, digest]));
    level += 1;
  }
  blocks.push({ level, digest });
}

/** The levels that `#push` leaves behind after so many leaves. */
function levelsOf(leaves: number, highest: number): number[] {
  const full = 2 ** highest;
  const levels = new Array<number>(Math.floor(leaves / full)).fill(highest);
  for (let level = highest - 1; level >= 0; level -= 1) {
    if (Math.floor(leaves / 2 ** level) % 2 === 1) levels.push(level);
  }
  return levels;
}

function readExactly(files: FileAccess, fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, files.read(fd, bytes, length, position));
}
