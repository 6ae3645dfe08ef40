import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { JobSummary } from '../../src/store/read-contract.js';
import { type Look, type WorldEvent, type WriterModel, worldEvents } from './model-world.js';

/*
 * A program that keeps its records in the files of one folder: it creates, replaces, adds, deletes, moves away and back,
 * by every way of writing there is, and its half-written states can be seen.
 */

export interface Layout {
  /** Records are known by their id, or by their file and their place in it. */
  readonly keyed: boolean;
  readonly after: 'keep' | 'archive' | 'delete';
  readonly padding: number;
}

export const layouts: fc.Arbitrary<Layout> = fc.record({
  keyed: fc.boolean(),
  after: fc.constantFrom('keep', 'keep', 'archive', 'delete'),
  padding: fc.constantFrom(0, 900),
});

/** `tear`: how much of it is written when somebody looks. */
type Writing = { readonly how: 'rename' | 'truncate' | 'overwrite'; readonly tear: number | null };

export type Operation =
  /** What was in the file is gone. With one record it holds an object, else an array. */
  | { readonly kind: 'write'; readonly file: number; readonly count: number; readonly writing: Writing }
  /** One of its records makes room for another of the same length. */
  | { readonly kind: 'replace'; readonly file: number; readonly at: number; readonly writing: Writing }
  | { readonly kind: 'add'; readonly file: number; readonly count: number; readonly writing: Writing }
  | { readonly kind: 'touch' | 'remove' | 'move away' | 'move back'; readonly file: number };

const file = fc.nat({ max: 3 });
const tear = fc.oneof(fc.constant(null), fc.double({ min: 0, max: 1, noNaN: true }));
const writing: fc.Arbitrary<Writing> = fc.record({
  how: fc.constantFrom('rename', 'truncate', 'overwrite', 'overwrite'),
  tear,
});
const count = fc.integer({ min: 1, max: 4 });

export const histories: fc.Arbitrary<(Operation | WorldEvent)[]> = fc.array(
  fc.oneof<fc.WeightedArbitrary<Operation | WorldEvent>[]>(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), file, count, writing }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('replace' as const),
        file,
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        writing,
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('add' as const), file, count, writing }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          'touch' as const,
          'remove' as const,
          'move away' as const,
          'move back' as const,
        ),
        file,
      }),
    },
    { weight: 7, arbitrary: worldEvents },
  ),
  { minLength: 3, maxLength: 16 },
);

type Content = string;

export class DirectoryModel implements WriterModel<Operation> {
  readonly #folder: string;
  readonly #elsewhere: string;
  readonly #layout: Layout;
  readonly #look: Look;
  readonly #onWrite: (path: string) => void;
  readonly #files = new Map<string, readonly Content[]>();
  readonly #away = new Map<string, readonly Content[]>();
  readonly #written = new Set<Content>();
  /** Names that somebody has looked at since they were written. */
  readonly #seen = new Set<string>();
  #made = 0;

  constructor(folder: string, layout: Layout, look: Look, onWrite: (path: string) => void) {
    this.#folder = join(folder, 'in');
    this.#elsewhere = join(folder, 'elsewhere');
    this.#layout = layout;
    this.#look = look;
    this.#onWrite = onWrite;
  }

