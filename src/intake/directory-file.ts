import { afterAdmission } from './after-admission.js';
import { encodeFileCursor } from './cursor.js';
import type { DirectoryParts } from './directory-source.js';
import {
  type DocumentParts,
  type DocumentShape,
  DocumentTaking,
  digestFile,
  inspect,
  rejectIn,
} from './document.js';
import { openablePath } from './file-names.js';
import type { FileMemory } from './known-files.js';
import { holdStill, NotReadable, type OpenFile, openFile, resolveFile } from './open-file.js';
import { describeTrouble, errorCode, isGone, PathTrouble } from './path-trouble.js';
import { type Refusal, refuse } from './refusal.js';
import { type Moment, type Sighting, type Stamp, sameInode, sameStamp, sight, stampOf } from './stamp.js';
import { pausing, type Step } from './step.js';

/** Up to this much more than the largest record, a file is read at once. */
const MARGIN_BYTES = 64 * 1024;

/** What keeps a file from being taken; most files never have any of it. */
interface Pending {
  readonly why: 'empty' | 'unfinished' | 'broken' | 'settling';
  readonly stamp: Stamp;
  /** The content that is to be the same at the next look. */
  readonly digest: string;
  /** Monotonic time since which the file has looked like this. */
  readonly sinceMs: number;
  /** Empty, and left so: nothing is rejected, and nothing more is expected until it changes. */
  readonly gaveUp: boolean;
}

/**
 * One file of a directory source at work: what was read of it, under which stamp, and what it waits for. Once nothing is
 * expected of it, its `memory` is all that needs to be kept.
 */
export class DirectoryFile {
  /** Absolute path as text: what people, cursors and rejects call it. */
  readonly path: string;
  readonly #parts: DirectoryParts;
  #sighting: Sighting | null = null;
  #lastStamp: Stamp | null = null;
  /** Digest of the content that was taken or rejected; null while nothing was. */
  #digest: string | null = null;
  /** Every record of it was admitted. */
  #whole = false;
  #pending: Pending | null = null;
  #trouble: PathTrouble | null = null;
  /** Found to be gone: its cursor can be forgotten. */
  isGone = false;

  constructor(path: string, parts: DirectoryParts) {
    this.path = path;
    this.#parts = parts;
  }

  /** Begins from what was known of its content; without a sighting, its stamp proves nothing. */
  restore({ stamp, digest, whole }: FileMemory, sighting: Sighting | null): void {
    this.#digest = digest;
    this.#whole = whole;
    this.#lastStamp = stamp;
    this.#sighting = sighting;
  }

  /** Its stamp proves nothing any more: the content is compared at the next look. */
  doubt(): void {
    this.#sighting = null;
  }

