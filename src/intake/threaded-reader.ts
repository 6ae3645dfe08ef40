import { Worker } from 'node:worker_threads';
import type { SourceConfig, TaskConfig } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import { durationText } from '../platform/duration-text.js';
import type { CursorRecord } from '../store/intake-contract.js';
import type { ThreadAnswer, ThreadData, ThreadRequest } from './reader-thread.js';
import type { Moment } from './stamp.js';
import type { PolledReader, ReaderStatus, Step } from './step.js';

/** A slice takes milliseconds; whoever says nothing for so long hangs. */
const SILENT_MS = 5_000;

const NOTHING_READ: ReaderStatus = {
  problem: null,
  waitingFiles: 0,
  waitingPath: null,
  reading: null,
  settled: false,
};

/**
 * A reader for a source on a network mount: it works in a thread, where a server that does not answer holds up this source
 * alone. While it is silent the status says so; when it answers again, the poll goes on where it stood.
 */
export class ThreadedReader implements PolledReader {
  readonly #data: ThreadData;
  readonly #clock: Clock;
  #thread: Worker | null = null;
  #cursors: readonly CursorRecord[] = [];
  #status: ReaderStatus = NOTHING_READ;
  #waiting: { readonly sinceMs: number; readonly settle: PromiseWithResolvers } | null = null;

  constructor(source: SourceConfig, tasks: readonly TaskConfig[], clock: Clock) {
    this.#data = { source, tasks };
    this.#clock = clock;
  }

  restore(cursors: readonly CursorRecord[]): void {
    this.#cursors = cursors;
    if (this.#thread !== null) this.#post({ ask: 'restore', cursors });
  }

  recall(cursors: readonly CursorRecord[]): void {
    this.#cursors = [...this.#cursors, ...cursors];
    if (this.#thread !== null) this.#post({ ask: 'recall', cursors });
  }

  /** `at` is not used: times are the thread's own. */
  async *poll(_at: Moment, thorough: boolean): AsyncGenerator<Step, void> {
    if (this.#thread === null) this.#start();
    let isOver = false;
    try {
      for (let request: ThreadRequest = { ask: 'poll', thorough }; ; request = { ask: 'next' }) {
        const { step, status } = await this.#ask(request);
        this.#status = status;
        isOver = step === null;
        if (step === null) return;
        yield revived(step);
      }
    } finally {
      if (!isOver && this.#thread !== null) this.#post({ ask: 'end' });
    }
  }

  status(): ReaderStatus {
    const silentMs = this.#waiting === null ? 0 : this.#clock.monotonicMs() - this.#waiting.sinceMs;
    if (silentMs < SILENT_MS) return this.#status;
    const problem = `${this.#data.source.path}: the mount has not answered for ${durationText(silentMs)}: look at its server`;
    return { ...this.#status, problem, settled: false };
  }

  close(): void {
    const thread = this.#thread;
    this.#thread = null;
    this.#fail(new Error('the reader was closed'));
    // A thread that hangs in the kernel cannot be ended; it must not keep the process from ending, either.
    void thread?.terminate();
  }

  #start(): void {
    const thread = new Worker(new URL('./reader-thread.js', import.meta.url), { workerData: this.#data });
    thread.unref();
    this.#thread = thread;
    thread.on('message', (answer: ThreadAnswer) => this.#waiting?.settle.resolve(answer));
    thread.on('error', (error) => this.#lose(thread, error));
    thread.on('exit', (code) => this.#lose(thread, new Error(`the reading thread ended with code ${code}`)));
    this.#post({ ask: 'restore', cursors: this.#cursors });
  }

  #ask(request: ThreadRequest): Promise<ThreadAnswer> {
    const answer = new Promise<ThreadAnswer>((resolve, reject) => {
      this.#waiting = { sinceMs: this.#clock.monotonicMs(), settle: { resolve, reject } };
    });
    this.#post(request);
    return answer.finally(() => {
      this.#waiting = null;
    });
  }

  #post(request: ThreadRequest): void {
    this.#thread?.postMessage(request);
  }

  /** The next poll begins with a new thread, from what the store remembers. */
  #lose(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#waiting?.settle.reject(error);
  }
}

interface PromiseWithResolvers {
  resolve(answer: ThreadAnswer): void;
  reject(error: Error): void;
}

/** Between threads a Buffer becomes a plain array of bytes. */
function revived(step: Step): Step {
  return {
    ...step,
    records: step.records.map((record) => ({
      ...record,
      version: { ...record.version, hash: asBuffer(record.version.hash) },
      payload: { bytes: asBuffer(record.payload.bytes), hash: asBuffer(record.payload.hash) },
    })),
    rejects: step.rejects.map((reject) => ({
      ...reject,
      digest: asBuffer(reject.digest),
      copy: asBuffer(reject.copy),
    })),
  };
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
