import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compactJson, isIntact, ledgerHash, sha256, sha256Of, takeSnapshot } from '../../src/job/snapshot.js';

describe('compact JSON', () => {
  test.each([
    ['{ "a" : 1.0 ,\n "b": [ 1e400, -0 ] }', '{"a":1.0,"b":[1e400,-0]}'],
    ['{"z":1,"a":12345678901234567890}', '{"z":1,"a":12345678901234567890}'],
    ['{"a": "two  spaces \\" and a quote \\\\"}', '{"a":"two  spaces \\" and a quote \\\\"}'],
    ['\t"\u2028"\r\n', '"\u2028"'],
    ['[]', '[]'],
  ])('of %j is %j', (json, compact) => {
    expect(compactJson(Buffer.from(json)).toString()).toBe(compact);
  });

  test('means the same and is as short as JSON can be, however it was spaced', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('  ', '\t', ' '), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(compactJson(Buffer.from(text)).toString()).toBe(JSON.stringify(value));
      }),
    );
  });
});

describe('a snapshot', () => {
  test('does not change with the bytes that it was taken of', () => {
    const bytes = Buffer.from('{"a":1}');
    const snapshot = takeSnapshot(bytes);
    bytes.fill(0x20);
    expect(snapshot.bytes.toString()).toBe('{"a":1}');
    expect(isIntact(snapshot)).toBe(true);
  });

  test('that was changed in one bit is found out', () => {
    const snapshot = takeSnapshot(Buffer.from('{"a":1}'));
    snapshot.bytes.writeUInt8(snapshot.bytes.readUInt8(5) ^ 1, 5);
    expect(isIntact(snapshot)).toBe(false);
  });
});

test('the ledger hash is the first half of the SHA-256', () => {
  const whole = createHash('sha256').update('key').digest();
  expect(sha256('key')).toEqual(whole);
  expect(ledgerHash('key')).toEqual(whole.subarray(0, 16));
});

test('a hash over parts is the hash of their sum', () => {
  expect(sha256Of([Buffer.from('ab'), Buffer.from('c')])).toEqual(sha256('abc'));
});
