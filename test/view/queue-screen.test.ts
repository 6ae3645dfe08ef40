import { expect, test } from 'vitest';
import { painter } from '../../src/view/colour.js';
import { fitParts, foldLine, wrapLine } from '../../src/view/fit-lines.js';
import { queueScreen } from '../../src/view/queue-screen.js';
import { remedyFor } from '../../src/view/remedy.js';
import { aJob, crowdedSnapshot, HOSTILE } from './queue-monitor/crowded.js';

test('printed once, the queue is whole: nothing is cut where more than one line is needed', () => {
  const layout = { columns: 80, paint: painter(false), remedy: remedyFor(undefined) };
  const failed = [aJob(3, { place: 'failed', key: HOSTILE, reason: 'exit 65' })];
  const lines = queueScreen(crowdedSnapshot(), { next: [aJob(1)], failed }, layout);
  expect(lines[0]).toContain('stuck');
  expect(lines.filter((line) => line.includes('🔨'))).toHaveLength(12);
  // Of the line and of the dead letters only some were asked for.
  expect(lines.filter((line) => line.startsWith('…'))).toEqual(['… and 119999 more', '… and 83 more']);
  expect(lines.join('')).not.toMatch(/[\x00-\x1f\u202e]/);
});

test('what is cut is counted, and the longest list is cut first', () => {
  const list = (...entries: string[]) => entries.map((entry) => [entry]);
  const parts = [
    { title: 'A', head: [], list: list('1', '2', '3', '4'), total: 9 },
    { title: 'B', head: [], list: list('x'), total: 1 },
  ];
  expect(fitParts(parts, 99)).toEqual(['A', '1', '2', '3', '4', '… and 5 more', '', 'B', 'x']);
  expect(fitParts(parts, 8)).toEqual(['A', '1', '2', '3', '4', '… and 5 more', 'B', 'x']);
  expect(fitParts(parts, 7)).toEqual(['A', '1', '2', '3', '… and 6 more', 'B', 'x']);
});

test('a sentence is broken between words, and what is too long for a line is cut', () => {
  expect(wrapLine('one two three', 8)).toEqual(['one two', '  three']);
  expect(wrapLine(`go ${'x'.repeat(20)}`, 10)).toEqual(['go', '  xxxxxxx…']);
});

test('output is folded anywhere, and no character is cut in two or lost', () => {
  expect(foldLine('short', 8)).toEqual(['short']);
  expect(foldLine('日本語ab', 5)).toEqual(['日本', '語ab']);
  expect(foldLine('👩‍👩‍👧👩‍👩‍👧', 2)).toEqual(['👩‍👩‍👧', '👩‍👩‍👧']);
});
