/*
 * What the event loop does next, in memory that another thread can read: once the loop is blocked it can tell nobody.
 * Without memory (in commands, tests and other threads) a crumb costs one comparison.
 */

/** The steps that can block for long: they call the system, the database, or code of a user's making. */
const STEPS = [
  'loop',
  'intake.list',
  'intake.open',
  'intake.read',
  'intake.judge',
  'sqlite.read',
  'sqlite.write',
  'file.replace',
  'run.spawn',
] as const;
type StepName = (typeof STEPS)[number];

/** Words: turns of the loop, step, bytes of detail, "end". Then two doubles, then the detail as UTF-8. */
const TURNS = 0;
const STEP = 1;
const DETAIL_BYTES = 2;
const END = 3;
const OFFSET = 2;
const LENGTH = 3;
const DETAIL_AT = 32;
const MEMORY_BYTES = 1024;
const STEP_NUMBERS = new Map<StepName, number>(STEPS.map((name, number) => [name, number]));

/** Memory that two threads see alike: one leaves crumbs, the other reads them. */
export class CrumbMemory {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #numbers: Float64Array<SharedArrayBuffer>;
  readonly #detail: Buffer;
  #lastDetail: string | Buffer = '';

  constructor(shared = new SharedArrayBuffer(MEMORY_BYTES)) {
    this.shared = shared;
    this.#words = new Int32Array(shared, 0, 4);
    this.#numbers = new Float64Array(shared, 0, 4);
    this.#detail = Buffer.from(shared, DETAIL_AT);
  }

  leave(step: StepName, detail: string | Buffer, offset: number, lengthBytes: number): void {
    this.#words[STEP] = STEP_NUMBERS.get(step) ?? 0;
    this.#numbers[OFFSET] = offset;
    this.#numbers[LENGTH] = lengthBytes;
    // The records of one file come one after the other, with the same text for its path.
    if (detail === this.#lastDetail) return;
    this.#lastDetail = detail;
    this.#words[DETAIL_BYTES] =
      typeof detail === 'string' ? this.#detail.write(detail) : detail.copy(this.#detail);
  }

  /** The loop has turned: nothing of what it did before can be what blocks it now. */
  turn(): void {
    Atomics.add(this.#words, TURNS, 1);
    this.leave('loop', '', 0, 0);
  }

  turns(): number {
    return Atomics.load(this.#words, TURNS);
  }

  /** To be read while the loop stands still: only then do the parts belong together. */
  read(): Breadcrumb {
    return {
      step: STEPS[this.#words[STEP] ?? 0] ?? 'loop',
      detail: this.#detail.toString('utf8', 0, this.#words[DETAIL_BYTES]),
      offset: this.#numbers[OFFSET] ?? 0,
      lengthBytes: this.#numbers[LENGTH] ?? 0,
    };
  }

  /** Waits without a timer, which would wake the machine thirty times as often. True once `end` was called. */
  waitForEnd(forMs: number): boolean {
    return Atomics.wait(this.#words, END, 0, forMs) !== 'timed-out';
  }

  end(): void {
    Atomics.store(this.#words, END, 1);
    Atomics.notify(this.#words, END);
  }
}

export interface Breadcrumb {
  readonly step: StepName;
  /** A path, or the name of a task; empty where the step says all. */
  readonly detail: string;
  /** Of the record, where the step is about one. */
  readonly offset: number;
  readonly lengthBytes: number;
}

let memory: CrumbMemory | null = null;

/** From now on the crumbs of this thread are left there; null: nowhere. */
export function leaveCrumbsIn(next: CrumbMemory | null): void {
  memory = next;
}

/** To be called before what may block. */
export function breadcrumb(step: StepName, detail: string | Buffer = '', offset = 0, lengthBytes = 0): void {
  memory?.leave(step, detail, offset, lengthBytes);
}
