import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../src/intake/gate.js';
import { ValueScanner } from '../../src/intake/json-scanner.js';
import { createNormaliser, type NormaliseRule } from '../../src/intake/normalise.js';
import { isRefusal } from '../../src/intake/refusal.js';

const RULE: NormaliseRule = { key: 'id', version: null, maxRecordBytes: 1_000, maxDepth: 8 };

function normalise(
  json: string | Buffer,
  rule: Partial<NormaliseRule> = {},
  fallbackKey: string | null = null,
) {
  const whole = { ...RULE, ...rule };
  const made = createNormaliser(whole)({ bytes: Buffer.from(json), fallbackKey });
  return isRefusal(made) ? { refused: made.refused, detail: made.detail, remedy: made.remedy } : made;
}

describe('normalising a record', () => {
  it('keeps its bytes but for white space outside strings: key order and number spelling stay', () => {
    const record = normalise('{ "z" : 1.0, "id":"a b",\n "n": 1e2, "s": " x\\u0020 " }');
    expect(record).toMatchObject({ key: 'a b' });
    expect('payload' in record && record.payload.bytes.toString()).toBe(
      '{"z":1.0,"id":"a b","n":1e2,"s":" x\\u0020 "}',
    );
  });

  it('gives a record the same version under any indentation, and another one when a value changes', () => {
    const version = (json: string) => {
      const record = normalise(json);
      return 'version' in record ? record.version.hash.toString('hex') : null;
    };
    expect(version('{"id":1,"a":[1,2]}')).toBe(version('{\n  "id": 1,\n  "a": [ 1, 2 ]\n}'));
    expect(version('{"id":1,"a":[1,2]}')).not.toBe(version('{"id":1,"a":[1,2.0]}'));
  });

  it.each([
    ['{"id":"x"}', 'id', 'x'],
    ['{"id":7}', 'id', '7'],
    ['{"id":12345678901234567890}', 'id', '12345678901234567890'],
    ['{"id":12345678901234567891}', 'id', '12345678901234567891'],
    ['{"id":1.50}', 'id', '1.50'],
    ['{"a":{"b":[{"id":"deep"}]}}', '/a/b/0/id', 'deep'],
    ['{"a/b":"slash"}', '/a~1b', 'slash'],
    ['{"id":1,"id":2}', 'id', '2'],
  ])('finds in %s at %s the key %s', (json, key, expected) => {
    expect(normalise(json, { key })).toMatchObject({ key: expected });
  });

  it('without a key field knows a record by its content, or by what its reader calls it', () => {
    const bare = normalise('{"a": 1}', { key: null });
    expect(bare).toMatchObject({ keyedByContent: true });
    expect(normalise('{"a":1}', { key: null })).toMatchObject({ key: 'key' in bare ? bare.key : '' });
    expect(normalise('{"a":1}', { key: null }, 'a.json')).toMatchObject({
      key: 'a.json',
      keyedByContent: false,
    });
  });

  it.each([
    ['"text"', 'a text'],
    ['7', 'a number'],
    ['null', 'null'],
    ['["a"]', 'a list'],
  ])('says of %s that an object is expected, not that a field is to be added', (json, kind) => {
    expect(normalise(json)).toEqual({
      refused: 'no-key',
      detail: `it is ${kind}, and only an object can have the key of this source, "id"`,
      remedy: 'write an object that has "id"',
    });
  });

  it('makes the same of bytes that are known to be ASCII and scanned as of bytes that nobody looked at', () => {
    const made = (json: string, known: object) =>
      createNormaliser(RULE)({ bytes: Buffer.from(json), fallbackKey: null, ...known });
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
        const json = JSON.stringify({ id: 'x', value }, null, indent).replace(
          /[^\x00-\x7f]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
        );
        const scanner = new ValueScanner();
        scanner.begin();
        scanner.scan(Buffer.from(json), 0);
        expect(made(json, { isAscii: true, scanned: scanner })).toEqual(made(json, {}));
      }),
    );
  });

  it('takes the order from the version field, as a number or a date', () => {
    expect(normalise('{"id":1,"v":3}', { version: 'v' })).toMatchObject({ version: { order: 3 } });
    expect(normalise('{"id":1,"v":"2026-01-01T00:00:00Z"}', { version: 'v' })).toMatchObject({
      version: { order: Date.UTC(2026, 0, 1) },
    });
    expect(normalise('{"id":1}', { version: 'v' })).toMatchObject({ refused: 'no-version' });
    expect(normalise('{"id":1,"v":"soon"}', { version: 'v' })).toMatchObject({ refused: 'no-version' });
  });

  it.each([
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'utf8'],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0x80, 0x22]), 'utf8'],
    ['a trailing comma', '{"id":1,}', 'json'],
    ['single quotes', "{'id':1}", 'json'],
    ['two values', '{"id":1}{"id":2}', 'json'],
    ['nothing', ' ', 'json'],
    ['a bare NaN', '{"id":1,"x":NaN}', 'not-finite'],
    ['minus Infinity', '[-Infinity]', 'not-finite'],
    ['a number past the doubles', '{"id":1,"x":1e999}', 'not-finite'],
    ['the word NaN in a text and a syntax error', '{"id":"NaN",}', 'json'],
    ['too many levels', '{"id":[[[[[[[[1]]]]]]]]}', 'too-deep'],
    ['too many bytes', JSON.stringify({ id: 'x'.repeat(1_000) }), 'too-large'],
    ['a field named __proto__', '{"id":1,"a":[{"__proto__":{"x":1}}]}', 'unsafe-key'],
    ['the same in escapes', '{"id":1,"\\u005f_proto__":1}', 'unsafe-key'],
    ['a field named constructor', '{"id":1,"constructor":1}', 'unsafe-key'],
    ['half a surrogate pair in a name', '{"id":1,"\\ud800":1}', 'unsafe-key'],
    ['half a surrogate pair in the key', '{"id":"\\udc00"}', 'unsafe-key'],
    ['no key', '{"title":"x"}', 'no-key'],
    ['an empty key', '{"id":""}', 'no-key'],
    ['null as its key', '{"id":null}', 'no-key'],
    ['a list as its key', '{"id":["a"]}', 'no-key'],
    ['a key that only its prototype has', '"text"', 'no-key'],
  ])('refuses %s', (_, json, reason) => {
    const made = normalise(json, reason === 'no-key' && json === '"text"' ? { key: 'length' } : {});
    expect(made).toMatchObject({ refused: reason });
    expect('remedy' in made && made.remedy.length > 0 && made.detail.length > 0).toBe(true);
  });

  it('takes whole surrogate pairs, NaN in a text, and depth and size up to the limit', () => {
    expect(normalise('{"id":"😀 NaN"}')).toMatchObject({ key: '😀 NaN' });
    expect(normalise('{"id":1,"d":[[[[[[[1]]]]]]]}')).toMatchObject({ key: '1' });
    const filled = JSON.stringify({ id: 'k', f: '' }).length;
    expect(normalise(JSON.stringify({ id: 'k', f: 'x'.repeat(1_000 - filled) }))).toMatchObject({ key: 'k' });
  });

  it('does not overflow on nesting that the config allows', () => {
    const deep = `${'['.repeat(50_000)}1${']'.repeat(50_000)}`;
    expect(normalise(deep, { key: null, maxDepth: 100_000, maxRecordBytes: 1_000_000 })).toMatchObject({
      keyedByContent: true,
    });
  });
});

describe('the gate', () => {
  it('says what is wrong and what to do about it', async () => {
    const gate = await createGate({
      type: 'object',
      required: ['title', 'tags'],
      properties: { title: { type: 'string' }, size: { enum: ['s', 'm'] } },
    });
    expect(gate({ title: 'a', tags: [] }, 'k')).toBeNull();
    expect(gate({ title: 'a' }, 'k')).toMatchObject({ refused: 'schema', remedy: 'add "tags"', key: 'k' });
    expect(gate({ title: 1, tags: [], size: 'x' }, 'k')).toMatchObject({
      detail: '"title" must be string; "size" must be equal to one of the allowed values',
      remedy: 'make "title" a string; make "size" one of ["s","m"]',
    });
    expect(gate([], 'k')).toMatchObject({ remedy: 'make the record an object' });
  });

  it('is open for a source without a schema, and fails loudly on what is no schema', async () => {
    expect((await createGate(null))('anything', 'k')).toBeNull();
    await expect(createGate({ type: 'nonsense' })).rejects.toThrow();
  });
});
