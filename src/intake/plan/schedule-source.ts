import { dirname } from 'node:path';
import type { ScheduleSource } from '../../config/config.js';
import { sha256 } from '../../job/snapshot.js';
import type { Clock } from '../../platform/clock.js';
import type { AdmissionRecord, CursorRecord, PlanRest } from '../../store/intake-contract.js';
import { type FileAccess, racyRuleOf } from '../file-access.js';
import type { Judge, Reject } from '../judge.js';
import { folderStamp, NotReadable, type OpenFile, openFile, resolveFile } from '../open-file.js';
import { describeTrouble, isGone, PathTrouble } from '../path-trouble.js';
import {
  ClockWatch,
  type Moment,
  type Sighting,
  type Stamp,
  sameInode,
  sameStamp,
  sight,
  stampOf,
} from '../stamp.js';
import { PAUSE, pausing, type ReaderStatus, SLICE_RECORDS, type SourceReader, type Step } from '../step.js';
import { type PlanShape, splitPlan } from './entries.js';
import { PlanRecords } from './plan-records.js';
import { Repeats } from './repeats.js';

/** Read as a whole, and kept while it is judged. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Of refused records nothing is new. */
const NO_NEWS: Pick<Step, 'rejects' | 'rereadPaths'> = { rejects: [], rereadPaths: [] };

/** What keeps the file from being taken. */
interface Pending {
  readonly why: 'empty' | 'unfinished' | 'broken' | 'settling';
  readonly stamp: Stamp;
  readonly digest: string;
  /** Monotonic time since which the file has looked like this. */
  readonly sinceMs: number;
  /** Rejected, or empty and left so: nothing more is expected until it changes. */
  readonly isOver: boolean;
}

/**
 * A file that somebody else writes anew as a whole: each content of it is a plan. A plan that is not whole, or not there,
 * changes nothing: the one before holds. What is offered to the store is what the plan has changed, and all of it after a
 * restart; what the store does with it depends on what really ran (`plan-verdict.ts`).
 */
export class ScheduleReader implements SourceReader {
  readonly #source: ScheduleSource;
  readonly #files: FileAccess;
  readonly #clock: Clock;
  readonly #records: PlanRecords;
  readonly #repeats: Repeats;
  readonly #clockWatch = new ClockWatch();
  #sighting: Sighting | null = null;
  #lastStamp: Stamp | null = null;
  /** Digest of the plan that holds; null before the first. */
  #digest: string | null = null;
  #pending: Pending | null = null;
  #trouble: PathTrouble | null = null;
  #isMissing = false;

  constructor(source: ScheduleSource, judge: Judge, files: FileAccess, clock: Clock) {
    this.#source = source;
    this.#files = files;
    this.#clock = clock;
    this.#records = new PlanRecords(source, judge);
    this.#repeats = new Repeats(source);
  }

  restore(cursors: readonly CursorRecord[]): void {
    this.#forget();
    this.#repeats.restore(cursors.find(({ path }) => path === this.#source.path)?.body);
  }