  begin(): void {
    mkdirSync(this.#folder);
    mkdirSync(this.#elsewhere);
  }

  seen(): void {
    for (const name of this.#files.keys()) this.#seen.add(name);
  }

  forget(): void {
    this.#seen.clear();
  }

  async apply(operation: Operation): Promise<void> {
    const name = `f${operation.file}.json`;
    const present = this.#files.get(name);
    switch (operation.kind) {
      case 'write':
        return this.#write(name, this.#fresh(operation.count), operation.writing);
      case 'add':
        return this.#write(name, [...(present ?? []), ...this.#fresh(operation.count)], operation.writing);
      case 'replace': {
        if (present === undefined) return;
        const at = Math.min(present.length - 1, Math.floor(operation.at * present.length));
        return this.#write(name, present.with(at, ...(this.#fresh(1) as [string])), operation.writing);
      }
      case 'touch':
        if (!existsSync(this.#path(name))) return;
        utimesSync(this.#path(name), 1, 1);
        this.#onWrite(this.#path(name));
        return;
      case 'remove':
        rmSync(this.#path(name), { force: true });
        this.#files.delete(name);
        return;
      case 'move away':
        if (present === undefined || !existsSync(this.#path(name))) return;
        renameSync(this.#path(name), join(this.#elsewhere, name));
        this.#away.set(name, present);
        this.#files.delete(name);
        return;
      case 'move back': {
        const away = this.#away.get(name);
        if (away === undefined) return;
        renameSync(join(this.#elsewhere, name), this.#path(name));
        this.#away.delete(name);
        this.#files.set(name, away);
        this.#seen.delete(name);
        return;
      }
      default:
    }
  }

  findWrong(jobs: readonly JobSummary[]): string[] {
    const payloads = new Map<string, Content[]>();
    const wrong: string[] = [];
    for (const job of jobs) {
      const content = job.payload.bytes.toString();
      if (!this.#written.has(content)) wrong.push(`invented: ${content.slice(0, 200)}`);
      const key = this.#layout.keyed ? content : job.key;
      payloads.set(key, [...(payloads.get(key) ?? []), content]);
    }
    for (const [key, contents] of payloads)
      if (contents.length > 1) wrong.push(`twice: ${key.slice(0, 200)}`);
    for (const [name, records] of this.#files) {
      for (const [n, content] of records.entries()) {
        const place = records.length === 1 ? name : `${name}#${n}`;
        const admitted = payloads.get(this.#layout.keyed ? content : place) ?? [];
        if (!admitted.includes(content)) wrong.push(`lost: ${place} ${content.slice(0, 200)}`);
      }
      if (this.#layout.after === 'keep' && readFileSync(this.#path(name), 'utf8') !== textOf(records))
        wrong.push(`altered: ${name}`);
    }
    return wrong.slice(0, 5);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  async #write(name: string, records: readonly Content[], { how, tear }: Writing): Promise<void> {
    const path = this.#path(name);
    const text = textOf(records);
    const isOver = how === 'overwrite' && existsSync(path);
    let tearAt = tear;
    if (isOver && tear !== null) {
      // As for a log: bytes that nobody has seen cannot be told from what is written over them.
      for (let n = 0; n < 3 && !this.#seen.has(name); n += 1) if (await this.#look()) this.#seen.add(name);
      if (!this.#seen.has(name)) tearAt = null;
    }
    this.#files.set(name, records);
    this.#seen.delete(name);
    if (how === 'rename') {
      writeFileSync(`${path}.tmp`, text);
      renameSync(`${path}.tmp`, path);
      this.#onWrite(path);
      return;
    }
    // The look before may have archived it.
    await this.#writeTorn(path, isOver && existsSync(path) ? 'r+' : 'w', text, tearAt);
  }

  async #writeTorn(path: string, flags: string, text: string, tearAt: number | null): Promise<void> {
    const bytes = Buffer.from(text);
    const fd = openSync(path, flags);
    try {
      // Whoever opens a file and waits may find that it was archived meanwhile; whoever has begun to write does not.
      const first = tearAt === null ? bytes.length : Math.max(1, Math.floor(bytes.length * tearAt));
      writeSync(fd, bytes, 0, first, 0);
      this.#onWrite(path);
      if (tearAt !== null) await this.#look();
      writeSync(fd, bytes, first, bytes.length - first, first);
      ftruncateSync(fd, bytes.length);
      this.#onWrite(path);
    } finally {
      closeSync(fd);
    }
  }

  #fresh(many: number): Content[] {
    return Array.from({ length: many }, () => {
      this.#made += 1;
      const id = `r${String(this.#made).padStart(6, '0')}`;
      const proof = createHash('sha256').update(id).digest('hex');
      const text = `a "quoted" \\ [file] ${id.repeat(this.#layout.padding / 7)}`;
      const content = JSON.stringify({ id, proof, text, proof2: proof });
      this.#written.add(content);
      return content;
    });
  }
}

function textOf(records: readonly Content[]): string {
  return records.length === 1 ? (records[0] ?? '') : `[${records.join(', ')}]`;
}
