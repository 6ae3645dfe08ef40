import { expect, test } from 'vitest';
import { fillRows } from '../../../src/view/queue-monitor/fill-rows.js';

const part = (name: string, count: number, least: number, head = 0) => ({
  lines: Array.from({ length: count }, (_, n) => `${name}${n}`),
  least,
  head,
});
const parts = [part('a', 3, 4), part('b', 4, 2), part('c', 0, 1), part('d', 5, 3, 1)];

test('where there is room for all, there is an empty line between the parts, if that has room too', () => {
  expect(fillRows(parts, 14).join(' ')).toBe('a0 a1 a2  b0 b1 b2 b3  d0 d1 d2 d3 d4');
  expect(fillRows(parts, 13).join(' ')).toBe('a0 a1 a2 b0 b1 b2 b3 d0 d1 d2 d3 d4');
});

test('each has its least, the first get what is left, and what is left out is counted', () => {
  expect(fillRows(parts, 9)).toEqual([
    'a0',
    'a1',
    'a2',
    'b0',
    'b1',
    '… and 2 more',
    'd0',
    'd1',
    '… and 3 more',
  ]);
});

test('the last is left out where not even the least of each has room', () => {
  expect(fillRows(parts, 7)).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'b3']);
  expect(fillRows(parts, 5)).toEqual(['a0', 'a1', 'a2', 'b0', '… and 3 more']);
  expect(fillRows(parts, 2)).toEqual(['a0', '… and 2 more']);
  expect(fillRows(parts, 1)).toEqual(['a0']);
  expect(fillRows(parts, 0)).toEqual([]);
  expect(fillRows(parts, -3)).toEqual([]);
});
