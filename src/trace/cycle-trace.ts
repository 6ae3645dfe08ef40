import { isIntact, sha256 } from '../job/snapshot.js';
import { type Digest, extendDigest, NOTHING } from './digest.js';
import { type Guard, type Guarded, isSame, isUntouched } from './guard.js';
import { type Seal, type Sealable, sealedPart, sealOf, sealOfSome } from './seal.js';

/** From the file to the durable job, in order. What is read of the queue is not stored: it is told by the jobs. */
export const HAND_OFFS = [
  'FEED_IN',
  'AFTER_NORMALIZE',
  'AFTER_DIFF_OR_SUPPRESS',
  'WRITE_OUT_PREPUT',
  'WRITE_OUT_PAYLOAD',
  'ENQUEUED',
] as const;
export type HandOff = (typeof HAND_OFFS)[number];

export interface Mark extends Digest {
  readonly atMs: number;
}

/** A record that did not come further than the hand-off before this one. */
export interface LostRecord {
  /** null for a refused stretch that has no key. */
  readonly key: string | null;
  readonly at: HandOff | 'QUEUE_READ';
  readonly reason: string;
}

/** What one cycle came to, so far: all of it was stored together with the jobs of the same records. */
export interface CycleTrace {
  readonly marks: Readonly<Partial<Record<HandOff, Mark>>>;
  /** All that were lost, counted under their reasons. */
  readonly reasons: Readonly<Partial<Record<HandOff, Readonly<Record<string, number>>>>>;
  /** The first of them, one by one. */
  readonly lost: readonly LostRecord[];
  /** Changed records that are held until the whole file is read: the last version of a key counts. */
  readonly waiting: number;
  /** Of a plan: records that stand in it as they did, and were not judged again. */
  readonly unchanged?: number;
  /** Of a plan: what it no longer has, or whose time was missed. */
  readonly gone?: Gone;
  /** Where what was handed on was not what had been taken: nothing of that batch was stored. */
  readonly broken: { readonly at: HandOff; readonly why: string } | null;
}

/** A job that a plan no longer has, or whose time was missed. */
interface GoneJob {
  readonly key: string;
  readonly id: string;
  readonly result: string;
}

export interface Gone {
  /** All of them, counted under what became of them. */
  readonly counts: Readonly<Record<string, number>>;
  /** The first of them, one by one. */
  readonly named: readonly GoneJob[];
}

export const NONE_GONE: Gone = { counts: {}, named: [] };

const NEW_CYCLE: CycleTrace = { marks: {}, reasons: {}, lost: [], waiting: 0, broken: null };

/** More are counted, and not named. */
const MOST_NAMED = 100;

/** What intake says of a batch, so that the store can hold against it what it writes. */
export interface BatchTrace {
  /** What this cycle came to before; null for its first batch. */
  readonly soFar: CycleTrace | null;
  /** Of the batch's records, in their order, taken when they were normalised. */
  readonly seal: Seal;
  readonly sealedAtMs: number;
  /** Makes it cheap to see that nothing has changed since. Left out: all is looked at closely. */
  readonly guard?: Guard;
  /** Whether a known record with new content is held until the end of the poll, and comes again then. */
  readonly holdsChanges: boolean;
  /** These are such records: they were counted before. */
  readonly isSecondLook: boolean;
  /** Keys of such records to which a later one of the same key has put an end. */
  readonly outrun: readonly string[];
  /** Of a plan: how many records stand in it beside these, as they did. */
  readonly unchanged?: number;
}

/** Of records that are admitted in one go, and are sealed just now. */
export function onlyBatch(
  records: readonly Sealable[],
  nowMs: number,
  soFar: CycleTrace | null = null,
): BatchTrace {
  const seal = sealOf(records);
  return { soFar, seal, sealedAtMs: nowMs, holdsChanges: false, isSecondLook: false, outrun: [] };
}

/** A record that was written. */
interface Put {
  readonly record: Guarded;
  /** A later record of this batch took its place in the same job. */
  readonly isReplaced: boolean;
}

