import { describe, expect, it } from 'vitest';
import { formatDuration, parseBackoff, parseDuration } from '../../src/config/duration.js';
import { parseSize } from '../../src/config/size.js';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['2s', 2_000],
    ['1.5m', 90_000],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['30d', 2_592_000_000],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', '5 s', '-1s', '1e3s', '5S', '5sec', '.5s', '5s ', '1h30m', '٥s'])(
    '%j is refused',
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );

  it('is shown with the largest unit that gives a whole number', () => {
    expect([500, 90_000, 7_200_000, 2_592_000_000, 0, 61_000].map(formatDuration)).toEqual([
      '500ms',
      '90s',
      '2h',
      '30d',
      '0ms',
      '61s',
    ]);
  });
});

describe('a back-off', () => {
  it('runs from the first to the last delay', () => {
    expect(parseBackoff('2s..5m')).toEqual({ minMs: 2_000, maxMs: 300_000 });
    expect(parseBackoff('0s..0s')).toEqual({ minMs: 0, maxMs: 0 });
  });

  it.each(['5m..2s', '2s', '2s...5m', '2s..', '..5m', '2s - 5m'])('%j is refused', (text) => {
    expect(parseBackoff(text)).toBeNull();
  });
});

describe('a size', () => {
  it.each([
    ['0B', 0],
    ['64KB', 65_536],
    ['1.5MB', 1_572_864],
    ['1GB', 1_073_741_824],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '64', '64kb', '64 KB', '-1MB', '1TB'])('%j is refused', (text) => {
    expect(parseSize(text)).toBeNull();
  });
});
