import type { FileAccess } from './file-access.js';
import { type FileName, fileName } from './file-names.js';
import { type Moment, type RacyRule, type Sighting, sameStamp, sight, stampOf } from './stamp.js';

/** A folder's time stamp may miss a change on some file systems: it is listed this often in any case. */
const LIST_EVERY_MS = 60_000;
/** Names looked at before the loop turns: about 2 ms. */
const NAMES_A_SLICE = 2_000;

/** Lists a folder when it may hold other names than last time. */
export class FolderListing {
  readonly #folder: string;
  readonly #files: FileAccess;
  readonly #isWanted: (name: string) => boolean;
  readonly #rule: () => RacyRule;
  #sighting: Sighting | null = null;
  #listedAtMs = 0;

  constructor(folder: string, files: FileAccess, isWanted: (name: string) => boolean, rule: () => RacyRule) {
    this.#folder = folder;
    this.#files = files;
    this.#isWanted = isWanted;
    this.#rule = rule;
  }

  /** The device that the folder is on now; null before the first listing. */
  get dev(): bigint | null {
    return this.#sighting?.stamp.dev ?? null;
  }

  forget(): void {
    this.#sighting = null;
  }

  /**
   * Hands each wanted name to `onName`; false when a list would be the same as last time. Throws the file system's error:
   * what was handed over until then is not the whole.
   */
  *list(at: Moment, onName: (name: FileName) => void): Generator<void, boolean> {
    // The folder itself may be a link: its user has named it.
    const stamp = stampOf(this.#files.stat(this.#folder));
    const known = this.#sighting;
    const isSame = known !== null && sameStamp(known.stamp, stamp) && !known.racy;
    if (isSame && at.monotonicMs - this.#listedAtMs < LIST_EVERY_MS) return false;

    const folder = this.#files.list(this.#folder);
    try {
      let looked = 0;
      for (let name = folder.next(); name !== null; name = folder.next()) {
        const file = fileName(name);
        if (this.#isWanted(file.text)) onName(file);
        looked += 1;
        if (looked % NAMES_A_SLICE === 0) yield;
      }
    } finally {
      folder.close();
    }
    this.#sighting = sight(known, stamp, at, this.#rule());
    this.#listedAtMs = at.monotonicMs;
    return true;
  }
}
