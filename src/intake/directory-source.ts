import type { DirectorySource } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { CursorRecord } from '../store/contract.js';
import { DirectoryFile } from './directory-file.js';
import { type FileAccess, racyRuleOf } from './file-access.js';
import { createNameFilter, type FileName } from './file-names.js';
import { FolderListing } from './folder-listing.js';
import type { Judge } from './judge.js';
import { describeTrouble, folderMissing, isGone, PathTrouble } from './path-trouble.js';
import type { Moment, RacyRule } from './stamp.js';
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

/** A folder of files, each with one record or an array of records. */
export class DirectoryReader implements SourceReader {
  readonly #parts: DirectoryParts;
  readonly #listing: FolderListing;
  readonly #files = new Map<string, DirectoryFile>();
  readonly #budget: SliceBudget;
  /** Listed, and not looked at yet. */
  #fresh: DirectoryFile[] = [];
  /** Name → monotonic time until which it is hot. */
  readonly #hot = new Map<string, number>();
  #cold: Iterator<DirectoryFile> | null = null;
  /** Of the new files that the present poll found. */
  #visited = { done: 0, total: 0 };
  #lastPollMs: number | null = null;
  #trouble: PathTrouble | null = null;

  constructor(source: DirectorySource, judge: Judge, files: FileAccess, clock: Clock) {
    const racyRule = () => racyRuleOf(files, source.path, source.network);
    this.#parts = { source, judge, files, clock, racyRule };
    this.#listing = new FolderListing(
      source.path,
      files,
      createNameFilter(source.match, source.exclude),
      racyRule,
    );
    this.#budget = new SliceBudget(clock, SLICE_RECORDS);
  }

  restore(cursors: readonly CursorRecord[]): void {
    const prefix = `${this.#parts.source.path}/`;
    this.#files.clear();
    this.#fresh = [];
    this.#hot.clear();
    this.#listing.forget();
    this.#cold = null;
    this.#lastPollMs = null;
    for (const { path, body } of cursors) {
      if (!path.startsWith(prefix)) continue;
      const text = path.slice(prefix.length);
      // The bytes of a name that is not UTF-8 are found out by the first listing.
      const file = new DirectoryFile({ text, bytes: null }, this.#parts);
      file.restore(body);
      this.#files.set(text, file);
    }
  }

  *poll(at: Moment, thorough: boolean): Generator<Step, void> {
    if (this.#trouble !== null && !this.#trouble.isDue(at.monotonicMs)) return;
    try {
      const names = yield* pausing(this.#listing.list(at));
      if (names !== null) this.#compare(names);
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

  status(): ReaderStatus {
    let waitingFiles = 0;
    let waitingPath: string | null = null;
    let settled = true;
    let problem: string | null = null;
    for (const name of this.#hot.keys()) {
      const file = this.#files.get(name);
      if (file === undefined) continue;
      if (file.isWaiting) {
        waitingFiles += 1;
        waitingPath ??= file.path;
        settled = false;
      }
      problem ??= file.problem;
    }
    if (this.#trouble !== null) problem = this.#trouble.text;
    const { done, total } = this.#visited;
    const reading = progressOf('files', { from: 0, done, total });
    return { problem, waitingFiles, waitingPath, reading, settled };
  }

  /** New names become files; one that is no longer listed is looked at, since only ENOENT means gone. */
  #compare(names: readonly FileName[]): void {
    const listed = new Set<string>();
    const added: FileName[] = [];
    for (const name of names) {
      listed.add(name.text);
      const known = this.#files.get(name.text);
      if (known === undefined) added.push(name);
      else if (name.bytes !== null) known.name = name;
    }
    if (added.length <= MOST_SORTED) added.sort((a, b) => (a.text < b.text ? -1 : 1));
    for (const name of added) {
      const file = new DirectoryFile(name, this.#parts);
      this.#files.set(name.text, file);
      this.#fresh.push(file);
    }
    for (const [name, file] of this.#files) if (!listed.has(name)) this.#fresh.push(file);
  }

  #heat(name: string, at: Moment): void {
    this.#hot.set(name, at.monotonicMs + HOT_MS);
  }

  *#visit(at: Moment, thorough: boolean): Generator<Step, void> {
    const share = this.#coldShare(at, thorough);
    const fresh = new Set(this.#fresh);
    this.#fresh = [];
    for (const [name, untilMs] of this.#hot) {
      const file = this.#files.get(name);
      if (file === undefined || (at.monotonicMs > untilMs && !file.isHot)) this.#hot.delete(name);
      // Looked at below: twice in one step, its rejects could be closed before they are opened.
      else if (!fresh.has(file)) yield* this.#visitFile(file, at);
    }
    this.#visited = { done: 0, total: fresh.size };
    for (const file of fresh) {
      yield* this.#visitFile(file, at);
      this.#visited.done += 1;
    }
    for (let n = 0; n < share; n += 1) {
      this.#cold ??= this.#files.values();
      const next = this.#cold.next();
      if (next.done) {
        this.#cold = null;
        if (n > 0 || this.#files.size === 0) return;
        continue;
      }
      const isSeen = fresh.has(next.value) || this.#hot.has(next.value.name.text);
      if (!isSeen) yield* this.#visitFile(next.value, at);
    }
  }

  /** The first poll looks at everything: a file may have changed while nobody ran. */
  #coldShare(at: Moment, thorough: boolean): number {
    const sinceMs = this.#lastPollMs === null || thorough ? COLD_ROUND_MS : at.monotonicMs - this.#lastPollMs;
    if (sinceMs >= COLD_ROUND_MS) this.#cold = null;
    this.#lastPollMs = at.monotonicMs;
    const { size } = this.#files;
    return Math.min(size, Math.max(LEAST_COLD_FILES, Math.ceil((size * sinceMs) / COLD_ROUND_MS)));
  }

  *#visitFile(file: DirectoryFile, at: Moment): Generator<Step, void> {
    const name = file.name.text;
    let found = false;
    for (const step of file.look(at)) {
      if (!isPause(step)) found = true;
      yield step;
    }
    if (file.isGone && !file.isMissingOn(this.#listing.dev)) {
      this.#files.delete(name);
      this.#hot.delete(name);
      // Nobody can mend what is gone: its rejects are closed with it.
      yield { ...PAUSE, rereadPaths: [file.path], cursors: [{ path: file.path, body: null }] };
    } else if (file.isHot || (found && this.#hot.size < MOST_HOT_FILES)) this.#heat(name, at);
    yield COUNTED;
  }
}

/** One quiet file was looked at: counts against the slice, and is nothing to admit. */
const COUNTED: Step = { ...PAUSE };

/** Puts the finds of many small files into one transaction, and pauses when a slice is used up. */
function* gathered(steps: Generator<Step, void>, budget: SliceBudget): Generator<Step, void> {
  let open = emptyStep();
  budget.begin();
  for (const step of steps) {
    open.records.push(...step.records);
    open.rejects.push(...step.rejects);
    open.rereadPaths.push(...step.rereadPaths);
    open.cursors.push(...step.cursors);
    const isFull = open.records.length + open.rejects.length >= SLICE_RECORDS;
    if (!isFull && !budget.spend() && step !== PAUSE) continue;
    yield open;
    open = emptyStep();
    budget.begin();
  }
  if (!isPause(open)) yield open;
}

function emptyStep() {
  return {
    records: [] as Step['records'][number][],
    rejects: [] as Step['rejects'][number][],
    rereadPaths: [] as string[],
    cursors: [] as Step['cursors'][number][],
  };
}
