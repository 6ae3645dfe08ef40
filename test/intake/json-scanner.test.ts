import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldPath, fieldText, fieldValue } from '../../src/intake/json-field.js';
import { ValueScanner } from '../../src/intake/json-scanner.js';
import { compactJson } from '../../src/job/snapshot.js';

function scanWhole(text: string | Buffer): number {
  const scanner = new ValueScanner();
  scanner.begin();
  return scanner.scan(Buffer.from(text), 0);
}

/** The end as it is found when the bytes arrive in two pieces. */
function scanSplit(bytes: Buffer, at: number): number {
  const scanner = new ValueScanner();
  scanner.begin();
  const first = scanner.scan(bytes.subarray(0, at), 0);
  if (first !== -1) return first;
  const second = scanner.scan(bytes.subarray(at), 0);
  return second === -1 ? -1 : at + second;
}

const indented = fc.tuple(fc.jsonValue({ noUnicodeString: false }), fc.constantFrom(undefined, 1, 2, '\t'));

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe('the scanner', () => {
  it('finds the end that JSON.parse finds, its depth and its white space, for any value', () => {
    fc.assert(
      fc.property(indented, fc.constantFrom(',', ' ,', ']', '\n}'), ([value, indent], after) => {
        const text = JSON.stringify(value, null, indent);
        const bytes = Buffer.from(text + after);
        const scanner = new ValueScanner();
        scanner.begin();
        const end = scanner.scan(bytes, 0);
        expect(bytes.toString('utf8', 0, end)).toBe(text);
        expect(scanner.maxDepth).toBe(depthOf(value));
        expect(scanner.hasSpace).toBe(compactJson(Buffer.from(text)).length !== Buffer.byteLength(text));
      }),
      { numRuns: 500 },
    );
  });

  it('finds the same end at every split position, also inside escapes and characters', () => {
    const tricky = [
      '{"a\\\\":"\\"","b":[1,{"c":"\\\\\\""}],"ü":"\\ud83d\\ude00😀"}',
      '"\\\\"',
      '[[],[[]]]',
      '"é\\n"',
    ];
    for (const text of tricky) {
      const bytes = Buffer.from(`${text},`);
      const end = bytes.length - 1;
      for (let at = 0; at <= bytes.length; at += 1)
        expect([text, at, scanSplit(bytes, at)]).toEqual([text, at, end]);
    }
    fc.assert(
      fc.property(indented, fc.nat(), ([value, indent], at) => {
        const bytes = Buffer.from(`${JSON.stringify(value, null, indent)},`);
        expect(scanSplit(bytes, at % bytes.length)).toBe(bytes.length - 1);
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with JSON.parse on mutated input: what parses is found whole, and nothing makes it throw or run past the end', () => {
    const mutation = fc.record({
      at: fc.nat(),
      byte: fc.constantFrom(...Buffer.from('{}[]",:\\ \n01eE-x\0')),
      insert: fc.boolean(),
    });
    fc.assert(
      fc.property(
        indented,
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        ([value, indent], mutations) => {
          let bytes = Buffer.from(JSON.stringify([value], null, indent));
          for (const { at, byte, insert } of mutations) {
            const i = at % bytes.length;
            bytes = Buffer.concat([
              bytes.subarray(0, i),
              Buffer.of(byte),
              bytes.subarray(insert ? i : i + 1),
            ]);
          }
          const start = bytes.findIndex((byte) => byte > 0x20);
          if (start === -1) return;
          const end = scanWhole(bytes.subarray(start));
          expect(end).toBeLessThanOrEqual(bytes.length - start);
          const text = bytes.toString('utf8').trim();
          if (isUtf8(bytes) && parses(text) && /^[[{"]/.test(text)) expect(end).toBe(Buffer.byteLength(text));
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it('takes a long string by native search without losing a backslash at its end', () => {
    for (const tail of ['', '\\\\', '\\"', '\\\\\\"', 'x\\\\']) {
      const text = `"${'y'.repeat(100)}${tail}"`;
      const bytes = Buffer.from(`${text},`);
      for (let at = 95; at <= bytes.length; at += 1) expect(scanSplit(bytes, at)).toBe(bytes.length - 1);
    }
  });

  it('finds the same end of a string wherever its escapes stand, from the shortest to those that are searched', () => {
    for (let before = 24; before <= 40; before += 1) {
      for (const tail of ['', '\\\\', '\\"', '\\\\\\"', 'x\\\\', '\\"y\\"']) {
        const bytes = Buffer.from(`["${'y'.repeat(before)}${tail}"],`);
        for (let at = 0; at < bytes.length; at += 1)
          expect([before, tail, at, scanSplit(bytes, at)]).toEqual([before, tail, at, bytes.length - 1]);
      }
    }
  });

  it('stays in the midst of an escape when an empty piece follows', () => {
    const scanner = new ValueScanner();
    scanner.begin();
    expect(scanner.scan(Buffer.from('"a\\'), 0)).toBe(-1);
    expect(scanner.scan(Buffer.alloc(0), 0)).toBe(-1);
    expect(scanner.scan(Buffer.from('"b",'), 0)).toBe(3);
  });

  it('does not end a number or a word before a delimiter is seen', () => {
    expect(scanWhole('12')).toBe(-1);
    expect(scanWhole('12,')).toBe(2);
    expect(scanWhole('true]')).toBe(4);
    expect(scanSplit(Buffer.from('123,'), 1)).toBe(3);
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('a field of raw JSON', () => {
  it('is found where the parsed value has it, at any path', () => {
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.integer(),
        fc.string(),
        fc.dictionary(fc.constantFrom('a', 'b', 'a/b', '~'), tie('node'), { maxKeys: 4 }),
        fc.array(tie('node'), { maxLength: 3 }),
      ),
    })).node;
    fc.assert(
      fc.property(value, fc.constantFrom('a', '/a/b', '/b/0', '/a~1b/~0', '/0/a', '/1'), (root, pointer) => {
        const bytes = Buffer.from(JSON.stringify(root));
        const path = fieldPath(pointer);
        const expected = fieldValue(root, path);
        const text = fieldText(bytes, path);
        expect(text === null ? undefined : JSON.parse(text)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps every digit, and of fields with one name takes the last', () => {
    expect(fieldText(Buffer.from('{"id":1,"id":12345678901234567890}'), ['id'])).toBe('12345678901234567890');
    expect(fieldText(Buffer.from('{"a":"id","id" : 1.50 }'), ['id'])).toBe('1.50');
  });
});