  recall(cursors: readonly CursorRecord[]): void {
    if (cursors.some(({ path }) => path === this.#source.path)) this.restore(cursors);
  }

  *poll(at: Moment): Generator<Step, void> {
    // Windows that were over are open again.
    if (this.#clockWatch.wasSetBack(at)) this.#forget();
    if (this.#trouble === null || this.#trouble.isDue(at.monotonicMs)) yield* this.#lookGuarded(at);
    yield* this.#openOccurrences(at, this.#repeats.names);
  }

  status(): ReaderStatus {
    const waits = this.#pending !== null && !this.#pending.isOver;
    const gone = this.#isMissing && this.#digest !== null ? 'it is gone; what it planned still holds' : null;
    const problem = this.#trouble?.text ?? gone;
    return {
      problem: problem === null ? null : `${this.#source.path}: ${problem}`,
      waitingFiles: waits ? 1 : 0,
      waitingPath: waits ? this.#source.path : null,
      reading: null,
      settled: this.#trouble !== null || !waits,
      looksAgain: waits && this.#pending?.why === 'settling',
    };
  }

  #forget(): void {
    this.#records.forget();
    this.#sighting = null;
    this.#lastStamp = null;
    this.#digest = null;
    this.#pending = null;
  }

  *#lookGuarded(at: Moment): Generator<Step, void> {
    try {
      yield* this.#look(at);
      this.#trouble = null;
    } catch (error) {
      const text = error instanceof NotReadable ? error.message : describeTrouble(error);
      const former = error instanceof NotReadable ? null : this.#trouble;
      this.#trouble = new PathTrouble(text, former, this.#source.pollMs, this.#clock);
    }
  }

  *#look(at: Moment): Generator<Step, void> {
    const { path, followSymlinks } = this.#source;
    const found = this.#resolve(path, followSymlinks);
    this.#isMissing = found === null;
    if (found === null) {
      this.#pending = null;
      folderStamp(this.#files, dirname(path));
      return;
    }
    if (!this.#isWorthOpening(stampOf(found.stats), at)) return;
    const file = openFile(this.#files, found.path);
    try {
      if (file.sizeBytes > MOST_BYTES) throw new NotReadable(tooLarge(file.sizeBytes), false);
      const bytes = Buffer.allocUnsafe(file.sizeBytes);
      const length = this.#files.read(file.fd, bytes, file.sizeBytes, 0);
      const isCalm = sameStamp(stampOf(this.#files.fstat(file.fd)), file.stamp) && length === file.sizeBytes;
      this.#sighting = isCalm ? sight(this.#sighting, file.stamp, at, this.#racyRule()) : null;
      if (isCalm) yield* this.#read(file, bytes, at);
      else this.#wait('settling', '', file, at);
      this.#lastStamp = file.stamp;
    } finally {
      this.#files.close(file.fd);
    }
  }

  #racyRule() {
    return racyRuleOf(this.#files, dirname(this.#source.path), this.#source.network);
  }

  #resolve(path: string, followSymlinks: boolean) {
    try {
      return resolveFile(this.#files, path, { followSymlinks, root: dirname(path) });
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  }

  #isWorthOpening(stamp: Stamp, at: Moment): boolean {
    if (this.#sighting === null || this.#sighting.racy || !sameStamp(this.#sighting.stamp, stamp))
      return true;
    const pending = this.#pending;
    if (pending === null || pending.isOver) return false;
    return pending.why === 'settling' || this.#isStale(pending, at);
  }

  *#read(file: OpenFile, bytes: Buffer, at: Moment): Generator<Step, void> {
    const digest = bytes.length === 0 ? '' : sha256(bytes).toString('base64', 0, 12);
    if (digest === this.#digest) {
      this.#pending = null;
      return;
    }
    const shape: PlanShape = yield* pausing(splitPlan(bytes));
    if (shape.kind === 'entries') {
      // Perhaps half of it is still the plan before.
      if (this.#mayBeTorn(file) && this.#pending?.digest !== digest) {
        this.#wait('settling', digest, file, at);
        return;
      }
      yield* this.#take(shape.entries, bytes, digest, at);
      return;
    }
    this.#wait(shape.kind, digest, file, at);
    const pending = this.#pending;
    if (pending === null || pending.isOver || !this.#isStale(pending, at)) return;
    this.#pending = { ...pending, isOver: true };
    if (shape.kind === 'empty') return;
    yield { ...PAUSE, rejects: [this.#records.refuseWhole(shape, bytes)], rereadPaths: [this.#source.path] };
  }

  /** Written in place over the plan that holds, or over one that an earlier process has read, and just now. */
  #mayBeTorn({ stamp }: OpenFile): boolean {
    if (this.#lastStamp !== null) return sameInode(this.#lastStamp, stamp);
    return this.#sighting?.racy ?? true;
  }

  *#take(
    entries: Extract<PlanShape, { kind: 'entries' }>['entries'],
    bytes: Buffer,
    digest: string,
    at: Moment,
  ): Generator<Step, void> {
    const plan = yield* pausing(this.#records.read(entries, bytes, at.wallMs));
    this.#digest = digest;
    this.#pending = null;
    const known = this.#repeats.names;
    const changed = this.#repeats.replace(plan.repeating, at.wallMs, plan.refusedKeys);
    // Of a rule that is another one, what is open belongs to the rule before.
    const series = this.#repeats.names;
    const isStanding = new Set(series);
    const occurrences = this.#repeats.look(at.wallMs);
    // By their start: two plans with the same records have the same trace, whatever their order.
    const records = [...plan.records, ...changed, ...occurrences.records].sort(byStart);
    // What stands in the store is looked through only where something may have to go.
    const hasOtherRule = known.some((id) => !isStanding.has(id));
    const withdraws = plan.lacksSome || hasOtherRule || occurrences.missed.length > 0;
    if (records.length === 0 && !withdraws && plan.rejects === null && !occurrences.hasNews) return;
    const { missed } = occurrences;
    const rest = withdraws ? { keys: this.#keysWith(occurrences.records), series, missed } : null;
    yield* this.#steps(records, plan.rejects, rest, occurrences.hasNews, plan.unchanged);
  }

  *#openOccurrences(at: Moment, series: readonly string[]): Generator<Step, void> {
    if (this.#repeats.isEmpty) return;
    const { records, missed, hasNews } = this.#repeats.look(at.wallMs);
    if (!hasNews) return;
    const plan = missed.length > 0 ? { keys: this.#keysWith(records), series, missed } : null;
    yield* this.#steps(records, null, plan, true);
  }

  #keysWith(occurrences: readonly AdmissionRecord[]): readonly string[] {
    return [...this.#records.keys(), ...occurrences.map(({ key }) => key)];
  }

  /** The first of them begins the file anew; the last one holds what is only true once all records were offered. */
  *#steps(
    records: readonly AdmissionRecord[],
    rejects: readonly Reject[] | null,
    plan: PlanRest | null,
    storesRepeats: boolean,
    unchanged = 0,
  ): Generator<Step, void> {
    const { path } = this.#source;
    let opening = rejects === null ? NO_NEWS : { rejects, rereadPaths: [path] };
    let from = 0;
    for (; records.length - from > SLICE_RECORDS; from += SLICE_RECORDS) {
      yield { ...PAUSE, ...opening, records: records.slice(from, from + SLICE_RECORDS) };
      opening = NO_NEWS;
    }
    yield {
      ...opening,
      records: records.slice(from),
      cursors: storesRepeats ? [{ path, body: this.#repeats.encode() }] : [],
      ...(plan !== null && { plan }),
      ...(unchanged > 0 && { unchanged }),
    };
  }

  #wait(why: Pending['why'], digest: string, { stamp }: OpenFile, at: Moment): void {
    const former = this.#pending;
    const isSame = former !== null && sameStamp(former.stamp, stamp) && former.why === why;
    this.#pending = {
      why,
      stamp,
      digest,
      sinceMs: isSame ? former.sinceMs : at.monotonicMs,
      isOver: isSame && former.isOver,
    };
  }

  #isStale({ sinceMs }: Pending, at: Moment): boolean {
    return at.monotonicMs - sinceMs >= this.#source.quarantineAfterMs;
  }
}

function byStart(a: AdmissionRecord, b: AdmissionRecord): number {
  return a.runAtMs - b.runAtMs;
}

function tooLarge(sizeBytes: number): string {
  const [megabytes, most] = [sizeBytes, MOST_BYTES].map((bytes) => Math.round(bytes / 1024 / 1024));
  return `it has ${megabytes} MB, more than the ${most} MB that a plan may have: split it into several sources`;
}