/** What the store did with a batch, told before it commits. */
export interface BatchDone {
  readonly records: readonly Guarded[];
  readonly rejects: readonly {
    readonly key: string | null;
    readonly reason: string;
    readonly digest: Buffer;
  }[];
  /** For each record why it brought no job and changed none; null where it did. */
  readonly refusals: readonly (string | null)[];
  /** One for each record without a refusal, in that order. */
  readonly puts: readonly Put[];
  /** What the engine answers when it is asked for the jobs of `puts`: their seals, one after the other, and their number. */
  readonly enqueued: { readonly stream: Buffer; readonly count: number };
  /** Of a plan: what went with it. */
  readonly gone?: readonly GoneJob[];
  readonly nowMs: number;
}

/** `refusals` of records that are held: no refusal, and no job yet. */
const CHANGED = 'changed-ignored';

/** Takes a batch into the account of its cycle. Pure: asked twice, as after a lock, it answers the same. */
export function traceBatch(batch: BatchTrace, done: BatchDone): CycleTrace {
  const account = new Account(batch.soFar ?? NEW_CYCLE);
  const broken = account.take(batch, done);
  return account.close(broken);
}

class Account {
  readonly #before: CycleTrace;
  readonly #marks: Partial<Record<HandOff, Mark>>;
  readonly #reasons: Partial<Record<HandOff, Record<string, number>>>;
  readonly #lost: LostRecord[];
  #waiting: number;
  #unchanged: number;
  #gone: Gone;

  constructor(before: CycleTrace) {
    this.#before = before;
    this.#marks = { ...before.marks };
    this.#reasons = {};
    for (const at of HAND_OFFS) if (before.reasons[at]) this.#reasons[at] = { ...before.reasons[at] };
    this.#lost = [...before.lost];
    this.#waiting = before.waiting;
    this.#unchanged = before.unchanged ?? 0;
    this.#gone = before.gone ?? NONE_GONE;
  }

  close(broken: CycleTrace['broken']): CycleTrace {
    return {
      marks: this.#marks,
      reasons: this.#reasons,
      lost: this.#lost,
      waiting: this.#waiting,
      ...(this.#unchanged > 0 && { unchanged: this.#unchanged }),
      ...(this.#gone !== NONE_GONE && { gone: this.#gone }),
      broken: broken ?? this.#before.broken,
    };
  }

  take(batch: BatchTrace, done: BatchDone): CycleTrace['broken'] {
    if (!batch.isSecondLook) this.#takeIn(batch, done.rejects);
    for (const key of batch.outrun) this.#lose(key, 'AFTER_DIFF_OR_SUPPRESS', 'older-ignored');
    this.#waiting -= batch.outrun.length;
    this.#unchanged += batch.unchanged ?? 0;
    const broken = this.#takeThrough(batch, done);
    const gone = broken === null ? (done.gone ?? []) : [];
    if (gone.length > 0) this.#gone = withMore(this.#gone, gone);
    return broken;
  }

  #takeIn({ seal, sealedAtMs }: BatchTrace, rejects: BatchDone['rejects']): void {
    const refused = Buffer.concat(rejects.map(({ digest }) => digest));
    this.#mark('FEED_IN', sealedAtMs, seal.stream, seal.ends.length);
    if (rejects.length > 0) this.#mark('FEED_IN', sealedAtMs, refused, rejects.length);
    this.#mark('AFTER_NORMALIZE', sealedAtMs, seal.stream, seal.ends.length);
    for (const { key, reason } of rejects) this.#lose(key, 'AFTER_NORMALIZE', `rejected: ${reason}`);
  }

  #takeThrough(batch: BatchTrace, done: BatchDone): CycleTrace['broken'] {
    const { seal, guard, isSecondLook, holdsChanges } = batch;
    const { nowMs, records, refusals, puts } = done;
    const isChanged = (n: number) => refusals[n] === null;
    let changed = 0;
    for (let n = 0; n < refusals.length; n += 1) {
      const refusal = refusals[n] ?? null;
      if (refusal === null) changed += 1;
      else if (refusal === CHANGED && holdsChanges) this.#waiting += 1;
      else this.#lose(records[n]?.key ?? null, 'AFTER_DIFF_OR_SUPPRESS', refusal);
    }
    if (isSecondLook) this.#waiting -= refusals.length;
    const through = sealOfSome(seal, isChanged, changed);
    this.#mark('AFTER_DIFF_OR_SUPPRESS', nowMs, through.stream, changed);
    const isWhole = guard !== undefined && isUntouched(guard, records);
    const handed = isWhole ? seal : sealOf(records);
    if (!isSameSeal(handed, seal))
      return { at: 'AFTER_DIFF_OR_SUPPRESS', why: tellDifference(seal, handed, records) };

    const kept = puts.filter(({ isReplaced }) => !isReplaced);
    const before = sealOfSome(through, (n) => puts[n]?.isReplaced === false, kept.length);
    const isPut = isWhole && kept.length === puts.length && arePut(records, isChanged, puts);
    const put = isPut ? before : sealOf(kept.map(({ record }) => record));
    for (const { record, isReplaced } of puts) {
      if (isReplaced) this.#lose(record.key, 'WRITE_OUT_PREPUT', 'replaced in the same batch');
    }
    this.#mark('WRITE_OUT_PREPUT', nowMs, put.stream, kept.length);
    if (!isSameSeal(put, before)) {
      const why = tellDifference(
        before,
        put,
        kept.map(({ record }) => record),
      );
      return { at: 'WRITE_OUT_PREPUT', why };
    }

    const torn = isPut ? -1 : kept.findIndex(({ record }) => !isIntact(record.payload));
    const written = torn === -1 ? put : sealOf(kept.map(({ record }) => asWritten(record)));
    this.#mark('WRITE_OUT_PAYLOAD', nowMs, written.stream, kept.length);
    if (torn !== -1) {
      const key = kept[torn]?.record.key ?? '';
      return { at: 'WRITE_OUT_PAYLOAD', why: `the payload of "${key}" has changed since it was normalised` };
    }

    const { stream, count } = done.enqueued;
    this.#mark('ENQUEUED', nowMs, stream, count);
    if (count !== kept.length) {
      return { at: 'ENQUEUED', why: `${kept.length} jobs were written, and the database has ${count}` };
    }
    if (!stream.equals(put.stream)) return { at: 'ENQUEUED', why: 'the database has stored something else' };
    return null;
  }