  /** null while something is expected of it. */
  get memory(): FileMemory | null {
    if (this.isHot || this.#sighting === null || this.#digest === null) return null;
    return { stamp: this.#sighting.stamp, digest: this.#digest, whole: this.#whole };
  }

  /** Something about it may change soon, or a second look is due. */
  get isHot(): boolean {
    return this.#sighting === null || this.#sighting.racy || this.#pending !== null || this.#trouble !== null;
  }

  /** Its mount is not there: a folder that is unmounted looks empty, and what it held comes back with it. */
  isMissingOn(dev: bigint | null): boolean {
    return this.#lastStamp !== null && dev !== null && this.#lastStamp.dev !== dev;
  }

  get isWaiting(): boolean {
    return this.#pending !== null && !this.#pending.gaveUp;
  }

  get problem(): string | null {
    return this.#trouble === null ? null : `${this.#name}: ${this.#trouble.text}`;
  }

  get #name(): string {
    return this.path.slice(this.#parts.source.path.length + 1);
  }

  *look(at: Moment): Generator<Step, void> {
    if (this.#trouble !== null && !this.#trouble.isDue(at.monotonicMs)) return;
    try {
      yield* this.#look(at);
      this.#trouble = null;
    } catch (error) {
      this.#pending = null;
      if (isGone(error)) {
        this.isGone = true;
        this.#trouble = null;
      } else if (error instanceof NotReadable && error.isPassedOver) {
        this.#trouble = null;
      } else {
        const text = error instanceof NotReadable ? error.message : describeTrouble(error);
        this.#trouble = new PathTrouble(text, this.#trouble, this.#parts.source.pollMs, this.#parts.clock);
      }
    }
  }

  *#look(at: Moment): Generator<Step, void> {
    const { source, files, rawNames } = this.#parts;
    const { path, stats } = resolveFile(files, openablePath(this.path, rawNames.get(this.path)), {
      followSymlinks: source.followSymlinks,
      root: source.path,
    });
    const stamp = stampOf(stats);
    this.isGone = false;
    if (this.#sighting !== null && sameStamp(this.#sighting.stamp, stamp) && !this.#sighting.racy) {
      if (this.#pending === null) this.#finish();
      if (!this.#isDue(at)) return;
    }
    const file = openFile(files, path);
    try {
      yield* this.#read(file, at);
      // Written to while we read: there is more to see.
      const calm = sameStamp(stampOf(files.fstat(file.fd)), file.stamp);
      this.#sighting = calm ? sight(this.#sighting, file.stamp, at, this.#parts.racyRule()) : null;
      this.#lastStamp = this.#sighting?.stamp ?? file.stamp;
    } finally {
      files.close(file.fd);
    }
  }

  #isDue(at: Moment): boolean {
    return (
      this.isWaiting &&
      this.#pending !== null &&
      (this.#pending.why === 'settling' || this.#isStale(this.#pending, at))
    );
  }

  *#read(file: OpenFile, at: Moment): Generator<Step, void> {
    if (file.sizeBytes === 0) {
      this.#wait('empty', '', file, at);
      return;
    }
    const parts = this.#documentParts(file);
    const digest = yield* pausing(digestFile(parts.files, file));
    if (digest === this.#digest) {
      yield* this.#sameContent(file, at, digest);
      return;
    }
    const shape = yield* pausing(inspect(parts, file));
    if (shape.kind === 'object' || shape.kind === 'array') {
      // Written in place over what we knew: perhaps half of it is still the old content.
      const inPlace =
        this.#digest !== null && this.#lastStamp !== null && sameInode(this.#lastStamp, file.stamp);
      if (inPlace && this.#pending?.digest !== digest) this.#wait('settling', digest, file, at);
      else yield* this.#take(parts, shape, file, digest, at);
      return;
    }
    yield* this.#waitOrReject(parts, shape, file, digest, at);
  }

  #documentParts(file: OpenFile): DocumentParts {
    const { source, files } = this.#parts;
    const isSmall = file.sizeBytes <= source.maxRecordBytes + MARGIN_BYTES;
    return {
      ...this.#parts,
      path: this.path,
      name: this.#name,
      maxRecordBytes: source.maxRecordBytes,
      files: isSmall ? holdStill(files, file) : files,
    };
  }

  /** Touched, copied over itself, or looked at again because its stamp was racy. */
  *#sameContent(file: OpenFile, at: Moment, digest: string): Generator<Step, void> {
    this.#pending = null;
    if (this.#lastStamp !== null && sameStamp(this.#lastStamp, file.stamp)) return;
    yield this.#step(file, at, digest, { records: [], rejects: [], isFirst: false, isLast: true });
  }

  *#take(
    parts: DocumentParts,
    shape: Extract<DocumentShape, { kind: 'object' | 'array' }>,
    file: OpenFile,
    digest: string,
    at: Moment,
  ): Generator<Step, void> {
    const taking = new DocumentTaking(parts, file);
    let rejected = 0;
    for (let isFirst = true; ; isFirst = false) {
      const slice = taking.next(shape);
      if (slice.end === 'changed') {
        this.#wait('settling', '', file, at);
        return;
      }
      rejected += slice.rejects.length;
      const isLast = slice.end === 'whole';
      if (isLast) {
        this.#digest = digest;
        this.#whole = rejected === 0;
        this.#pending = null;
      }
      if (slice.end === 'broken') {
        const refusal = slice.refusal ?? brokenArray();
        const { records, rejects } = slice;
        yield { records, rejects, rereadPaths: isFirst ? [this.path] : [], cursors: [] };
        yield* this.#waitOrReject(parts, { kind: 'broken', at: slice.at, refusal }, file, digest, at);
        return;
      }
      yield this.#step(file, at, digest, { ...slice, isFirst, isLast });
      if (isLast) return;
    }
  }

  *#waitOrReject(
    parts: DocumentParts,
    shape: Exclude<DocumentShape, { kind: 'object' | 'array' }>,
    file: OpenFile,
    digest: string,
    at: Moment,
  ): Generator<Step, void> {
    this.#wait(shape.kind, digest, file, at);
    if (shape.kind === 'empty' || this.#pending === null || !this.#isStale(this.#pending, at)) return;
    const offset = shape.kind === 'broken' ? shape.at : 0;
    const refusal = shape.kind === 'broken' ? shape.refusal : unfinished();
    this.#digest = digest;
    this.#whole = false;
    this.#pending = null;
    const rejects = [rejectIn(parts, file, refusal, offset, file.sizeBytes - offset)];
    yield this.#step(file, at, digest, { records: [], rejects, isFirst: true, isLast: true });
  }

  #step(
    file: OpenFile,
    at: Moment,
    digest: string,
    slice: Pick<Step, 'records' | 'rejects'> & { readonly isFirst: boolean; readonly isLast: boolean },
  ): Step {
    const cursor = { stamp: file.stamp, observedAtMs: at.wallMs, digest, whole: this.#whole };
    return {
      records: slice.records,
      rejects: slice.rejects,
      rereadPaths: slice.isFirst ? [this.path] : [],
      cursors: slice.isLast ? [{ path: this.path, body: encodeFileCursor(cursor) }] : [],
    };
  }

  #wait(why: Pending['why'], digest: string, file: OpenFile, at: Moment): void {
    const same = this.#pending !== null && sameStamp(this.#pending.stamp, file.stamp);
    const sinceMs = same && this.#pending !== null ? this.#pending.sinceMs : at.monotonicMs;
    const gaveUp = why === 'empty' && this.#isOver(sinceMs, at);
    this.#pending = { why, stamp: file.stamp, digest, sinceMs, gaveUp };
  }

  #isStale(pending: Pending, at: Moment): boolean {
    return this.#isOver(pending.sinceMs, at);
  }

  #isOver(sinceMs: number, at: Moment): boolean {
    return at.monotonicMs - sinceMs >= this.#parts.source.quarantineAfterMs;
  }

  /** `after`: only when the stamp under which everything was admitted can no longer hide another write. */
  #finish(): void {
    const { source, rawNames } = this.#parts;
    const { after } = source;
    if (after === 'keep' || !this.#whole || this.#sighting === null || rawNames.has(this.path)) return;
    try {
      if (afterAdmission(this.path, this.#sighting.stamp, after)) this.isGone = true;
      else this.#sighting = null;
    } catch (error) {
      const code = errorCode(error);
      if (code === null || isGone(error)) throw error;
      throw new NotReadable(
        `it is admitted, but the worker cannot ${after} it (${code}): allow that, or keep it`,
        false,
      );
    }
  }
}

function unfinished(): Refusal {
  return refuse('unfinished', 'it ends before its value does', 'write the file again as a whole');
}

function brokenArray(): Refusal {
  return refuse('json', 'what stands here cannot follow in an array', 'mend the JSON here');
}
