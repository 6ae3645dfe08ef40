import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  renameSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import type { JobSummary } from '../../src/store/read-contract.js';
import { type Look, type WorldEvent, type WriterModel, worldEvents } from './model-world.js';

/*
 * A program that keeps records in one file, as real ones do: it appends, prunes, replaces and empties, by every way of
 * writing there is, and its half-written states can be seen. The model knows what the file means at each moment.
 */

export interface Layout {
  readonly format: 'array' | 'ndjson';
  readonly indent: number | undefined;
  /** Records are known by their id, or by their content alone. */
  readonly keyed: boolean;
  /** Bytes of padding in each record: enough of it and a change in the middle touches neither head nor tail. */
  readonly padding: number;
}

export const layouts: fc.Arbitrary<Layout> = fc.record({
  format: fc.constantFrom('array', 'ndjson'),
  indent: fc.constantFrom(undefined, 1),
  keyed: fc.boolean(),
  padding: fc.constantFrom(0, 900),
});

/** How a new document takes the place of the old one. `tear`: how much of it is written when somebody looks. */
export type Writing =
  | { readonly how: 'rename' }
  /** Two files that change places: A, B, A, B. */
  | { readonly how: 'swap' }
  | { readonly how: 'truncate'; readonly tear: number | null }
  | { readonly how: 'overwrite'; readonly tear: number | null }
  | { readonly how: 'tail'; readonly tear: number | null };

export type Operation =
  | { readonly kind: 'append'; readonly count: number; readonly writing: Writing }
  | { readonly kind: 'prune'; readonly keep: number; readonly append: number; readonly writing: Writing }
  /** A record in the middle makes room for a new one of the same length, and more are appended in the same write. */
  | { readonly kind: 'replace'; readonly at: number; readonly append: number; readonly writing: Writing }
  /** As logrotate does it: `log.1` becomes `log.2`, the log becomes `log.1`, and a new log begins. */
  | { readonly kind: 'rotate'; readonly append: number }
  | { readonly kind: 'empty' }
  | { readonly kind: 'touch' };

// Often near the end, where the new records are.
const tear = fc.oneof(
  fc.constant(null),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: 0.85, max: 1, noNaN: true }),
);
const writing: fc.Arbitrary<Writing> = fc.oneof(
  fc.constant({ how: 'rename' as const }),
  fc.constant({ how: 'swap' as const }),
  fc.record({ how: fc.constantFrom('truncate' as const, 'overwrite' as const), tear }),
);
const anyWriting = fc.oneof(writing, fc.record({ how: fc.constant('tail' as const), tear }));
const fraction = fc.double({ min: 0, max: 1, noNaN: true });

export const histories: fc.Arbitrary<(Operation | WorldEvent)[]> = fc.array(
  fc.oneof<fc.WeightedArbitrary<Operation | WorldEvent>[]>(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 5 }),
        writing: anyWriting,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('prune' as const),
        keep: fraction,
        append: fc.nat({ max: 3 }),
        writing,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('replace' as const),
        at: fc.oneof(fraction, fc.double({ min: 0.3, max: 0.7, noNaN: true })),
        append: fc.nat({ max: 3 }),
        writing,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Operation>({ kind: 'empty' }, { kind: 'touch' }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('rotate' as const), append: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 7, arbitrary: worldEvents },
  ),
  { minLength: 3, maxLength: 16 },
);

export type Content = string;

/** Writes the file and remembers what it meant. `look` is called at each half-written state. */
export class LogModel implements WriterModel<Operation> {
  readonly #path: string;
  readonly #layout: Layout;
  readonly #look: Look;
  /** Called after each change of the file. */
  readonly #onWrite: (path: string) => void;
  #records: Content[] = [];
  /** Until somebody has looked, what is rotated away is nobody's; half a look is forgotten with the worker. */
  #known: 'never' | 'half' | 'whole' = 'never';
  /** What was rotated away since: read or not, it must come through. */
  readonly #rotated: Content[] = [];
  #generations = 0;
  /** Its mtime says that it was written long ago: rotated before anybody looks, it cannot be told from an old generation. */
  #isBackdated = false;
  #made = 0;
  /** Whether somebody has looked at the file since it was written. */
  #seen = false;
  /** How often each content was ever written by the program, however often it wrote it down again. */
  readonly #written = new Map<Content, number>();

  constructor(path: string, layout: Layout, look: Look, onWrite: (path: string) => void) {
    this.#path = path;
    this.#layout = layout;
    this.#look = async () => {
      const hasSeen = await look();
      if (hasSeen && this.#known === 'never') this.#known = 'half';
      return hasSeen;
    };
    this.#onWrite = onWrite;
  }

  seen(): void {
    this.#seen = true;
    this.#known = 'whole';
    this.#isBackdated = false;
  }

