import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProgressScanner, progressFromPercent } from '../../src/dispatch/progress.js';

function sharesOf(...chunks: string[]): number[] {
  const shares: number[] = [];
  const scanner = new ProgressScanner((share) => shares.push(share));
  for (const chunk of chunks) scanner.push(Buffer.from(chunk));
  return shares;
}

test.each([
  ['::progress 40 almost half\n', [0.4]],
  ['::progress 12.5\n', [0.125]],
  ['::progress 250\n', [1]],
  ['::progress -3\n', [0]],
  ['text before\n::progress 40\ntext after\n', [0.4]],
  ['see ::progress 40\n', []],
  ['::progress soon\n', []],
  ['::progress 40', []],
])('%j', (text, shares) => {
  expect(sharesOf(text)).toEqual(shares);
});

test('the newest of one read counts', () => {
  expect(sharesOf('::progress 10\n::progress 20\n::progress soon\n')).toEqual([0.2]);
});

test('a line is found wherever the reads cut it', () => {
  const text = 'hello\n::progress 70 getting there\nbye\n';
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 6 }), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      const chunks = at.slice(1).map((end, index) => text.slice(at[index], end));
      expect(sharesOf(...chunks)).toEqual([0.7]);
    }),
  );
});

test('the end of a long line that was cut is not taken for a line', () => {
  expect(sharesOf('x'.repeat(2_000), '::progress 40\n')).toEqual([]);
  expect(sharesOf('x'.repeat(2_000), '\n::progress 40\n')).toEqual([0.4]);
});

test.each([
  [0, 0],
  [100, 1],
  ['40', null],
  [Number.NaN, null],
  [undefined, null],
])('%j per cent is %j', (percent, share) => {
  expect(progressFromPercent(percent)).toBe(share);
});
