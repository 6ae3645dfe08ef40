import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { AdmissionAnswer, AdmissionReport } from '../store/intake-contract.js';
import { refusalOf } from '../store/verdict.js';
import { BrokenHandOff } from '../trace/broken-hand-off.js';
import type { BatchTrace, CycleTrace } from '../trace/cycle-trace.js';
import { type Guard, guardOf, joinGuards } from '../trace/guard.js';
import type { ReadBook } from '../trace/read-book.js';
import { sayRecords } from '../trace/say.js';
import { joinSeals, NO_SEAL, type Seal, sealedPart, sealOf } from '../trace/seal.js';
import type { AdmissionDoor } from './admit.js';
import { ChangeHold, canWait, countRepeated } from './change-hold.js';
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
  /** Where dispatch tells what it has read of the queue. */
  readonly reads?: ReadBook | undefined;
  /** false: hand-offs are not traced. For benchmarks alone, which tell what that costs. */
  readonly isTraced?: boolean | undefined;
}

/** Of the batch that is admitted next, as far as it is not known from its records. */
type Look = Pick<BatchTrace, 'seal' | 'guard' | 'holdsChanges' | 'isSecondLook'>;

/** The steps of one poll on their way through the door: a few in one transaction, changes after everything else. */
export class PollAdmission {
  readonly tally = new PollTally();
  /** Those of which something was admitted. */
  readonly paths = new Set<string>();
  readonly #parts: PollAdmissionParts;
  readonly #cycle: string;
  readonly #batch = new StepBatch();
  readonly #hold = new ChangeHold();

  /** One for each step of the batch. */
  #seals: Seal[] = [];
  #guards: Guard[] = [];
  #sealedAtMs = 0;
  #trace: CycleTrace | null = null;
  /** Of the batch: what its plan has beside its records. */
  #unchanged = 0;
  /** Records that were admitted so far: the index of the next one. */
  #said = 0;

  constructor(parts: PollAdmissionParts, cycle: string) {
    this.#parts = parts;
    this.#cycle = cycle;
  }

  /** What this poll came to at each hand-off; null as long as it has found nothing. */
  get trace(): CycleTrace | null {
    return this.#trace;
  }

  /** Takes one more step. False: another reader moved a cursor first, and the poll is to end here. */
  async take(step: Step): Promise<boolean> {
    const isTraced = this.#parts.isTraced !== false && step.records.length > 0;
    const seal = isTraced ? sealOf(step.records) : NO_SEAL;
    const guard = isTraced ? guardOf(step.records) : null;
    const sealedAtMs = this.#parts.clock.wallMs();
    if (!this.#batch.accepts(step) && !(await this.flush())) return false;
    this.tally.unchanged += step.unchanged ?? 0;
    this.#unchanged += step.unchanged ?? 0;
    this.#batch.add(step);
    if (step.records.length + step.rejects.length > 0 || step.plan !== undefined)
      this.#sealedAtMs = sealedAtMs;
    if (guard !== null) {
      this.#seals.push(seal);
      this.#guards.push(guard);
    }
    return true;
  }

  /** Admits what was gathered. False as in `take`. */
  async flush(): Promise<boolean> {
    if (this.#batch.isEmpty) return true;
    const { clock } = this.#parts;
    const step = this.#batch.take();
    const seal = joinSeals(this.#seals.splice(0));
    const startMs = clock.monotonicMs();
    const guard = joinGuards(this.#guards.splice(0));
    const look = { seal, guard, holdsChanges: step.records.some(canWait), isSecondLook: false };
    const answers = await this.#admit(this.#hold.asking(step), look);
    if (answers === null) return false;
    this.#batch.tune(step, clock.monotonicMs() - startMs);
    this.tally.add(this.#hold.answered(step, answers, seal), step.rejects);
    for (const { path } of step.cursors) this.paths.add(path);
    return !this.#hold.isFull || (await this.release());
  }

  /** Admits the changes that were held until everything was read. False as in `take`. */
  async release(): Promise<boolean> {
    for (const { repeated, seal, ...step } of this.#hold.rest()) {
      await turnOfLoop();
      const answers = await this.#admit(step, { seal, holdsChanges: false, isSecondLook: true });
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
  async #admit(step: Step, look: Look): Promise<readonly AdmissionAnswer[] | null> {
    const { source, copies, clock, log, onQueued } = this.#parts;
    const report = await this.#hand(step, look, clock.wallMs());
    if (!report.committed) {
      log.warn(
        { source: source.name, path: report.conflictPath },
        'another reader moved this cursor; reading again',
      );
      return null;
    }
    sayRecords(log, { cycle: this.#cycle, source: source.name }, step.records, report.answers, this.#said);
    this.#said += step.records.length;
    this.#trace = report.trace ?? this.#trace;
    copies.keep(source.name, step.rejects);
    const { answers } = report;
    if (report.gone !== undefined) this.tally.addGone(report.gone);
    if (answers.some(({ result }) => refusalOf(result) === null)) {
      this.#expectReads(answers, look.seal);
      onQueued();
    }
    return answers;
  }

  async #hand(step: Step, look: Look, nowMs: number): Promise<AdmissionReport> {
    const { door, isTraced } = this.#parts;
    if (isTraced === false) return door.admit(step, this.#cycle, nowMs);
    const outrun = this.#hold.takeOutrun();
    const unchanged = this.#unchanged;
    this.#unchanged = 0;
    const trace = { ...look, outrun, unchanged, soFar: this.#trace, sealedAtMs: this.#sealedAtMs };
    try {
      return await door.admit(step, this.#cycle, nowMs, trace);
    } catch (error) {
      if (error instanceof BrokenHandOff) this.#trace = error.trace;
      throw error;
    }
  }

  #expectReads(answers: readonly AdmissionAnswer[], seal: Seal): void {
    this.#parts.reads?.expect(this.#cycle, this.#parts.source.name, () =>
      answers.flatMap(({ result, id }, n) =>
        refusalOf(result) !== null || id === null ? [] : [[id, sealedPart(seal, n)] as const],
      ),
    );
  }
}
