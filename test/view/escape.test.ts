import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapeJson, escapeLines, escapeText } from '../../src/view/escape.js';

describe('text from files', () => {
  test.each([
    ['a colour', '\x1b[31mred', '\\x1b[31mred'],
    ['a cleared screen', '\x1b[2J\x07', '\\x1b[2J\\x07'],
    ['a line end and a tab', 'a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['a control character of the second block', 'a\x9b31m', 'a\\x9b31m'],
    ['text that is turned around', 'user\u202etxt.exe', 'user\\u202etxt.exe'],
    ['an isolate', '\u2066x\u2069', '\\u2066x\\u2069'],
    ['characters that nobody sees', 'a\u200bb\ufeff\u00ad', 'a\\u200bb\\ufeff\\xad'],
    ['half a character', 'a\ud800b\udc00', 'a\\ud800b\\udc00'],
    ['an invisible tag', 'a\u{e0041}', 'a\\u{e0041}'],
  ])('shows %s instead of obeying it', (_, hostile, shown) => {
    expect(escapeText(hostile)).toBe(shown);
  });

  test('stays as it is where it is harmless, in every language', () => {
    const harmless = 'Größe 漢字 עברית 👩‍👩‍👧 a\\b "c"';
    expect(escapeText(harmless)).toBe(harmless);
  });

  test('keeps its lines where lines are wanted', () => {
    expect(escapeLines('a\r\n\tb\n\x1b[1mc\rd')).toBe('a\n\tb\n\\x1b[1mc\\rd');
  });

  test('never leaves a control or bidirectional character in one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeText(text)).not.toMatch(
          /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/,
        );
      }),
    );
  });
});

test('JSON that is escaped is the same value', () => {
  fc.assert(
    fc.property(fc.json(), fc.string({ unit: 'binary' }), (json, text) => {
      const hostile = JSON.stringify([JSON.parse(json), text]);
      expect(JSON.parse(escapeJson(hostile))).toEqual(JSON.parse(hostile));
      expect(escapeJson(hostile)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
    }),
  );
});
