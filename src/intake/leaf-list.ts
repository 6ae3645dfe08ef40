import { createHash, type Hash } from 'node:crypto';
import { sha256 } from '../job/snapshot.js';
import { LEAF_BYTES } from './fingerprint.js';

/**
 * What a document held when it was scanned, leaf by leaf: a later reading takes only bytes that are still the same. Lives
 * for one or two polls, so it may keep every leaf (10 GB: 1.3 MB).
 */
export class LeafList {
  readonly #former: LeafList | null;
  readonly #digests: Buffer[] = [];
  #rest: Hash = createHash('sha256');
  #length = 0;
  #differs = false;

  /** `former`: an earlier list, to find out on the way whether this document still begins with that one. */
  constructor(former: LeafList | null = null) {
    this.#former = former;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * True when there was a former document and it stands unchanged at the beginning of this one. Everything begins with an
   * empty one: that proves nothing, unless this one is empty too.
   */
  get beginsWithFormer(): boolean {
    if (this.#former === null || this.#differs) return false;
    return this.#former.#length === 0 ? this.#length === 0 : this.#length >= this.#former.#length;
  }

  /** Takes in the bytes that follow. */
  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + this.#room());
      this.#rest.update(part);
      this.#length += part.length;
      at += part.length;
      if (this.#former !== null && this.#length === this.#former.length) this.#compareRest(this.#former);
      if (this.#length % LEAF_BYTES !== 0) continue;
      const digest = this.#rest.digest();
      const former = this.#former === null ? undefined : this.#former.#digests[this.#digests.length];
      if (former !== undefined && !digest.equals(former)) this.#differs = true;
      this.#digests.push(digest);
      this.#rest = createHash('sha256');
    }
  }

  /** Up to the end of the leaf, or to where the former document ended. */
  #room(): number {
    const room = LEAF_BYTES - (this.#length % LEAF_BYTES);
    const toFormer = (this.#former?.length ?? 0) - this.#length;
    return toFormer > 0 ? Math.min(room, toFormer) : room;
  }

  #compareRest(former: LeafList): void {
    if (this.#length % LEAF_BYTES === 0) return;
    if (!this.#rest.copy().digest().equals(former.#rest.copy().digest())) this.#differs = true;
  }

  /** Whether these bytes stood at `position`, the beginning of a leaf. They must end with a leaf or with the list. */
  matches(position: number, bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length; at += LEAF_BYTES) {
      const expected = this.#digests[(position + at) / LEAF_BYTES] ?? this.#rest.copy().digest();
      if (!sha256(bytes.subarray(at, at + LEAF_BYTES)).equals(expected)) return false;
    }
    return true;
  }
}
