import type { AdmissionResult, GoneRecord } from '../store/intake-contract.js';
import type { Settled } from './change-hold.js';
import type { Reject } from './judge.js';

/**
 * What one poll of one source came to. Adds up by construction: every record that is seen is counted under exactly one
 * result or one reason.
 */
export class PollTally {
  readonly #results = new Map<AdmissionResult, number>();
  readonly #reasons = new Map<string, number>();
  readonly #gone = new Map<GoneRecord['result'], number>();
  #seen = 0;
  /** Of a plan: those that stand there as they did, and so were not offered again. */
  unchanged = 0;
  #repeated = 0;

  add({ answers, repeated }: Settled, rejects: readonly Reject[]): void {
    this.#repeated += repeated;
    for (const { result } of answers) raise(this.#results, result);
    for (const { reason } of rejects) raise(this.#reasons, reason);
    this.#seen += answers.length + rejects.length;
  }

  addGone(gone: readonly GoneRecord[]): void {
    for (const { result } of gone) raise(this.#gone, result);
  }

  /** Jobs that a plan no longer has, or whose time was missed. */
  get gone(): number {
    return [...this.#gone.values()].reduce((sum, count) => sum + count, 0);
  }

  get seen(): number {
    return this.#seen;
  }

  /** Records that brought a job or changed one. */
  get queued(): number {
    return this.of('queued') + this.of('superseded') + this.of('held') + this.of('changed-running');
  }

  of(result: AdmissionResult): number {
    return this.#results.get(result) ?? 0;
  }

  get rejected(): number {
    return [...this.#reasons.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Records whose key stood before in what this poll read: counted under their results like all others. */
  get repeated(): number {
    return this.#repeated;
  }

  /** True when a person would want to read about this poll: known records seen once more are no news. */
  get isNews(): boolean {
    const ignored = this.of('changed-ignored') + this.of('older-ignored');
    return this.queued + this.of('expired') + this.gone + ignored + this.rejected > 0;
  }

  /** `3 queued, 1 already queued, 2 rejected (schema 2)`. */
  describe(): string {
    const parts = [`${this.of('queued')} queued`];
    for (const [result, words] of WORDS) if (this.of(result) > 0) parts.push(`${this.of(result)} ${words}`);
    for (const [result, words] of GONE_WORDS) {
      const count = this.#gone.get(result) ?? 0;
      if (count > 0) parts.push(`${count} ${words}`);
    }
    if (this.unchanged > 0) parts.push(`${this.unchanged} unchanged`);
    if (this.rejected > 0) parts.push(this.describeRejects());
    return parts.join(', ');
  }

  /** `2 rejected (schema 2)`. */
  describeRejects(): string {
    const reasons = [...this.#reasons].map(([reason, count]) => `${reason} ${count}`);
    return `${this.rejected} rejected (${reasons.join(', ')})`;
  }

  /** `2 records repeat a key that stands there before; the last …`. */
  describeRepeated(onChange: 'ignore' | 'rerun'): string {
    const verb = this.#repeated === 1 ? 'record repeats' : 'records repeat';
    const which = onChange === 'rerun' ? 'last' : 'first';
    return `${this.#repeated} ${verb} a key that stands there before: the ${which} of each key counts (onChange: ${onChange})`;
  }

  /** For who adds up the tallies of many polls. */
  get parts(): {
    readonly results: ReadonlyMap<AdmissionResult, number>;
    readonly refused: ReadonlyMap<string, number>;
    readonly gone: ReadonlyMap<GoneRecord['result'], number>;
  } {
    return { results: this.#results, refused: this.#reasons, gone: this.#gone };
  }

  /** For the fields of the log line. */
  counts(): Record<string, number | Record<string, number>> {
    return {
      seen: this.#seen,
      ...(this.unchanged > 0 && { unchanged: this.unchanged }),
      ...Object.fromEntries(this.#results),
      ...Object.fromEntries(this.#gone),
      rejected: Object.fromEntries(this.#reasons),
      ...(this.#repeated > 0 && { repeated: this.#repeated }),
    };
  }
}

const WORDS: readonly (readonly [AdmissionResult, string])[] = [
  ['superseded', 'replaced by a newer version'],
  ['held', 'held back as a loop'],
  ['expired', 'expired: their end had passed'],
  ['changed-running', 'changed while they run: left to run'],
  ['already-running', 'running already'],
  ['already-queued', 'already queued'],
  ['already-done', 'already done'],
  ['changed-ignored', 'changed but ignored (onChange: ignore)'],
  ['older-ignored', 'older than the known version'],
];

const GONE_WORDS: readonly (readonly [GoneRecord['result'], string])[] = [
  ['withdrawn', 'withdrawn'],
  ['missed', 'missed: no worker was there'],
  ['left-running', 'no longer planned, and left to run'],
];

function raise<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
