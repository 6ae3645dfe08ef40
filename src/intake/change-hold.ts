import type { AdmissionAnswer, AdmissionRecord } from '../store/intake-contract.js';
import { NO_SEAL, type Seal, sealedPart, sealOfParts } from '../trace/seal.js';
import { PAUSE, SLICE_RECORDS, type Step } from './step.js';

/** More than this is not kept in memory: what was held so far is then made first. */
const MOST_HELD_BYTES = 32 * 1024 * 1024;

interface HeldChange {
  readonly record: AdmissionRecord;
  /** How many older versions of it this poll has met before. */
  readonly repeated: number;
  /** As it was sealed when it was normalised. */
  readonly sealed: Buffer;
}

/** What the records of one step came to. */
export interface Settled {
  readonly answers: readonly Pick<AdmissionAnswer, 'result' | 'repeats'>[];
  readonly repeated: number;
}

/**
 * Of a key that stands more than once in what one poll reads, the last version counts: else a file that is read anew would
 * run each record again that was ever changed in it. So a change is held until the poll has read on to its end, and every
 * cursor behind it with it: after a crash both are read again.
 */
export class ChangeHold {
  readonly #held = new Map<string, HeldChange>();
  readonly #cursors = new Map<string, Step['cursors'][number]>();
  #heldBytes = 0;
  #outrun: string[] = [];

  get isEmpty(): boolean {
    return this.#held.size + this.#cursors.size === 0;
  }

  get isFull(): boolean {
    return this.#heldBytes > MOST_HELD_BYTES;
  }

  /** The step as it may be admitted now: it asks what has changed, and changes nothing of that. */
  asking(step: Step): Step {
    if (this.isEmpty && !step.records.some(canWait)) return step;
    const cursors = this.#held.size === 0 ? this.#takeCursors() : [];
    for (const cursor of step.cursors) this.#cursors.set(cursor.path, cursor);
    const records = step.records.map((record) =>
      canWait(record) ? { ...record, onChange: 'ignore' as const } : record,
    );
    return { ...step, records, cursors };
  }

  /** Takes the answers to `asking(step)`: what has changed is held, and counts once it is known what became of it. */
  answered(step: Step, answers: readonly AdmissionAnswer[], seal: Seal): Settled {
    const settled: Settled['answers'][number][] = [];
    for (const [n, answer] of answers.entries()) {
      const record = step.records[n];
      const former = record && this.#held.get(record.key);
      if (former !== undefined) {
        settled.push({ result: 'older-ignored' });
        this.#outrun.push(former.record.key);
      }
      if (record !== undefined && canWait(record) && answer.result === 'changed-ignored') {
        const sealed = Buffer.from(sealedPart(seal, n));
        this.#held.set(record.key, {
          record,
          repeated: former === undefined ? 0 : former.repeated + 1,
          sealed,
        });
        this.#heldBytes += record.payload.bytes.length;
        continue;
      }
      if (former !== undefined) this.#held.delete(record?.key ?? '');
      settled.push(answer);
    }
    return { answers: settled, repeated: countRepeated(settled) };
  }

  /** What has waited, to be admitted as it is. The cursors come with the last step. */
  *rest(): Generator<Step & { readonly repeated: number; readonly seal: Seal }, void> {
    const held = [...this.#held.values()];
    this.#held.clear();
    this.#heldBytes = 0;
    for (let from = 0; from < held.length; from += SLICE_RECORDS) {
      const slice = held.slice(from, from + SLICE_RECORDS);
      const isLast = from + SLICE_RECORDS >= held.length;
      const repeated = slice.reduce((sum, change) => sum + change.repeated, 0);
      const records = slice.map(({ record }) => record);
      const seal = sealOfParts(slice.map(({ sealed }) => sealed));
      yield { ...PAUSE, records, cursors: isLast ? this.#takeCursors() : [], repeated, seal };
    }
    if (this.#cursors.size > 0) yield { ...PAUSE, cursors: this.#takeCursors(), repeated: 0, seal: NO_SEAL };
  }

  /** Keys of what was held until a later record of the same key came, since this was last asked. */
  takeOutrun(): readonly string[] {
    const outrun = this.#outrun;
    this.#outrun = [];
    return outrun;
  }

  #takeCursors(): Step['cursors'] {
    const cursors = [...this.#cursors.values()];
    this.#cursors.clear();
    return cursors;
  }
}

/** A version field tells by itself which version is the newer; copies of unkeyed records never change. */
export function canWait({ onChange, version, occurrenceIn }: AdmissionRecord): boolean {
  return onChange === 'rerun' && version.order === null && occurrenceIn === null;
}

export function countRepeated(answers: Settled['answers']): number {
  return answers.filter(({ repeats }) => repeats).length;
}
