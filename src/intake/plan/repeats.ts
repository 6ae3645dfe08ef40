import type { AdmissionRecord, PlanRest } from '../../store/intake-contract.js';
import { parseBody } from '../cursor.js';
import type { Recurrence } from './recurrence.js';

/** A record whose job comes again and again, with the job of one occurrence as it is without its times. */
export interface RepeatingRecord {
  readonly record: AdmissionRecord;
  readonly recurrence: Recurrence;
}

export interface RepeatsRule {
  /** How many of the runs that were missed are made up for: 0 for `skip`, 1 for `one`. */
  readonly missedRuns: number;
  readonly pollMs: number;
}

/** What is remembered of one of them: stored with the jobs that it opens. */
interface Series {
  readonly rule: string;
  /** The last occurrence that has a job; null: no further one will come. */
  readonly lastMs: number | null;
}

/** Occurrences that come sooner than this have their job already, whatever holds up a poll. */
const AHEAD_MS = 60_000;
const MOST_AHEAD = 1_000;
/** A run is missed when nobody was there to start it so long after its time. */
const MISSED_AFTER_MS = 60_000;

/** What has to be admitted of the occurrences. */
export interface Occurrences {
  readonly records: readonly AdmissionRecord[];
  readonly missed: PlanRest['missed'];
  /** What is remembered has changed, and must be stored with them. */
  readonly hasNews: boolean;
}

/** Opens the job of each occurrence ahead of its time, once, and decides on those that passed while nobody was there. */
export class Repeats {
  readonly #missedRuns: number;
  readonly #aheadMs: number;
  readonly #leapMs: number;
  #series = new Map<string, Series>();
  #records: ReadonlyMap<string, RepeatingRecord> = new Map();
  /** Ids that stand in the plan with a record that is refused. */
  #refused: ReadonlySet<string> = new Set();
  /** Something is remembered no more, and that is not stored yet. */
  #hasForgotten = false;
  /** Wall time since which somebody is there: null before the first look. */
  #presentSinceMs: number | null = null;
  #lastLookMs = 0;

  constructor({ missedRuns, pollMs }: RepeatsRule) {
    this.#missedRuns = missedRuns;
    this.#aheadMs = AHEAD_MS + 2 * pollMs;
    this.#leapMs = MISSED_AFTER_MS + 2 * pollMs;
  }

  /** `body`: what `encode` gave; anything else is as if nothing were remembered. */
  restore(body: string | undefined): void {
    this.#series = new Map(body === undefined ? [] : decode(body));
    this.#hasForgotten = false;
  }

