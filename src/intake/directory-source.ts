import type { DirectorySource } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { CursorRecord } from '../store/intake-contract.js';
import { returnAside } from './after-admission.js';
import { decodeFileCursor } from './cursor.js';
import { DirectoryFile } from './directory-file.js';
import { type FileAccess, racyRuleOf } from './file-access.js';
import { createNameFilter, type FileName, openablePath } from './file-names.js';
import { FolderListing } from './folder-listing.js';
import { COUNTED, gathered } from './gather-steps.js';
import type { Judge } from './judge.js';
import { KnownFiles } from './known-files.js';
import { describeTrouble, errorCode, folderMissing, isGone, PathTrouble } from './path-trouble.js';
import { ClockWatch, type Moment, type RacyRule, sight } from './stamp.js';
import {
  isPause,
  PAUSE,
  pausing,
  progressOf,
  type ReaderStatus,
  SLICE_RECORDS,
  SliceBudget,
  type SourceReader,
  type Step,
} from './step.js';

/** What the files of one source share. */
export interface DirectoryParts {
  readonly source: DirectorySource;
  readonly judge: Judge;
  readonly files: FileAccess;
  readonly clock: Clock;
  readonly racyRule: () => RacyRule;
  /** Names that are not UTF-8, by path: known once the folder was listed. */
  readonly rawNames: ReadonlyMap<string, Buffer>;
}

/** A file that changed is looked at with every poll for this long. */
const HOT_MS = 10 * 60_000;
/** When more than these changed, the others wait for their turn: 100,000 new files must not cost 100,000 looks a poll. */
const MOST_HOT_FILES = 5_000;
/** Every other file is looked at once in this time, but at least so many with each poll. */
const COLD_ROUND_MS = 30_000;
const LEAST_COLD_FILES = 1_000;
/** New files are taken in the order of their names, unless there are so many that sorting would hold the loop. */
const MOST_SORTED = 10_000;
/** Files that are compared with a listing before the loop turns. */
const SLOTS_A_SLICE = 10_000;

/** A folder of files, each with one record or an array of records. */
export class DirectoryReader implements SourceReader {
  readonly #parts: DirectoryParts;
  readonly #listing: FolderListing;
  /** What stands before the name in each path. */
  readonly #prefix: string;
  readonly #known = new KnownFiles();
  /** Those of which something is expected: the others are as they were left in `#known`. */
  readonly #busy = new Map<string, DirectoryFile>();
  readonly #rawNames = new Map<string, Buffer>();
  readonly #budget: SliceBudget;
  /** Paths that were listed and not looked at yet, or are known and no longer listed. */
  #fresh: string[] = [];
  /** Path → monotonic time until which it is hot. */
  readonly #hot = new Map<string, number>();
  /** Where the round over all files stands. */
  #coldSlot = 0;
  #polls = 0;
  #listings = 0;
  /** Of the new files that the present poll found. */
  #visited = { done: 0, total: 0 };
  #lastPollMs: number | null = null;
  #racyRule: RacyRule | null = null;
  readonly #clockWatch = new ClockWatch();
  #trouble: PathTrouble | null = null;
  /** Whether what a former worker had set aside is back, or why not. */
  #returned: boolean | string = false;

