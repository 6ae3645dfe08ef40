import { dirname } from 'node:path';
import type { LogSource } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { CursorRecord } from '../store/intake-contract.js';
import { decodeLookStamp } from './cursor.js';
import { type FileAccess, racyRuleOf } from './file-access.js';
import type { Judge } from './judge.js';
import { LogGenerations } from './log-generations.js';
import { LogProgress } from './log-progress.js';
import type { ReadingParts } from './log-reading.js';
import { type LogScan, peekFormat, scanLog } from './log-scan.js';
import { LogWait } from './log-wait.js';
import type { WalkEnd } from './log-walk.js';
import {
  folderStamp,
  NotReadable,
  type OpenFile,
  openFile,
  type ResolvedFile,
  resolveFile,
} from './open-file.js';
import { describeTrouble, isGone, PathTrouble } from './path-trouble.js';
import { staleReject } from './stale.js';
import {
  ClockWatch,
  type Moment,
  type RacyRule,
  type Sighting,
  type Stamp,
  sameInode,
  sameStamp,
  sight,
  stampOf,
} from './stamp.js';
import { PAUSE, pausing, type ReaderStatus, type SourceReader, type Step } from './step.js';

/** A log that has mended what was rejected is read again from its beginning up to this size, which closes its rejects. */
const REREAD_BYTES = 16 * 1024 * 1024;

/**
 * One log file. Three ways to read it, cheapest first: nothing has changed; it begins with what was read, so only
 * what was appended is read; anything else is read from its beginning, and the ledger tells what is new.
 */
export class LogReader implements SourceReader {
  readonly #source: LogSource;
  readonly #parts: ReadingParts;
  readonly #files: FileAccess;
  readonly #clock: Clock;
  readonly #racyRule: () => RacyRule;
  #wait: LogWait;
  #progress: LogProgress;
  #generations: LogGenerations;
  /** The stamp under which the last look ended well; null asks for another look. */
  #sighting: Sighting | null = null;
  /** A document that must be the same at the next look before it is taken. */
  #candidate: LogScan | null = null;
  /** The consumed part has changed although head and tail have not. */
  #isRewritten = false;
  /** It is gone for good, as far as anybody can tell, and its rejects were closed. */
  #isDeleted = false;
  /** Written to while its reading began: it may have been emptied first, after we looked for what it was before. */
  #looksBack = false;
  readonly #clockWatch = new ClockWatch();
  #trouble: PathTrouble | null = null;

  constructor(source: LogSource, judge: Judge, files: FileAccess, clock: Clock) {
    this.#source = source;
    this.#files = files;
    this.#clock = clock;
    this.#racyRule = () => racyRuleOf(files, dirname(source.path), source.network);
    this.#parts = { path: source.path, files, clock, judge, maxRecordBytes: source.maxRecordBytes };
    this.#wait = new LogWait(source.quarantineAfterMs, false);
    this.#progress = new LogProgress(this.#parts, this.#wait, null);
    this.#generations = new LogGenerations(this.#parts, source.key !== null, this.#progress, null);
  }