  forget(): void {
    this.#seen = false;
    if (this.#known === 'half') this.#known = 'never';
  }

  findWrong(jobs: readonly JobSummary[]): string[] {
    const admitted = countOf(jobs.map((job) => job.payload.bytes.toString()));
    const wrong: string[] = [];
    for (const [content, count] of admitted) {
      const written = this.#written.get(content) ?? 0;
      const what = written === 0 ? 'invented' : `admitted ${count} times, written ${written} times`;
      if (count > written) wrong.push(`${what}: ${content.slice(0, 200)}`);
    }
    // Without ids what was rotated away is told from a copy by its place only, which a later rewrite makes forgotten. And
    // what was never seen before it was rotated is read once the new log begins.
    const owesRotated = this.#layout.keyed && this.#records.length > 0;
    const owed = countOf(owesRotated ? [...this.#records, ...this.#rotated] : this.#records);
    for (const [content, count] of owed) {
      if ((admitted.get(content) ?? 0) < count) wrong.push(`lost: ${content.slice(0, 200)}`);
    }
    return wrong.slice(0, 5);
  }

  /** A first document that is whole. */
  begin(): void {
    this.#records = this.#fresh(20);
    writeFileSync(this.#path, this.#text(this.#records));
    this.#onWrite(this.#path);
  }

  async apply(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'append':
        return this.#write([...this.#records, ...this.#fresh(operation.count)], operation.writing);
      case 'prune': {
        const kept = this.#records.slice(Math.ceil(this.#records.length * (1 - operation.keep)));
        return this.#write([...kept, ...this.#fresh(operation.append)], operation.writing);
      }
      case 'replace': {
        const next = [...this.#records];
        const at = Math.floor(operation.at * next.length);
        const [fresh] = this.#fresh(1);
        if (fresh !== undefined && next[at] !== undefined) next[at] = fresh;
        return this.#write([...next, ...this.#fresh(operation.append)], operation.writing);
      }
      case 'empty':
        return this.#write([], { how: 'truncate', tear: null });
      case 'rotate':
        return this.#rotate(operation.append);
      case 'touch':
        utimesSync(this.#path, 1, 1);
        this.#isBackdated = true;
        this.#onWrite(this.#path);
        return;
      default:
    }
  }

  #rotate(count: number): void {
    for (let n = this.#generations; n >= 1; n -= 1)
      renameSync(`${this.#path}.${n}`, `${this.#path}.${n + 1}`);
    this.#generations += 1;
    renameSync(this.#path, `${this.#path}.1`);
    if (this.#known !== 'never' && !this.#isBackdated) this.#rotated.push(...this.#records);
    this.#records = this.#fresh(count);
    this.#seen = false;
    writeFileSync(this.#path, this.#text(this.#records));
    this.#onWrite(this.#path);
  }

  async #write(next: Content[], wanted: Writing): Promise<void> {
    const before = this.#text(this.#records);
    const text = this.#text(next);
    // What nobody has seen yet is taken as it stands: bytes that are first seen in the midst of being overwritten, without
    // having been truncated, cannot be told from whole ones. That is the one limit of settling.
    let writing = wanted;
    if ('tear' in wanted && wanted.tear !== null) {
      for (let n = 0; n < 3 && !this.#seen; n += 1) this.#seen = await this.#look();
      if (!this.#seen) writing = { ...wanted, tear: null };
    }
    this.#records = next;
    this.#seen = false;
    switch (writing.how) {
      case 'rename':
        writeFileSync(`${this.#path}.new`, text);
        renameSync(`${this.#path}.new`, this.#path);
        this.#onWrite(this.#path);
        return;
      case 'swap':
        this.#swap(text);
        return;
      case 'truncate':
        return this.#writeTorn('w', text, 0, writing.tear);
      case 'overwrite':
        return this.#writeTorn('r+', text, 0, writing.tear);
      case 'tail': {
        // As far as both are equal nothing is written: an append in the strict sense, or a seek before the bracket.
        let same = 0;
        while (same < before.length && before[same] === text[same]) same += 1;
        return this.#writeTorn('r+', text.slice(same), same, writing.tear);
      }
    }
  }

  /** Written over the file that was the log before this one, which keeps its inode. */
  #swap(text: string): void {
    const spare = join(dirname(this.#path), 'spare');
    const aside = join(dirname(this.#path), 'aside');
    if (!existsSync(spare)) writeFileSync(spare, '');
    writeFileSync(spare, text);
    this.#onWrite(spare);
    renameSync(this.#path, aside);
    renameSync(spare, this.#path);
    renameSync(aside, spare);
  }

  async #writeTorn(flags: string, text: string, position: number, tearAt: number | null): Promise<void> {
    const bytes = Buffer.from(text);
    const fd = openSync(this.#path, flags);
    try {
      const first = tearAt === null ? bytes.length : Math.floor(bytes.length * tearAt);
      writeSync(fd, bytes, 0, first, position);
      this.#onWrite(this.#path);
      if (tearAt !== null) await this.#look();
      writeSync(fd, bytes, first, bytes.length - first, position + first);
      ftruncateSync(fd, position + bytes.length);
      this.#onWrite(this.#path);
    } finally {
      closeSync(fd);
    }
  }

  #fresh(count: number): Content[] {
    return Array.from({ length: count }, () => {
      this.#made += 1;
      // Without ids contents repeat, so that their number matters.
      const n = this.#layout.keyed ? this.#made : (this.#made * 7) % 5;
      const id = `r${String(n).padStart(6, '0')}`;
      const proof = createHash('sha256').update(id).digest('hex');
      const content = JSON.stringify({
        id,
        proof,
        text: `a "quoted" \\ [line] ${id.repeat(this.#layout.padding / 7)}`,
        proof2: proof,
      });
      this.#written.set(content, (this.#written.get(content) ?? 0) + 1);
      return content;
    });
  }

  #text(records: Content[]): string {
    if (this.#layout.format === 'ndjson') return records.map((record) => `${record}\n`).join('');
    return JSON.stringify(
      records.map((record) => JSON.parse(record)),
      null,
      this.#layout.indent,
    );
  }
}

function countOf(contents: Iterable<Content>): Map<Content, number> {
  const counts = new Map<Content, number>();
  for (const content of contents) counts.set(content, (counts.get(content) ?? 0) + 1);
  return counts;
}
