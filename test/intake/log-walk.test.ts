import { isAscii } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { LeafList } from '../../src/intake/leaf-list.js';
import type { FoundValue } from '../../src/intake/log-sink.js';
import { LogWalk } from '../../src/intake/log-walk.js';
import { SliceBudget } from '../../src/intake/step.js';
import { FakeClock } from '../support/fake-clock.js';

/** Reads from memory: these tests are about where values end, not about files. */
function inMemory(content: () => Buffer): FileAccess {
  return {
    ...systemFiles,
    read: (_fd, into, length, position) =>
      content().copy(
        into,
        0,
        Math.min(position, content().length),
        Math.min(content().length, position + length),
      ),
  };
}

/** Walks over a content that can grow, and keeps what was found. */
function walkOver(initial: string | Buffer, { maxRecordBytes = 1_000_000, parse = false } = {}) {
  let content = Buffer.from(initial);
  const values: string[] = [];
  const offsets: number[] = [];
  const lines: (number | null)[] = [];
  const oversized: { offset: number; length: number; line: number | null }[] = [];
  const nuls: string[] = [];
  let passed = Buffer.alloc(0);
  const sink = {
    value({ bytes, offset, line, isAscii: saidAscii }: FoundValue) {
      expect(!saidAscii || isAscii(bytes)).toBe(true);
      if (parse && !parses(bytes.toString())) return false;
      values.push(bytes.toString());
      offsets.push(offset);
      lines.push(line);
      return true;
    },
    tooLarge: ({ offset, line }: FoundValue, length: number) => void oversized.push({ offset, length, line }),
    nulBytes: ({ bytes }: FoundValue) => void nuls.push(bytes.toString()),
    passed: (bytes: Buffer) => {
      passed = Buffer.concat([passed, bytes]);
    },
  };
  const parts = {
    files: inMemory(() => content),
    sink,
    budget: new SliceBudget(new FakeClock(), 500),
    maxRecordBytes,
  };
  const walk = new LogWalk({ format: null, offset: 0, lines: 0 }, parts);
  return {
    walk,
    values,
    offsets,
    lines,
    oversized,
    nuls,
    set(next: string | Buffer) {
      content = Buffer.from(next);
    },
    run(guard: LeafList | null = null) {
      walk.reopened(0);
      for (;;) {
        const end = walk.turn(0, content.length, guard !== null && walk.offset < guard.length ? guard : null);
        expect(passed.equals(content.subarray(0, walk.offset))).toBe(true);
        if (end !== 'more') return end;
      }
    },
  };
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const RECORDS = [
  '{"a":"},]\\"","b":[1,{"c":2}]}',
  '"te\\\\xt"',
  '12.5e3',
  'null',
  '[]',
  '[[1],"]"]',
  '{"ü":"😀"}',
];

describe('walking over a log', () => {
  it('that is cut at any byte finds each record once, when the rest arrives', () => {
    const documents: [string, string][] = [
      [`[${RECORDS.join(',')}]`, 'array'],
      [` [ \n ${RECORDS.join(' ,\n')}\n ] \n`, 'array'],
      [`\ufeff[${RECORDS.join(', ')}]`, 'array'],
      [`${RECORDS.slice(0, 1).join('\n')}\n${RECORDS.join('\r\n')}\n`, 'ndjson'],
      [`\ufeff\n${RECORDS[0]}\n\n  ${RECORDS[1]} \n`, 'ndjson'],
      [`\n\n[${RECORDS[0]}]`, 'array'],
    ];
    for (const [text, format] of documents) {
      const whole = Buffer.from(text);
      const expected = walkOver(whole);
      expect(expected.run()).toBe('whole');
      expect(expected.walk.format).toBe(format);
      for (let cut = 0; cut < whole.length; cut += 1) {
        const torn = walkOver(whole.subarray(0, cut));
        torn.run();
        torn.set(whole);
        expect([cut, torn.run()]).toEqual([cut, 'whole']);
        expect(torn.values).toEqual(expected.values);
        expect(torn.offsets).toEqual(expected.offsets);
        expect(torn.lines).toEqual(expected.lines);
      }
    }
  });

  it('in windows smaller than the document finds what JSON.parse finds, in flat memory', () => {
    const record = fc.record({ id: fc.integer(), text: fc.string({ maxLength: 60 }) });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 30 }),
        fc.boolean(),
        fc.constantFrom(undefined, 2),
        (records, asArray, indent) => {
          // A record of 100 KB between them makes windows end anywhere.
          const all = records.flatMap((one) => [one, { id: 0, text: 'x'.repeat(100_000) }]);
          const text = asArray
            ? JSON.stringify(all, null, indent)
            : all.map((one) => `${JSON.stringify(one)}\n`).join('');
          const walked = walkOver(text);
          expect(walked.run()).toBe('whole');
          expect(walked.values.map((value) => JSON.parse(value))).toEqual(all);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('passes over a record that is too large, however often its end is waited for, and takes its neighbours', () => {
    const large = JSON.stringify({ id: 2, text: 'y"\\'.repeat(300_000) });
    for (const [head, gap, tail] of [
      ['[{"id":1}', ',', ',{"id":3}]'],
      ['{"id":1}', '\n', '\n{"id":3}\n'],
    ] as const) {
      const whole = `${head}${gap}${large}${tail}`;
      const walked = walkOver('', { maxRecordBytes: 10_000 });
      for (let length = 100_000; length < whole.length; length += 333_331) {
        walked.set(whole.slice(0, length));
        expect(walked.run()).toBe('open');
      }
      walked.set(whole);
      expect(walked.run()).toBe('whole');
      expect(walked.values).toEqual(['{"id":1}', '{"id":3}']);
      expect(walked.oversized).toMatchObject([{ offset: whole.indexOf(large), length: large.length }]);
    }
  });

  it('looks at an oversized record afresh when it has changed before its end was seen', () => {
    const walked = walkOver('', { maxRecordBytes: 1_000 });
    walked.set(`[{"text":"${'y'.repeat(500_000)}`);
    expect(walked.run()).toBe('open');
    walked.set(`[{"id":1},{"id":2}${' '.repeat(500_000)}]`);
    walked.run();
    expect(walked.values).toEqual(['{"id":1}', '{"id":2}']);
  });

  it('ends its look when the file is cut off under it in the midst of an oversized record, and reads on afterwards', () => {
    const walked = walkOver('', { maxRecordBytes: 1_000 });
    const text = `{"id":1}\n{"text":"${'y'.repeat(8_000_000)}`;
    walked.set(text);
    for (let n = 0; n < 4; n += 1) expect(walked.walk.turn(0, text.length, null)).toBe('more');
    walked.set(text.slice(0, 20_000));
    // The look began with the size that the file had then.
    const ends = Array.from({ length: 20 }, () => walked.walk.turn(0, text.length, null));
    expect(ends).toContain('open');
    walked.set(`${text.slice(0, 20_000)}"}\n{"id":3}\n`);
    expect(walked.run()).toBe('whole');
    expect([walked.values[0], walked.values.at(-1)]).toEqual(['{"id":1}', '{"id":3}']);
  });

  it.each([
    ['text after the bracket', '[1] x', ['1']],
    ['a missing comma', '[{} {}]', ['{}']],
    ['two commas', '[1,,2]', ['1']],
    ['a comma before the bracket', '[1,]', ['1']],
    ['a second array', '[1][2]', ['1']],
    ['an element that is no JSON', '[{"a":1},{"a":},{"a":2}]', ['{"a":1}']],
  ])('calls an array broken that has %s', (_, text, values) => {
    const walked = walkOver(text, { parse: true });
    expect(walked.run()).toBe('broken');
    expect(walked.values).toEqual(values);
  });

  it('takes a bare number only once it is followed by a comma or the bracket', () => {
    const walked = walkOver('[7, 1 ');
    expect(walked.run()).toBe('open');
    expect(walked.values).toEqual(['7']);
    walked.set('[7, 12]');
    expect(walked.run()).toBe('whole');
    expect(walked.values).toEqual(['7', '12']);
  });

  it('waits at NUL bytes, and passes over them once they are stale, without the record that follows', () => {
    const walked = walkOver(`{"id":1}\n\0\0\0{"id":2}\n{"id":3\0\0\n{"id":4}\n`);
    expect(walked.run()).toBe('nul');
    expect(walked.values).toEqual(['{"id":1}']);
    walked.walk.takeStale = true;
    expect(walked.run()).toBe('whole');
    expect(walked.values).toEqual(['{"id":1}', '{"id":2}', '{"id":4}']);
    expect(walked.nuls).toHaveLength(2);
  });

  it('takes nothing that differs from what its guard has seen', () => {
    const text = JSON.stringify(Array.from({ length: 4_000 }, (_, id) => ({ id, text: 'z'.repeat(100) })));
    const leaves = new LeafList();
    leaves.add(Buffer.from(text.slice(0, -1)));
    const same = walkOver(text);
    expect(same.run(leaves)).toBe('whole');
    expect(same.values).toHaveLength(4_000);
    const changed = Buffer.from(text);
    changed.writeUInt8(0x79, 300_000);
    const other = walkOver(changed);
    expect(other.run(leaves)).toBe('changed');
    expect(other.walk.offset).toBeLessThan(300_000);
  });
});

describe('a list of leaves', () => {
  it('tells whether a document begins with an earlier one, wherever that ended', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200_000 }), fc.nat({ max: 200_000 }), fc.option(fc.nat()), (a, b, flip) => {
        const bytes = Buffer.alloc(Math.max(a, b), 'leaf');
        const former = new LeafList();
        former.add(bytes.subarray(0, a));
        const flipAt = flip === null || bytes.length === 0 ? null : flip % bytes.length;
        if (flipAt !== null) bytes.writeUInt8(0, flipAt);
        const later = new LeafList(former);
        for (let at = 0; at < b; at += 70_001) later.add(bytes.subarray(at, Math.min(b, at + 70_001)));
        const isProof = a > 0 || b === 0;
        expect(later.beginsWithFormer).toBe(isProof && b >= a && (flipAt === null || flipAt >= a));
      }),
      {
        numRuns: 60,
        examples: [
          [0, 0, null],
          [0, 1, null],
        ],
      },
    );
  });
});