  encode(): string {
    return JSON.stringify({ v: 1, series: Object.fromEntries(this.#series) });
  }

  /**
   * Names of those whose open jobs stand: all but those of which another rule is remembered. A record that nothing is
   * remembered of has none, or a former worker did not live to say how far it came.
   */
  get names(): readonly string[] {
    const standing = [...this.#records.keys()].filter((id) => !this.#series.has(id) || this.#isKnown(id));
    return [...standing, ...this.#refused];
  }

  get isEmpty(): boolean {
    return this.#records.size === 0;
  }

  /**
   * Takes the repeating records of a plan. Answers with the jobs of changed ones that are open already, as they are to be now.
   * What was opened for a record that is refused now stays open. Of one that is gone nothing is remembered: should it come
   * back, it missed nothing meanwhile.
   */
  replace(
    records: ReadonlyMap<string, RepeatingRecord>,
    nowMs: number,
    refused: ReadonlySet<string> = new Set(),
  ): readonly AdmissionRecord[] {
    const former = this.#records;
    this.#records = records;
    this.#refused = refused;
    for (const id of this.#series.keys()) {
      if (!records.has(id) && !refused.has(id)) this.#hasForgotten = this.#series.delete(id);
    }
    return [...records].flatMap(([id, entry]) => {
      const lastMs = this.#isKnown(id) ? this.#series.get(id)?.lastMs : null;
      if (former.get(id) === entry || lastMs == null) return [];
      const times = timesAhead(entry.recurrence, nowMs, nowMs + this.#aheadMs);
      return times.filter((at) => at <= lastMs).map((at) => this.#occurrence(id, entry, at));
    });
  }

  /** What is due to be opened now. Cheap when nothing is. */
  look(nowMs: number): Occurrences {
    // A wall clock that leaps ahead leaves hours in which nobody was there.
    const hasLeapt = this.#presentSinceMs !== null && nowMs - this.#lastLookMs > this.#leapMs;
    const wasSetBack = this.#presentSinceMs === null || nowMs < this.#lastLookMs;
    if (this.#presentSinceMs === null || hasLeapt) this.#presentSinceMs = nowMs;
    if (wasSetBack) this.#comeBack(nowMs);
    this.#lastLookMs = nowMs;
    const records: AdmissionRecord[] = [];
    const missed: { key: string; reason: string }[] = [];
    let hasNews = this.#hasForgotten;
    this.#hasForgotten = false;
    for (const [id, entry] of this.#records) {
      const series = this.#isKnown(id) ? this.#series.get(id) : undefined;
      if (series !== undefined && (series.lastMs === null || series.lastMs > nowMs + this.#aheadMs)) continue;
      const lastMs = series?.lastMs ?? null;
      const madeUp = lastMs === null ? [] : this.#makeUp(id, entry, lastMs, nowMs, missed);
      const ahead = timesAhead(entry.recurrence, Math.max(lastMs ?? nowMs, nowMs), nowMs + this.#aheadMs);
      for (const at of [...madeUp, ...ahead]) records.push(this.#occurrence(id, entry, at));
      this.#series.set(id, { rule: entry.recurrence.text, lastMs: ahead.at(-1) ?? null });
      hasNews = true;
    }
    return { records, missed, hasNews };
  }

  /** What was opened by a clock that stood ahead is no measure of what is open by this one. */
  #comeBack(nowMs: number): void {
    this.#presentSinceMs = Math.min(this.#presentSinceMs ?? nowMs, nowMs);
    for (const [id, { recurrence }] of this.#records) {
      const series = this.#isKnown(id) ? this.#series.get(id) : undefined;
      if (series === undefined) continue;
      const mostMs = timesAhead(recurrence, nowMs, nowMs + this.#aheadMs).at(-1);
      const isAhead = mostMs !== undefined && (series.lastMs ?? Number.POSITIVE_INFINITY) > mostMs;
      if (isAhead) this.#series.set(id, { ...series, lastMs: nowMs });
    }
  }

  /** Which of the occurrences after the last one that has a job are run all the same; those that are not are named. */
  #makeUp(
    id: string,
    { recurrence }: RepeatingRecord,
    lastMs: number,
    nowMs: number,
    missed: { key: string; reason: string }[],
  ): readonly number[] {
    const sinceMs = this.#presentSinceMs ?? nowMs;
    if (lastMs > sinceMs - MISSED_AFTER_MS) return [];
    const most = this.#missedRuns;
    const later = most === 0 ? [] : recurrence.between(lastMs, nowMs, most);
    if (later.length >= most) {
      const rule =
        most === 0 ? 'missed: skip' : `missed: ${most === 1 ? 'one' : `the newest ${most}`} of them run`;
      const reason = `no worker was there to start it in time (${rule})`;
      missed.push({ key: keyOf(id, lastMs), reason });
    }
    return [...later].reverse();
  }

  #occurrence(id: string, { record, recurrence }: RepeatingRecord, at: number): AdmissionRecord {
    // One that could not start before the next is due has been overtaken, unless each of them counts.
    const expiresAtMs = this.#missedRuns > 1 ? null : recurrence.after(at);
    return { ...record, key: keyOf(id, at), runAtMs: at, expiresAtMs };
  }

  #isKnown(id: string): boolean {
    return this.#series.get(id)?.rule === this.#records.get(id)?.recurrence.text;
  }
}

/** Those after `fromMs`, up to the first that lies beyond `untilMs`. */
function timesAhead(recurrence: Recurrence, fromMs: number, untilMs: number): number[] {
  const times: number[] = [];
  for (let at = recurrence.after(fromMs); at !== null; at = recurrence.after(at)) {
    times.push(at);
    if (at > untilMs || times.length === MOST_AHEAD) break;
  }
  return times;
}

function keyOf(id: string, at: number): string {
  return `${id}@${new Date(at).toISOString()}`;
}

function decode(body: string): [string, Series][] {
  const { series } = parseBody(body) as { series?: Record<string, Series> };
  return series === undefined ? [] : Object.entries(series);
}
