import type { SourceConfig } from '../config/config.js';
import type { AdmissionRecord, Scope } from '../store/contract.js';
import type { ReadStore } from '../store/read-contract.js';
import { SLICE_RECORDS, type Step } from './step.js';

/** Beyond this the oldest changes are let go early: some may then run once more than they need, none is lost. */
const MOST_HELD_BYTES = 32 * 1024 * 1024;

/**
 * Holds changed records back while a document is read again from its beginning. A key may stand in it more than once, as
 * in a log of events; the ledger knows its last version, so each earlier one looks like a change and, under `onChange:
 * rerun`, would run again with every rewrite of the file, and the last one after it. What counts is how the key stands at
 * the end of the reading. Until then the cursors wait, too: a reading that is broken off begins anew.
 */
export class ChangeHold {
  readonly #isNeeded: boolean;
  readonly #store: Pick<ReadStore, 'account'>;
  readonly #scope: Scope;
  readonly #records = new Map<string, AdmissionRecord>();
  readonly #cursors = new Map<string, Step['cursors'][number]>();
  #heldBytes = 0;
  #isHolding = false;
  #outdated = 0;

  constructor(source: SourceConfig, store: Pick<ReadStore, 'account'>, scope: Scope) {
    // A version field tells which is older, and without a key a change is another record.
    this.#isNeeded = source.onChange === 'rerun' && source.key !== null && source.version === null;
    this.#store = store;
    this.#scope = scope;
  }

  /** Records of this poll that a later one of the same document replaced. */
  get outdated(): number {
    return this.#outdated;
  }

  /** What of a step can be admitted now. `isKnown`: whether the store has a cursor for a path. */
  async sift(step: Step, isKnown: (path: string) => boolean): Promise<Step> {
    if (!this.#isNeeded) return step;
    this.#isHolding ||= step.rereadPaths.some(isKnown);
    if (!this.#isHolding) return step;
    const accounts = await this.#store.account(this.#scope, step.records);
    const released: AdmissionRecord[] = [];
    for (const [i, record] of step.records.entries()) {
      const account = accounts[i];
      const isChange =
        account !== undefined &&
        account.state !== null &&
        (account.wouldBe === 'queued' || account.wouldBe === 'superseded');
      if (account?.state !== null) this.#drop(record.key);
      if (isChange) this.#hold(record);
      else released.push(record);
    }
    for (const cursor of step.cursors) this.#cursors.set(cursor.path, cursor);
    if (this.#heldBytes > MOST_HELD_BYTES) released.push(...this.#takeRecords());
    return { ...step, records: released, cursors: [] };
  }

  /** What was held, once everything is read: the cursors move with the last of it. */
  release(): readonly Step[] {
    const records = this.#takeRecords();
    const cursors = [...this.#cursors.values()];
    this.#cursors.clear();
    if (records.length + cursors.length === 0) return [];
    const steps: Step[] = [];
    for (let from = 0; from === 0 || from < records.length; from += SLICE_RECORDS) {
      const isLast = from + SLICE_RECORDS >= records.length;
      const part = records.slice(from, from + SLICE_RECORDS);
      steps.push({ records: part, rejects: [], rereadPaths: [], cursors: isLast ? cursors : [] });
    }
    return steps;
  }

  #hold(record: AdmissionRecord): void {
    this.#records.set(record.key, record);
    this.#heldBytes += record.payload.bytes.length;
  }

  #drop(key: string): void {
    const held = this.#records.get(key);
    if (held === undefined) return;
    this.#records.delete(key);
    this.#heldBytes -= held.payload.bytes.length;
    this.#outdated += 1;
  }

  #takeRecords(): AdmissionRecord[] {
    const records = [...this.#records.values()];
    this.#records.clear();
    this.#heldBytes = 0;
    return records;
  }
}