  restore(cursors: readonly CursorRecord[]): void {
    const body = cursors.find(({ path }) => path === this.#source.path)?.body;
    const stored = LogProgress.parse(body);
    this.#wait = new LogWait(this.#source.quarantineAfterMs, stored?.quarantined ?? false);
    this.#progress = new LogProgress(this.#parts, this.#wait, stored);
    this.#generations = new LogGenerations(
      this.#parts,
      this.#source.key !== null,
      this.#progress,
      body === undefined ? null : decodeLookStamp(body),
    );
    this.#candidate = null;
    this.#isRewritten = false;
    this.#isDeleted = false;
    this.#sighting = null;
    if (stored?.reached) {
      const then = { wallMs: stored.observedAtMs, monotonicMs: this.#clock.monotonicMs() };
      this.#sighting = sight(null, stored.stamp, then, this.#racyRule());
    }
  }

  recall(cursors: readonly CursorRecord[]): void {
    if (cursors.some(({ path }) => path === this.#source.path)) this.restore(cursors);
  }

  *poll(at: Moment): Generator<Step, void> {
    if (this.#clockWatch.wasSetBack(at)) {
      this.#sighting = null;
      this.#generations.forgetFolder();
    }
    if (this.#trouble !== null && !this.#trouble.isDue(at.monotonicMs)) return;
    try {
      yield* this.#look(at);
      this.#trouble = null;
    } catch (error) {
      const text = error instanceof NotReadable ? error.message : describeTrouble(error);
      // To see whether something else stands there now costs nothing: with every poll.
      const former = error instanceof NotReadable ? null : this.#trouble;
      this.#trouble = new PathTrouble(text, former, this.#source.pollMs, this.#clock);
    }
  }

  status(): ReaderStatus {
    const waits = this.#wait.why !== null;
    return {
      problem: this.#trouble === null ? null : `${this.#source.path}: ${this.#trouble.text}`,
      waitingFiles: waits ? 1 : 0,
      waitingPath: waits ? this.#source.path : null,
      reading: this.#progress.progress,
      settled: this.#trouble !== null || !waits,
    };
  }

  *#look(at: Moment): Generator<Step, void> {
    const found = this.#resolve();
    if (found === null) {
      // The records of a file that is gone stay known; when it comes back it is compared with them.
      this.#wait.end();
      const folder = folderStamp(this.#files, dirname(this.#source.path));
      yield* this.#closeRejects(folder, at);
      yield* this.#generations.readBeside(folder, at, this.#racyRule());
      return;
    }
    this.#isDeleted = false;
    if (!this.#isWorthOpening(stampOf(found.stats), at)) return;
    const file = openFile(this.#files, found.path);
    let vouched = this.#progress.reading;
    try {
      yield* this.#read(file, at);
      // Written to while we read: what was taken is sound, but there is more to see.
      const calm = sameStamp(stampOf(this.#files.fstat(file.fd)), file.stamp);
      this.#sighting = calm ? sight(this.#sighting, file.stamp, at, this.#racyRule()) : null;
      this.#looksBack = false;
      if (this.#sighting !== null && !this.#sighting.racy) vouched = this.#progress.reading;
    } finally {
      this.#files.close(file.fd);
      if (this.#progress.reading !== vouched) this.#looksBack = true;
      // Of a first reading that failed midway.
      if (!this.#progress.isAtStart) this.#generations.last ??= file.stamp;
    }
  }

  /** Nobody can mend what was deleted. Should it come back after all, it is read anew, and so are its rejects. */
  *#closeRejects(folder: Stamp, at: Moment): Generator<Step, void> {
    const { path } = this.#source;
    const last = this.#generations.last;
    if (this.#isDeleted || this.#progress.isAtStart || last === null) return;
    // Another device: what is missing here is not gone, but unmounted.
    if (folder.dev !== last.dev) return;
    const rotation = yield* this.#generations.find(null);
    if (rotation !== null && (rotation.generations.length > 0 || rotation.gap !== null)) return;
    this.#isDeleted = true;
    this.#isRewritten = true;
    yield { ...PAUSE, rereadPaths: [path], cursors: this.#progress.distrusted(last, at) };
  }

  /** null when there is no such file. */
  #resolve(): ResolvedFile | null {
    const { path, followSymlinks } = this.#source;
    try {
      return resolveFile(this.#files, path, { followSymlinks, root: dirname(path) });
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  }

  #isWorthOpening(stamp: Stamp, at: Moment): boolean {
    if (this.#sighting === null || !sameStamp(this.#sighting.stamp, stamp)) return true;
    if (this.#sighting.racy || this.#isRewritten || this.#generations.followsMoved) return true;
    if (this.#progress.isAuditDue) return true;
    return this.#wait.why === 'settling' || this.#wait.isStale(at);
  }

  *#read(file: OpenFile, at: Moment): Generator<Step, void> {
    if (file.sizeBytes === 0) {
      yield* this.#readEmpty(file, at);
      return;
    }
    this.#generations.followsMoved = false;
    const isOther = this.#isRewritten || (yield* this.#generations.hasTurned(file, this.#looksBack));
    const reading = isOther ? null : this.#progress.fitting(file);
    if (reading === null) {
      yield* this.#startOver(file, at);
    } else {
      const known = this.#sighting !== null && sameStamp(this.#sighting.stamp, file.stamp);
      if (!known || this.#sighting?.racy) reading.audit.demand(reading.print);
      this.#candidate = null;
      this.#settle(yield* this.#progress.drain(reading, file, at, null), file, at);
      const audit = reading.audit.run(this.#files, file.fd, reading.print, at.monotonicMs);
      if ((yield* pausing(audit)) === 'changed') this.#isRewritten = true;
      if (this.#isRewritten) yield* this.#startOver(file, at);
    }
    this.#generations.last = file.stamp;
    if (this.#wait.isStale(at)) yield* this.#takeStale(file, at);
  }

  /** Just begun, or about to be written anew. */
  *#readEmpty(file: OpenFile, at: Moment): Generator<Step, void> {
    this.#candidate = null;
    if (this.#generations.last === null) {
      yield* this.#generations.begin(file.stamp);
      return;
    }
    if (!this.#progress.isAtStart) {
      this.#wait.begin('empty', file.stamp, at);
      // Emptied and left so: nothing will be rejected, and nothing more is expected.
      if (this.#wait.isStale(at)) this.#wait.giveUp();
    }
    yield* this.#generations.read(file, at);
  }

  /** Reads a document from its beginning: at once when nobody can be in the midst of writing it, else at a second look. */
  *#startOver(file: OpenFile, at: Moment): Generator<Step, void> {
    const former = this.#candidate;
    this.#candidate = null;
    const isFirst = this.#progress.isAtStart;
    const isNew =
      isFirst || this.#generations.last === null || !sameInode(this.#generations.last, file.stamp);
    if (yield* this.#generations.read(file, at)) {
      this.#settle(yield* this.#progress.drain(this.#progress.next(), file, at, null), file, at);
      return;
    }
    if (isNew && peekFormat(this.#files, file.fd) === 'ndjson') {
      yield* this.#takeAll(file, at, null);
      return;
    }
    const scan = yield* pausing(scanLog(this.#parts, file.fd, file.sizeBytes, former));
    // A line is whole by itself, an array by its bracket; of an array never seen before, what stands there is enough.
    const canTake = scan.end === 'whole' || (scan.leaves.length > 0 && (isFirst || scan.format === 'ndjson'));
    const isSettled = (isNew && scan.end === 'whole') || scan.leaves.beginsWithFormer;
    if (canTake && isSettled) {
      yield* this.#takeAll(file, at, scan);
      return;
    }
    this.#candidate = scan;
    if (scan.format === null) this.#wait.begin('empty', file.stamp, at);
    else this.#wait.begin(canTake ? 'settling' : scan.end, file.stamp, at);
    yield* this.#generations.begin(file.stamp);
  }

  *#takeAll(file: OpenFile, at: Moment, scan: LogScan | null): Generator<Step, void> {
    const end = yield* this.#progress.drain(this.#progress.fresh(), file, at, scan?.leaves ?? null);
    if (end !== 'changed') this.#isRewritten = false;
    this.#settle(end, file, at);
  }

  /**
   * What has stood still for too long is taken as it is, and what cannot be taken is rejected. It is read again when the
   * file changes.
   */
  *#takeStale(file: OpenFile, at: Moment): Generator<Step, void> {
    let { reading } = this.#progress;
    if (reading === null || this.#candidate !== null) {
      reading = this.#progress.fresh();
      const end = yield* this.#progress.drain(reading, file, at, this.#candidate?.leaves ?? null);
      if (end === 'changed') return;
      this.#isRewritten = false;
      this.#candidate = null;
    }
    const end = yield* this.#progress.drainStale(reading, file, at);
    if (end === 'whole') {
      this.#settle(end, file, at);
      return;
    }
    this.#wait.reject();
    const rejects = [staleReject(this.#parts, reading, end, file)];
    yield { ...PAUSE, rejects, cursors: this.#progress.cursor(reading, file, at, true) };
  }

  #settle(end: WalkEnd, file: OpenFile, at: Moment): void {
    if (end !== 'whole') {
      this.#wait.begin(end === 'changed' ? 'settling' : end, file.stamp, at);
      return;
    }
    // Mended: read again from the beginning, which closes the rejects that are no longer true.
    if (this.#wait.hasRejected && file.sizeBytes <= REREAD_BYTES) this.#isRewritten = true;
    this.#wait.end();
  }
}
