import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countText, durationText, plural, sizeText } from '../../src/platform/duration-text.js';
import { painter, wantsColour } from '../../src/view/colour.js';
import { progressBar } from '../../src/view/progress-bar.js';
import { formatTable } from '../../src/view/table.js';
import { padText, textWidth, truncateText } from '../../src/view/text-width.js';

describe('a duration', () => {
  test.each([
    [0, '0 ms'],
    [350, '350 ms'],
    [999.6, '1s'],
    [1_900, '1.9s'],
    [7_000, '7s'],
    [59_999, '59s'],
    [125_000, '2m 5s'],
    [3_600_000, '1h'],
    [11_520_000, '3h 12m'],
    [223_200_000, '2d 14h'],
    [-5, '0 ms'],
  ])('of %d ms is said as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});

test.each([
  [0, '0 B'],
  [812, '812 B'],
  [1536, '1.5 KB'],
  [43_000_000, '41 MB'],
  [1023 * 1024, '1.0 MB'],
])('a size of %d bytes is said as %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

test('numbers have their thousands apart, and one is not many', () => {
  expect(countText(5_812)).toBe('5,812');
  expect(countText(358_000_000)).toBe('358,000,000');
  expect(plural(1, 'job')).toBe('1 job');
  expect(plural(1_204, 'job')).toBe('1,204 jobs');
});

describe('the width of text', () => {
  test.each([
    ['abc', 3],
    ['漢字', 4],
    ['e\u0301', 1],
    ['🎉', 2],
    ['👩‍👩‍👧', 2],
    ['⚠️', 2],
    ['🇩🇪', 2],
    ['हिन्दी', 5],
    ['', 0],
  ])('%s takes %d columns', (text, width) => {
    expect(textWidth(text)).toBe(width);
  });

  test('is never more than asked for after cutting, and nothing is cut that fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, width) => {
        const cut = truncateText(text, width);
        expect(textWidth(cut)).toBeLessThanOrEqual(width);
        if (textWidth(text) <= width) expect(cut).toBe(text);
        expect(textWidth(padText(cut, width))).toBe(width);
      }),
    );
  });
});

describe('a table', () => {
  const plain = painter(false);

  test('aligns its columns whatever stands in them', () => {
    const lines = formatTable(
      [{ title: 'task' }, { title: 'jobs', align: 'right' }, { title: '' }],
      [
        ['漢字', '7', 'x'],
        ['🎉 party', '1,204', 'y'],
      ],
      80,
      plain,
    );
    expect(lines).toEqual(['task       jobs', '漢字          7  x', '🎉 party  1,204  y']);
  });

  test('cuts only what may be cut, the widest first, and fits its width', () => {
    const long = 'x'.repeat(200);
    const lines = formatTable(
      [{ title: 'id' }, { title: 'key', shrinkTo: 10 }, { title: 'why', shrinkTo: 10 }],
      [['123', long, 'short']],
      40,
      plain,
    );
    expect(textWidth(lines[1] ?? '')).toBe(40);
    expect(lines[1]).toMatch(/^123 {2}x+… {2}short$/);
  });

  test('cannot be broken by a cell', () => {
    const lines = formatTable([{ title: 'key' }, { title: 'n' }], [['a\n\x1b[2Jb\u202e', '1']], 80, plain);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toBe('a\\n\\x1b[2Jb\\u202e  1');
  });

  test('puts colour on the text alone, so that the columns stay aligned', () => {
    const [line] = formatTable(
      [{ title: '' }, { title: '' }],
      [[{ text: '$&', style: 'red' }, 'b']],
      80,
      painter(true),
    );
    expect(line).toBe('\x1b[31m$&\x1b[0m  b');
  });
});

describe('colour', () => {
  test.each([
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
    [{ NO_COLOR: '' }, true, true],
    [{ FORCE_COLOR: '1' }, false, true],
    [{ FORCE_COLOR: '0' }, true, false],
    [{ TERM: 'dumb' }, true, false],
  ])('with %o on a terminal (%s): %s', (env, isTerminal, wanted) => {
    expect(wantsColour(env, isTerminal)).toBe(wanted);
  });
});

test('a progress bar is full only when all is done', () => {
  expect(progressBar(0, 0, 20)).toBe('[████████████] 100 %');
  expect(progressBar(999, 1000, 20)).toBe('[███████████░]  99 %');
  expect(progressBar(0, 5, 20)).toBe('[░░░░░░░░░░░░]   0 %');
});
