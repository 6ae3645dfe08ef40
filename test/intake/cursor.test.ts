import { describe, expect, it } from 'vitest';
import {
  decodeFileCursor,
  decodeLogCursor,
  decodeLookStamp,
  encodeFileCursor,
  encodeFirstLook,
  encodeLogCursor,
  type LogCursor,
} from '../../src/intake/cursor.js';
import { Fingerprint } from '../../src/intake/fingerprint.js';

const stamp = { dev: 1n, ino: 2n, size: 3n, mtimeNs: 4n, ctimeNs: 5n };
const logCursor: LogCursor = {
  generation: 2 ** 46,
  stamp,
  observedAtMs: 6,
  format: 'array',
  lines: 7,
  print: new Fingerprint().save(),
  auditLeaf: 8,
  reached: true,
  quarantined: false,
};

describe('a cursor', () => {
  it('comes back as it was written', () => {
    expect(decodeLogCursor(encodeLogCursor(logCursor))).toEqual(logCursor);
    const file = { stamp, observedAtMs: 6, digest: 'ab', whole: true };
    expect(decodeFileCursor(encodeFileCursor(file))).toEqual(file);
  });

  it('of a first look tells nothing but its stamp, as every cursor does', () => {
    const first = encodeFirstLook(stamp);
    expect(decodeLogCursor(first)).toBeNull();
    expect(decodeLookStamp(first)).toEqual(stamp);
    expect(decodeLookStamp(encodeLogCursor(logCursor))).toEqual(stamp);
  });

  it('that this program does not understand is as good as none', () => {
    const body = JSON.parse(encodeLogCursor(logCursor));
    for (const broken of [
      '',
      '{',
      'null',
      '[]',
      JSON.stringify({ ...body, v: 2 }),
      JSON.stringify({ ...body, stamp: 'x' }),
      JSON.stringify({ ...body, print: { length: 'x' } }),
      JSON.stringify({ ...body, format: 'xml' }),
    ]) {
      expect(decodeLogCursor(broken)).toBeNull();
      expect(decodeFileCursor(broken)).toBeNull();
    }
  });
});
