import { encodeFirstLook } from './cursor.js';
import type { FileAccess } from './file-access.js';
import type { LogProgress } from './log-progress.js';
import type { LogReading, ReadingParts } from './log-reading.js';
import { findRotation, type Rotation, stampOfAbsent } from './log-rotation.js';
import { NotReadable, type OpenFile, openFile } from './open-file.js';
import { gapReject } from './stale.js';
import {
  type Moment,
  type RacyRule,
  type Sighting,
  type Stamp,
  sameInode,
  sameStamp,
  sight,
} from './stamp.js';
import { PAUSE, pausing, type Step } from './step.js';

/** So often the names are looked at anew when they change while we read: a shift of thirty numbers takes a millisecond. */
const MOST_TRIES = 5;

/** What a log was before: the files that were moved or copied away from its name, and which of them was read last. */
export class LogGenerations {
  /** Stamp of what was read last: a new inode is a new file, the same one was written in place. */
  last: Stamp | null;
  /** What was read last was moved away, and nothing has taken its place yet: it may still be written to. */
  followsMoved = false;
  /** The generation that was read last. */
  #done: Stamp | null = null;
  /** The folder as it was when it was last looked through while no log was there. */
  #folderSighting: Sighting | null = null;
  readonly #files: FileAccess;
  readonly #path: string;
  readonly #isKeyed: boolean;
  readonly #progress: LogProgress;

  constructor(
    { files, path }: Pick<ReadingParts, 'files' | 'path'>,
    isKeyed: boolean,
    progress: LogProgress,
    last: Stamp | null,
  ) {
    this.#files = files;
    this.#path = path;
    this.#isKeyed = isKeyed;
    this.#progress = progress;
    this.last = last;
  }

  /**
   * Nothing of the log was taken, and it is looked at for the first time: what is moved away from now on was never seen, and
   * is told by its time. The store remembers that, too.
   */
  *begin(stamp: Stamp): Generator<Step, void> {
    if (this.last !== null || !this.#progress.isAtStart) return;
    this.last = stamp;
    yield { ...PAUSE, cursors: [{ path: this.#path, body: encodeFirstLook(stamp) }] };
  }

  /** A clock that was set back may give the folder a stamp that it had before. */
  forgetFolder(): void {
    this.#folderSighting = null;
  }

  /** While no log is there: reads what it was, when something may have come into its folder since the last time. */
  *readBeside(folder: Stamp, at: Moment, rule: RacyRule): Generator<Step, void> {
    const known = this.#folderSighting;
    const isSame = known !== null && sameStamp(known.stamp, folder) && !known.racy;
    if (isSame && !this.followsMoved) return;
    if (this.last === null) {
      yield* this.begin(yield* pausing(stampOfAbsent(this.#files, this.#path, folder)));
    } else yield* this.read(null, at);
    this.#folderSighting = sight(known, folder, at, rule);
  }

  /**
   * Reads to its end what this log was before it was rotated. True when `present` follows on that: it holds none of those
   * records over again. `present`: what stands under the log's name, or null.
   */
  *read(present: OpenFile | null, at: Moment): Generator<Step, boolean> {
    for (let n = 0; n < MOST_TRIES; n += 1) {
      const end = yield* this.#tryToRead(present, at);
      if (end !== 'renamed') return end === 'continued';
    }
    throw new NotReadable('it is rotated faster than it can be read', false);
  }

  /** Whether this is the file that was read last: its number alone may have passed to another one at once. */
  isLast({ stamp, bornNs }: OpenFile): boolean {
    return this.last !== null && sameInode(this.last, stamp) && bornNs <= this.last.ctimeNs;
  }

  /**
   * A new file that may well begin like the old one, or the old one that was emptied and begun anew. Where nothing of the old
   * one was taken every file does; without keys it is the old one's being there that tells. `looksBack`: it may have been
   * emptied since we last looked for what it was before.
   */
  *hasTurned(file: OpenFile, looksBack: boolean): Generator<Step, boolean> {
    if (this.last === null) return false;
    const { isEmpty } = this.#progress;
    if (this.isLast(file)) {
      if (!isEmpty && !looksBack) return false;
      const rotation = yield* this.find(file);
      return rotation !== null && (rotation.generations.length > 0 || rotation.gap !== null);
    }
    if (isEmpty) return true;
    return !this.#isKeyed && ((yield* this.find(file))?.isContinued ?? false);
  }

  /** What became of it, without reading it. */
  *find(present: OpenFile | null): Generator<Step, Rotation | null> {
    const { last } = this;
    if (last === null) return null;
    const isSame = present !== null && this.isLast(present);
    const fits = (path: string, isSameInode: boolean) => {
      const file = openFile(this.#files, path);
      try {
        const reading = this.#progress.fitting(file);
        // Everything begins with nothing: only an inode can tell that a file of which nothing was read is the same.
        return reading !== null && (isSameInode || reading.print.length > 0);
      } finally {
        this.#files.close(file.fd);
      }
    };
    return yield* pausing(
      findRotation(
        this.#files,
        this.#path,
        { last, isSame, present: present?.stamp ?? null, done: this.#done },
        fits,
      ),
    );
  }

  *#tryToRead(present: OpenFile | null, at: Moment): Generator<Step, 'renamed' | 'continued' | 'apart'> {
    const { last } = this;
    const rotation = yield* this.find(present);
    if (last === null || rotation === null) return 'apart';
    if (rotation.gap !== null) yield { ...PAUSE, rejects: [gapReject(rotation.gap)] };
    const isFollowed = present !== null && present.sizeBytes > 0;
    // All of it is packed: said once, not with every look until something is written again.
    if (rotation.gap !== null && rotation.generations.length === 0 && !isFollowed)
      this.last = { ...last, ctimeNs: rotation.gap.stamp.mtimeNs + 1n };
    // Nobody has looked at it under its own name, under which nothing stands.
    const wasMoved = rotation.wasMoved || (present === null && !rotation.goesOn);
    for (const [n, { path, stamp }] of rotation.generations.entries()) {
      const file = openFile(this.#files, path);
      try {
        // The next rotation: this name stands for another generation by now.
        if (!sameInode(file.stamp, stamp)) return 'renamed';
        const reading = n === 0 ? yield* this.#firstOf(rotation, file) : this.#progress.next();
        if (reading === null) return 'apart';
        // What is written under the log's name next is the log's, unless this was moved away from there.
        const known = isFollowed || wasMoved ? file.stamp : { ...last, ctimeNs: file.stamp.mtimeNs + 1n };
        const seen = { ...file, stamp: known };
        yield* this.#progress.drain(reading, seen, at, null);
        const isOver = isFollowed || n < rotation.generations.length - 1;
        if (isOver) yield* this.#progress.drainStale(reading, seen, at);
        this.last = known;
        this.#done = file.stamp;
      } finally {
        this.#files.close(file.fd);
      }
    }
    this.followsMoved = !isFollowed && wasMoved && rotation.generations.length > 0;
    return isFollowed && rotation.isContinued ? 'continued' : 'apart';
  }

  /** Nobody looks at a rotated file again: what was consumed of it must be unchanged as a whole to be gone on with. */
  *#firstOf(rotation: Rotation, file: OpenFile): Generator<Step, LogReading | null> {
    if (!rotation.goesOn) return this.#progress.fresh();
    const reading = this.#progress.fitting(file);
    if (reading === null) return null;
    const audit = reading.audit.runWhole(this.#files, file.fd, reading.print);
    return (yield* pausing(audit)) === 'same' ? reading : this.#progress.fresh();
  }
}
