import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CappedOutput } from '../../src/dispatch/output.js';

function outputOf(capBytes: number, ...chunks: (string | Buffer)[]): CappedOutput {
  const output = new CappedOutput(capBytes);
  for (const chunk of chunks) output.push(Buffer.from(chunk as string));
  return output;
}

describe('capped output', () => {
  test('is null when nothing was written', () => {
    expect(outputOf(100).text()).toBeNull();
    expect(outputOf(100, '').text()).toBeNull();
  });

  test('is whole up to its cap', () => {
    expect(outputOf(10, '01234', '56', '789').text()).toBe('0123456789');
  });

  test('past its cap is its beginning and its end, and says what is missing', () => {
    expect(outputOf(10, '0123456789', 'abc', 'defghij').text()).toBe('01234\n… 10 bytes left out …\nfghij');
  });

  test('holds no more than its cap, whatever is written in whatever pieces', () => {
    const pieces = fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 40 }), { maxLength: 30 });
    fc.assert(
      fc.property(pieces, fc.integer({ min: 2, max: 60 }), (chunks, capBytes) => {
        const whole = chunks.join('');
        const text = outputOf(capBytes, ...chunks).text() ?? '';
        if (whole.length <= capBytes) return text === whole;
        const half = Math.ceil(capBytes / 2);
        const tail = whole.slice(whole.length - (capBytes - half));
        return text === `${whole.slice(0, half)}\n… ${whole.length - capBytes} bytes left out …\n${tail}`;
      }),
    );
  });

  test('does not end its beginning in the middle of a character', () => {
    const text = outputOf(9, 'aaäöü', 'x'.repeat(50)).text() ?? '';
    expect(text.startsWith('aaä\n…')).toBe(true);
  });
});

describe('its last line', () => {
  test.each([
    ['', null],
    ['\n\n', null],
    ['only', 'only'],
    ['first\nlast\n', 'last'],
    ['first\n  last \r\n\n \n', 'last'],
  ])('of %j is %j', (text, line) => {
    expect(outputOf(1_000, text).lastLine()).toBe(line);
  });

  test('is found across the cap when it is whole', () => {
    expect(outputOf(10, 'x'.repeat(100), '\nend\n').lastLine()).toBe('end');
  });

  test('is null when its beginning was left out', () => {
    expect(outputOf(10, 'x'.repeat(100), 'end\n').lastLine()).toBeNull();
  });
});
