import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { AdmissionAnswer, AdmissionResult } from '../store/intake-contract.js';
import type { AdmissionDoor } from './admit.js';
import { ChangeHold, countRepeated } from './change-hold.js';
import type { RejectCopies } from './reject-copies.js';
import type { Step } from './step.js';
import { StepBatch } from './step-batch.js';
import { PollTally } from './tally.js';
import { turnOfLoop } from './turn-of-loop.js';

export interface PollAdmissionParts {
  readonly source: { readonly name: string };
  readonly door: AdmissionDoor;
  readonly copies: RejectCopies;
  readonly clock: Clock;
  readonly log: Log;
  readonly onQueued: () => void;
}

/** What the dispatcher must know of: jobs that are due now, or at another time than before. */
const CHANGED: ReadonlySet<AdmissionResult> = new Set(['queued', 'superseded', 'held', 'expired']);

/** The steps of one poll on their way through the door: a few in one transaction, changes after everything else. */
export class PollAdmission {
  readonly tally = new PollTally();
  /** Those of which something was admitted. */
  readonly paths = new Set<string>();
  readonly #parts: PollAdmissionParts;
  readonly #cycle: string;
  readonly #batch = new StepBatch();
  readonly #hold = new ChangeHold();

  constructor(parts: PollAdmissionParts, cycle: string) {
    this.#parts = parts;
    this.#cycle = cycle;
  }

  /** Takes one more step. False: another reader moved a cursor first, and the poll is to end here. */
  async take(step: Step): Promise<boolean> {
    if (!this.#batch.accepts(step) && !(await this.flush())) return false;
    this.#batch.add(step);
    return true;
  }

  /** Admits what was gathered. False as in `take`. */
  async flush(): Promise<boolean> {
    if (this.#batch.isEmpty) return true;
    const { clock } = this.#parts;
    const step = this.#batch.take();
    const startMs = clock.monotonicMs();
    const answers = await this.#admit(this.#hold.asking(step));
    if (answers === null) return false;
    this.#batch.tune(step, clock.monotonicMs() - startMs);
    this.tally.add(this.#hold.answered(step, answers), step.rejects);
    for (const { path } of step.cursors) this.paths.add(path);
    return !this.#hold.isFull || (await this.release());
  }

  /** Admits the changes that were held until everything was read. False as in `take`. */
  async release(): Promise<boolean> {
    for (const { repeated, ...step } of this.#hold.rest()) {
      await turnOfLoop();
      const answers = await this.#admit(step);
      if (answers === null) return false;
      this.tally.add({ answers, repeated: repeated + countRepeated(answers) }, []);
    }
    return true;
  }

  /** Whether something is still held: its cursors have not moved, so it is to be read again. */
  get isHolding(): boolean {
    return !this.#hold.isEmpty;
  }

  /** null: another reader moved a cursor first, and nothing was written. */
  async #admit(step: Step): Promise<readonly AdmissionAnswer[] | null> {
    const { source, door, copies, clock, log, onQueued } = this.#parts;
    const report = await door.admit(step, this.#cycle, clock.wallMs());
    if (!report.committed) {
      log.warn(
        { source: source.name, path: report.conflictPath },
        'another reader moved this cursor; reading again',
      );
      return null;
    }
    copies.keep(source.name, step.rejects);
    if (report.gone !== undefined) this.tally.addGone(report.gone);
    if (report.answers.some(({ result }) => CHANGED.has(result))) onQueued();
    return report.answers;
  }
}
