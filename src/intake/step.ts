import type { Clock } from '../platform/clock.js';
import type { AdmissionRecord, CursorRecord, PlanRest } from '../store/intake-contract.js';
import type { Reject } from './judge.js';
import type { Moment } from './stamp.js';

/**
 * One bounded slice of reading: what it found, and the cursors that move with it. The poll loop lets the event loop turn
 * after each, and admits a few of them in one transaction before it asks for more.
 */
export interface Step {
  readonly records: readonly AdmissionRecord[];
  readonly rejects: readonly Reject[];
  /** Paths that this step reads anew from their beginning. */
  readonly rereadPaths: readonly string[];
  /** null forgets the path. */
  readonly cursors: readonly { readonly path: string; readonly body: string | null }[];
  /** Comes with the last records of a plan. */
  readonly plan?: PlanRest;
  /** Records that stand there as they did, and are not offered again. */
  readonly unchanged?: number;
}

/** A pause without a find: the slice was used up by looking. */
export const PAUSE: Step = { records: [], rejects: [], rereadPaths: [], cursors: [] };

export function isPause(step: Step): boolean {
  if (step.plan !== undefined) return false;
  return step.records.length + step.rejects.length + step.rereadPaths.length + step.cursors.length === 0;
}

/** Turns the pauses of an inner generator into pauses of the poll. */
export function* pausing<T>(inner: Generator<void, T>): Generator<Step, T> {
  for (;;) {
    const { done, value } = inner.next();
    if (done) return value;
    yield PAUSE;
  }
}

/** How far a reading has come that takes longer than a moment. */
export interface ReadingProgress {
  readonly unit: 'bytes' | 'files';
  readonly done: number;
  readonly total: number;
}

/** What is read in a moment needs no progress. */
const SHORT_READING = { bytes: 4 * 1024 * 1024, files: 1_000 } as const;

/** null for a reading that is short, or over. */
export function progressOf(
  unit: ReadingProgress['unit'],
  { from, done, total }: { readonly from: number; readonly done: number; readonly total: number },
): ReadingProgress | null {
  return total - from <= SHORT_READING[unit] || done >= total ? null : { unit, done, total };
}

export interface ReaderStatus {
  /** Why nothing can be read now, for people; null when all is well. */
  readonly problem: string | null;
  /** Files that are being written, or that wait for a second look. */
  readonly waitingFiles: number;
  /** One of them; null when there is none. */
  readonly waitingPath: string | null;
  /** A backlog that is being read just now, in a poll that has not ended. */
  readonly reading: ReadingProgress | null;
  /** Nothing is waited for that a later poll would read. */
  readonly settled: boolean;
  /** A second look is wanted sooner than with the next poll. */
  readonly looksAgain?: boolean;
}

/**
 * One kind of source. `poll` is pulled step by step. It is closed early (`return`) when a step could not be admitted, and
 * then `restore` follows before the next poll: a reader need not remember what it has handed over but not committed.
 */
export interface SourceReader {
  /** Forgets what it knows and begins from what the store remembers. */
  restore(cursors: readonly CursorRecord[]): void;
  /** More of what the store remembers, before the next poll. */
  recall(cursors: readonly CursorRecord[]): void;
  /** `thorough`: looks at everything now, not only at what is likely to have changed. */
  poll(at: Moment, thorough: boolean): Generator<Step, void>;
  status(): ReaderStatus;
}

/** A reader as a poll uses it: one that works in a thread of its own hands its steps over when they come. */
export interface PolledReader extends Pick<SourceReader, 'restore' | 'recall' | 'status'> {
  poll(at: Moment, thorough: boolean): Iterable<Step> | AsyncIterable<Step>;
  /** Ends a poll that waits for an answer which may never come. */
  close?(): void;
}

/** The loop is held for about this long by one slice: far below what a person or a heartbeat notices. */
const SLICE_MS = 4;
/** One transaction of this many rows takes about as long as reading them. */
export const SLICE_RECORDS = 500;
/** Looking at the clock costs more than a small record: only every so often. */
const CLOCK_EVERY = 16;

/** Measures one slice: by records, and by time for whatever is slow. */
export class SliceBudget {
  readonly #clock: Clock;
  readonly #mostRecords: number;
  #endMs = 0;
  #count = 0;

  constructor(clock: Clock, mostRecords: number) {
    this.#clock = clock;
    this.#mostRecords = mostRecords;
  }

  begin(): void {
    this.#endMs = this.#clock.monotonicMs() + SLICE_MS;
    this.#count = 0;
  }

  /** Counts one more piece of work. True when the slice is used up. */
  spend(): boolean {
    this.#count += 1;
    if (this.#count >= this.#mostRecords) return true;
    return this.#count % CLOCK_EVERY === 0 && this.#clock.monotonicMs() >= this.#endMs;
  }
}
