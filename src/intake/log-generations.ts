import type { FileAccess } from './file-access.js';
import type { LogProgress } from './log-progress.js';
import type { LogReading } from './log-reading.js';
import { findRotation, type Rotation } from './log-rotation.js';
import { NotReadable, type OpenFile, openFile } from './open-file.js';
import { gapReject } from './stale.js';
import { type Moment, type Stamp, sameInode } from './stamp.js';
import { PAUSE, pausing, type Step } from './step.js';

/** So often the names are looked at anew when they change while we read: a shift of thirty numbers takes a millisecond. */
const MOST_TRIES = 5;

/** What a log was before: the files that were moved or copied away from its name, and which of them was read last. */
export class LogGenerations {
  /** Stamp of what was read last: a new inode is a new file, the same one was written in place. */
  last: Stamp | null;
  /** What was read last was moved away, and nothing has taken its place yet: it may still be written to. */
  followsMoved = false;
  readonly #files: FileAccess;
  readonly #path: string;
  readonly #progress: LogProgress;

  constructor(files: FileAccess, path: string, progress: LogProgress, last: Stamp | null) {
    this.#files = files;
    this.#path = path;
    this.#progress = progress;
    this.last = last;
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
      findRotation(this.#files, this.#path, { last, isSame, present: present?.stamp ?? null }, fits),
    );
  }

  *#tryToRead(present: OpenFile | null, at: Moment): Generator<Step, 'renamed' | 'continued' | 'apart'> {
    const { last } = this;
    const rotation = yield* this.find(present);
    if (last === null || rotation === null) return 'apart';
    if (rotation.gap !== null) yield { ...PAUSE, rejects: [gapReject(rotation.gap, last)] };
    const isFollowed = present !== null && present.sizeBytes > 0;
    // All of it is packed: said once, not with every look until something is written again.
    if (rotation.gap !== null && rotation.generations.length === 0 && !isFollowed)
      this.last = { ...last, ctimeNs: this.#files.lstat(rotation.gap).mtimeNs + 1n };
    for (const [n, { path, stamp }] of rotation.generations.entries()) {
      const file = openFile(this.#files, path);
      try {
        // The next rotation: this name stands for another generation by now.
        if (!sameInode(file.stamp, stamp)) return 'renamed';
        const reading = n === 0 ? yield* this.#firstOf(rotation, file) : this.#progress.next();
        if (reading === null) return 'apart';
        // What is written under the log's name next is the log's, unless this was moved away from there.
        const known =
          isFollowed || rotation.wasMoved ? file.stamp : { ...last, ctimeNs: file.stamp.mtimeNs + 1n };
        const seen = { ...file, stamp: known };
        yield* this.#progress.drain(reading, seen, at, null);
        const isOver = isFollowed || n < rotation.generations.length - 1;
        if (isOver) yield* this.#progress.drainStale(reading, seen, at);
        this.last = known;
      } finally {
        this.#files.close(file.fd);
      }
    }
    this.followsMoved = !isFollowed && rotation.wasMoved;
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