  #mark(at: HandOff, atMs: number, stream: Buffer, count: number): void {
    this.#marks[at] = { ...extendDigest(this.#marks[at] ?? NOTHING, stream, count), atMs };
  }

  #lose(key: string | null, at: HandOff, reason: string): void {
    const reasons = this.#reasons[at] ?? {};
    reasons[reason] = (reasons[reason] ?? 0) + 1;
    this.#reasons[at] = reasons;
    if (this.#lost.length < MOST_NAMED) this.#lost.push({ key, at, reason });
  }
}

function withMore({ counts, named }: Gone, more: readonly GoneJob[]): Gone {
  const raised = { ...counts };
  for (const { result } of more) raised[result] = (raised[result] ?? 0) + 1;
  return { counts: raised, named: [...named, ...more].slice(0, MOST_NAMED) };
}

function asWritten(record: Put['record']): Sealable {
  const { key, occurrenceIn, version, payload } = record;
  return { key, occurrenceIn, version, payload: { hash: sha256(payload.bytes) } };
}

function isSameSeal(one: Seal, other: Seal): boolean {
  return one === other || one.stream.equals(other.stream);
}

/** Whether each record that was written is the one that was handed over. */
function arePut(
  records: readonly Guarded[],
  isChanged: (n: number) => boolean,
  puts: readonly Put[],
): boolean {
  let at = 0;
  for (let n = 0; n < records.length; n += 1) {
    if (!isChanged(n)) continue;
    if (!isSame(records[n], puts[at]?.record)) return false;
    at += 1;
  }
  return at === puts.length;
}

/** The first record that differs, by what it is called now. */
function tellDifference(before: Seal, now: Seal, records: readonly Guarded[]): string {
  if (before.ends.length !== now.ends.length) {
    return `${before.ends.length} records were normalised, and ${now.ends.length} came here`;
  }
  const at = records.findIndex((_, n) => !sealedPart(before, n).equals(sealedPart(now, n)));
  return `"${records[at]?.key ?? ''}" is not what was normalised in its place`;
}