  constructor(source: DirectorySource, judge: Judge, files: FileAccess, clock: Clock) {
    const racyRule = () => {
      this.#racyRule ??= racyRuleOf(files, source.path, source.network);
      return this.#racyRule;
    };
    this.#parts = { source, judge, files, clock, racyRule, rawNames: this.#rawNames };
    this.#prefix = `${source.path}/`;
    this.#listing = new FolderListing(
      source.path,
      files,
      createNameFilter(source.match, source.exclude),
      racyRule,
    );
    this.#budget = new SliceBudget(clock, SLICE_RECORDS);
  }

  restore(cursors: readonly CursorRecord[]): void {
    this.#known.clear();
    this.#busy.clear();
    this.#rawNames.clear();
    this.#fresh = [];
    this.#hot.clear();
    this.#listing.forget();
    this.#coldSlot = 0;
    this.#lastPollMs = null;
    this.#racyRule = null;
    this.#returned = false;
    this.recall(cursors);
  }

  recall(cursors: readonly CursorRecord[]): void {
    for (const { path, body } of cursors) if (path.startsWith(this.#prefix)) this.#recallFile(path, body);
  }

  /** A body that is not understood is as good as none. The bytes of a name that is not UTF-8 come with the first listing. */
  #recallFile(path: string, body: string): void {
    const slot = this.#known.add(path);
    const cursor = decodeFileCursor(body);
    if (cursor === null) return;
    const { clock, racyRule } = this.#parts;
    this.#known.remember(slot, cursor);
    if (cursor.observedAtMs > clock.wallMs()) {
      this.#known.doubt(slot);
      return;
    }
    const then = { wallMs: cursor.observedAtMs, monotonicMs: clock.monotonicMs() };
    const sighting = sight(null, cursor.stamp, then, racyRule());
    if (!sighting.racy) return;
    const file = new DirectoryFile(path, this.#parts);
    file.restore(cursor, sighting);
    this.#busy.set(path, file);
  }

  *poll(at: Moment, thorough: boolean): Generator<Step, void> {
    if (this.#clockWatch.wasSetBack(at)) {
      this.#listing.forget();
      for (const file of this.#busy.values()) file.doubt();
      this.#known.doubtAll();
    }
    if (this.#trouble !== null && !this.#trouble.isDue(at.monotonicMs)) return;
    this.#racyRule = null;
    try {
      this.#returnAside();
      yield* pausing(this.#list(at));
      this.#trouble = null;
    } catch (error) {
      const { path, pollMs } = this.#parts.source;
      // A folder that is made is to be noticed with the next poll: looking for it costs nothing.
      this.#trouble = isGone(error)
        ? new PathTrouble(folderMissing(path), null, pollMs, this.#parts.clock)
        : new PathTrouble(`${path}: ${describeTrouble(error)}`, this.#trouble, pollMs, this.#parts.clock);
      return;
    }
    yield* gathered(this.#visit(at, thorough), this.#budget);
  }

  /** The rest of the folder is read in any case. */
  #returnAside(): void {
    const { path, after } = this.#parts.source;
    if (this.#returned === true || after === 'keep') return;
    try {
      returnAside(path);
      this.#returned = true;
    } catch (error) {
      this.#returned = `${path}: what was set aside cannot be put back (${errorCode(error)})`;
    }
  }

  status(): ReaderStatus {
    let waitingFiles = 0;
    let waitingPath: string | null = null;
    let problem: string | null = null;
    for (const file of this.#busy.values()) {
      if (file.isWaiting) {
        waitingFiles += 1;
        waitingPath ??= file.path;
      }
      problem ??= file.problem;
    }
    if (typeof this.#returned === 'string') problem ??= this.#returned;
    if (this.#trouble !== null) problem = this.#trouble.text;
    const { done, total } = this.#visited;
    const reading = progressOf('files', { from: 0, done, total });
    return { problem, waitingFiles, waitingPath, reading, settled: waitingFiles === 0 };
  }

  /** New names become files; one that is no longer listed is looked at, since only ENOENT means gone. */
  *#list(at: Moment): Generator<void, void> {
    const added: FileName[] = [];
    this.#listings += 1;
    const wasListed = yield* this.#listing.list(at, (name) => {
      const slot = this.#known.slotOf(this.#prefix + name.text);
      if (slot === undefined) added.push(name);
      else this.#known.markListed(slot, this.#listings);
      if (name.bytes !== null) this.#rawNames.set(this.#prefix + name.text, name.bytes);
    });
    if (!wasListed) return;
    for (let slot = 0; slot < this.#known.slotsEnd; slot += 1) {
      const path = this.#known.pathAt(slot);
      if (path !== undefined && !this.#known.isListed(slot, this.#listings)) this.#fresh.push(path);
      if (slot % SLOTS_A_SLICE === SLOTS_A_SLICE - 1) yield;
    }
    if (added.length <= MOST_SORTED) added.sort((a, b) => (a.text < b.text ? -1 : 1));
    for (const [n, { text }] of added.entries()) {
      const path = this.#prefix + text;
      this.#known.add(path);
      this.#fresh.push(path);
      if (n % SLOTS_A_SLICE === SLOTS_A_SLICE - 1) yield;
    }
  }

  #heat(path: string, at: Moment): void {
    this.#hot.set(path, at.monotonicMs + HOT_MS);
  }

  /** Each file at most once: twice in one step, its rejects could be closed before they are opened. */
  *#visit(at: Moment, thorough: boolean): Generator<Step, void> {
    const share = this.#coldShare(at, thorough);
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#polls += 1;
    this.#visited = { done: 0, total: fresh.length };
    for (const [path, untilMs] of this.#hot) {
      const isOver = at.monotonicMs > untilMs && !this.#busy.has(path);
      if (isOver || this.#known.slotOf(path) === undefined) this.#hot.delete(path);
      else yield* this.#visitFile(path, at);
    }
    for (const path of fresh) {
      yield* this.#visitFile(path, at);
      this.#visited.done += 1;
    }
    for (let n = 0; n < share && this.#known.size > 0; this.#coldSlot += 1) {
      if (this.#coldSlot >= this.#known.slotsEnd) {
        this.#coldSlot = 0;
        if (n > 0) return;
      }
      const slot = this.#coldSlot;
      const path = this.#known.pathAt(slot);
      if (path === undefined) continue;
      n += 1;
      // One lstat and nothing else for most: this is what a folder at rest costs.
      if (!this.#known.claimLook(slot, this.#polls)) continue;
      if (!this.#isQuiet(path, slot)) yield* this.#look(path, slot, at);
      else if (this.#budget.spend()) yield PAUSE;
    }
  }

  /** The first poll looks at everything: a file may have changed while nobody ran. */
  #coldShare(at: Moment, thorough: boolean): number {
    const sinceMs = this.#lastPollMs === null || thorough ? COLD_ROUND_MS : at.monotonicMs - this.#lastPollMs;
    if (sinceMs >= COLD_ROUND_MS) this.#coldSlot = 0;
    this.#lastPollMs = at.monotonicMs;
    const { size } = this.#known;
    return Math.min(size, Math.max(LEAST_COLD_FILES, Math.ceil((size * sinceMs) / COLD_ROUND_MS)));
  }

  *#visitFile(path: string, at: Moment): Generator<Step, void> {
    const slot = this.#known.slotOf(path);
    if (slot === undefined || !this.#known.claimLook(slot, this.#polls)) return;
    if (this.#isQuiet(path, slot)) yield COUNTED;
    else yield* this.#look(path, slot, at);
  }

  /** It stands there as it is remembered. Whatever else is found out about it is found out by a full look. */
  #isQuiet(path: string, slot: number): boolean {
    if (this.#parts.source.after !== 'keep' || this.#busy.has(path)) return false;
    try {
      const stats = this.#parts.files.lstat(openablePath(path, this.#rawNames.get(path)));
      return stats.isFile() && this.#known.isAt(slot, stats);
    } catch (error) {
      if (errorCode(error) === null) throw error;
      return false;
    }
  }

  *#look(path: string, slot: number, at: Moment): Generator<Step, void> {
    const file = this.#busy.get(path) ?? this.#wake(path, slot);
    let found = false;
    for (const step of file.look(at)) {
      if (!isPause(step)) found = true;
      yield step;
    }
    if (file.isGone && !file.isMissingOn(this.#listing.dev)) {
      this.#known.forget(path);
      this.#busy.delete(path);
      this.#rawNames.delete(path);
      this.#hot.delete(path);
      // Nobody can mend what is gone: its rejects are closed with it.
      yield { ...PAUSE, rereadPaths: [path], cursors: [{ path, body: null }] };
      yield COUNTED;
      return;
    }
    const { memory } = file;
    if (memory === null) this.#busy.set(path, file);
    else {
      this.#busy.delete(path);
      this.#known.remember(slot, memory);
    }
    if (file.isHot || (found && this.#hot.size < MOST_HOT_FILES)) this.#heat(path, at);
    yield COUNTED;
  }

  #wake(path: string, slot: number): DirectoryFile {
    const file = new DirectoryFile(path, this.#parts);
    const memory = this.#known.recall(slot);
    if (memory === null) return file;
    // A stamp that is remembered is not racy any more, whenever it was seen.
    const sighting = { stamp: memory.stamp, sinceMs: 0, racy: false };
    file.restore(memory, this.#known.isDoubted(slot) ? null : sighting);
    return file;
  }
}
