import type { EverySource } from '../../config/config.js';
import type { CursorRecord } from '../../store/intake-contract.js';
import type { Judge } from '../judge.js';
import { isRefusal } from '../refusal.js';
import type { Moment } from '../stamp.js';
import type { ReaderStatus, SourceReader, Step } from '../step.js';
import { Repeats } from './repeats.js';

const NOTHING_TO_READ: ReaderStatus = {
  problem: null,
  waitingFiles: 0,
  waitingPath: null,
  reading: null,
  settled: true,
};

/** One job that comes again and again: its one record stands in the config. */
export class EveryReader implements SourceReader {
  readonly #source: EverySource;
  readonly #judge: Judge;
  readonly #repeats: Repeats;

  constructor(source: EverySource, judge: Judge) {
    this.#source = source;
    this.#judge = judge;
    this.#repeats = new Repeats(source);
  }

  restore(cursors: readonly CursorRecord[]): void {
    this.#repeats.replace(new Map(), 0);
    this.#repeats.restore(cursors.find(({ path }) => path === this.#path)?.body);
  }

  recall(cursors: readonly CursorRecord[]): void {
    if (cursors.some(({ path }) => path === this.#path)) this.restore(cursors);
  }

  *poll(at: Moment): Generator<Step, void> {
    const changed = this.#repeats.isEmpty ? this.#begin(at) : [];
    const series = this.#repeats.names;
    const { records, missed, hasNews } = this.#repeats.look(at.wallMs);
    if (!hasNews && changed.length === 0) return;
    const all = [...changed, ...records];
    yield {
      records: all,
      rejects: [],
      rereadPaths: [],
      cursors: [{ path: this.#path, body: this.#repeats.encode() }],
      plan: { keys: all.map(({ key }) => key), series, missed },
    };
  }

  status(): ReaderStatus {
    return NOTHING_TO_READ;
  }

  /** The config may have changed since the last worker: then the open jobs change as well. */
  #begin(at: Moment): Step['records'] {
    const { name, path, payloadText } = this.#source;
    const raw = { bytes: Buffer.from(payloadText), fallbackKey: null, givenKey: name };
    const record = this.#judge({ ...raw, path, offset: 0, line: null }, 0, at.wallMs);
    if (isRefusal(record)) throw new Error(`the payload of ${name} is refused: ${record.detail}`);
    const { recurrence, ...plain } = record;
    if (recurrence === undefined) throw new Error(`${name} has no times`);
    return this.#repeats.replace(new Map([[name, { record: plain, recurrence }]]), at.wallMs);
  }

  /** Not that of a file: cursors of sources with files are named by those. */
  get #path(): string {
    return `every:${this.#source.name}`;
  }
}
