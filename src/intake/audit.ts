import type { FileAccess } from './file-access.js';
import { BlockDigest, digestOf, type Fingerprint, LEAF_BYTES } from './fingerprint.js';

/** About 8 MiB a second: under 1 % of a core where SHA-256 has its own instructions. */
const AUDIT_BYTES_PER_MS = (8 * 1024 * 1024) / 1000;
/** A slice of reading and hashing that keeps the loop for about a millisecond. */
const SLICE_BYTES = 4 * LEAF_BYTES;
/** Saved-up budget never exceeds this, so a long sleep is not followed by a long burst. */
const MOST_SAVED_BYTES = 32 * 1024 * 1024;

export type AuditVerdict = 'same' | 'changed';

/**
 * Compares the consumed part of a log with its block hashes, in the background. Head and tail alone are not enough: a
 * writer can change the middle and append at once. Every change of the file makes one full round due; while the file
 * keeps changing the rounds go on without starting over.
 */
export class Audit {
  #leaf: number;
  #leavesDue = 0;
  #budgetBytes = LEAF_BYTES;
  #lastMs: number;
  /** Leaves of the current block that have passed. */
  #block: { firstLeaf: number; leaves: number; digest: BlockDigest } | null = null;

  constructor(startLeaf: number, nowMs: number) {
    this.#leaf = startLeaf;
    this.#lastMs = nowMs;
  }

  /** Where a later process should go on. */
  get position(): number {
    return this.#leaf;
  }

  get isDue(): boolean {
    // A block that was begun is always finished: half of one proves nothing.
    return this.#leavesDue > 0 || this.#block !== null;
  }

  /** The file has changed: everything that was consumed is to be looked at once. */
  demand(print: Fingerprint): void {
    this.#leavesDue = print.length === 0 ? 0 : print.leaves + 1;
  }

  /** Goes on as far as the budget allows, one slice for each `yield`. */
  run(files: FileAccess, fd: number, print: Fingerprint, nowMs: number): Generator<void, AuditVerdict> {
    this.#earn(nowMs);
    return this.#check(files, fd, print, () => this.#budgetBytes > 0);
  }

  /** Looks at everything at once, for a file that will not be looked at again. */
  runWhole(files: FileAccess, fd: number, print: Fingerprint): Generator<void, AuditVerdict> {
    this.demand(print);
    return this.#check(files, fd, print, () => true);
  }

  *#check(
    files: FileAccess,
    fd: number,
    print: Fingerprint,
    mayGoOn: () => boolean,
  ): Generator<void, AuditVerdict> {
    const buffer = Buffer.allocUnsafe(LEAF_BYTES);
    let slice = SLICE_BYTES;
    while (this.isDue && mayGoOn()) {
      if (!this.#checkLeaf(files, fd, print, buffer)) return 'changed';
      slice -= LEAF_BYTES;
      if (slice > 0) continue;
      slice = SLICE_BYTES;
      yield;
    }
    return 'same';
  }

  #earn(nowMs: number): void {
    const earned = (nowMs - this.#lastMs) * AUDIT_BYTES_PER_MS;
    this.#lastMs = nowMs;
    this.#budgetBytes = Math.min(MOST_SAVED_BYTES, this.#budgetBytes + earned);
  }

  #checkLeaf(files: FileAccess, fd: number, print: Fingerprint, buffer: Buffer): boolean {
    if (this.#leaf > print.leaves) this.#leaf = 0;
    const position = this.#leaf * LEAF_BYTES;
    const length = Math.min(LEAF_BYTES, print.length - position);
    const bytes = buffer.subarray(0, files.read(fd, buffer, length, position));
    this.#budgetBytes -= Math.max(length, 1);
    this.#leavesDue -= 1;
    const block = print.blockAt(this.#leaf);
    if (block === null) {
      this.#block = null;
      this.#leaf = 0;
      return digestOf(bytes).equals(print.restDigest());
    }
    if (this.#block?.firstLeaf !== block.firstLeaf || this.#block.leaves !== block.leaves) {
      // Blocks were joined meanwhile, or a former process stopped in the middle of one: begin this block again.
      if (this.#leaf !== block.firstLeaf) {
        this.#leavesDue += this.#leaf - block.firstLeaf + 1;
        this.#leaf = block.firstLeaf;
        this.#block = null;
        return true;
      }
      this.#block = { firstLeaf: block.firstLeaf, leaves: block.leaves, digest: new BlockDigest() };
    }
    this.#block.digest.addLeaf(bytes);
    this.#leaf += 1;
    if (this.#leaf < block.firstLeaf + block.leaves) return true;
    const verified = this.#block.digest.equals(block.digest);
    this.#block = null;
    return verified;
  }
}
