import { describe, expect, test } from 'vitest';
import { painter } from '../../src/view/colour.js';
import { fitParts, wrapLine } from '../../src/view/fit-lines.js';
import { queueScreen } from '../../src/view/queue-screen.js';
import { remedyFor } from '../../src/view/remedy.js';
import { composeSnapshot, type SystemSnapshot } from '../../src/view/snapshot.js';
import { textWidth } from '../../src/view/text-width.js';
import { aBeat } from '../heartbeat/a-beat.js';
import { tempFolder } from '../support/temp-folder.js';

const NOW = 1_000_000_000;

/** More of everything than a small terminal has room for. */
function crowded(): SystemSnapshot {
  const names = Array.from({ length: 12 }, (_, n) => `a-task-with-a-long-name-${n}`);
  const places = {
    scheduled: 1,
    ready: 10_000,
    parked: 5,
    running: 2,
    completed: 9_999_999,
    failed: 7,
    cancelled: 3,
    expired: 1,
  };
  return {
    ...composeSnapshot(tempFolder(), { status: 'missing' }, NOW),
    verdict: 'stuck',
    queue: {
      ...aBeat().queue,
      pending: 120_060,
      scheduled: 12,
      completed: 119_999_988,
      failed: 84,
      expired: 12,
    },
    nextScheduledAtMs: NOW + 3_600_000,
    slots: names.map((task, slot) => ({
      slot,
      state: 'working',
      job: '1',
      task,
      key: 'k'.repeat(99),
      sinceMs: 1,
    })),
    tasks: names.map((task) => ({ workspace: 'default', task, paused: true, places })),
    waiting: names.map((task) => ({ task, reason: 'paused', jobs: 10_005 })),
    problems: [`settings.json: ${'it cannot be read '.repeat(9)}`],
  };
}

describe('the queue on a terminal', () => {
  const layout = (columns: number) => ({
    columns,
    paint: painter(true),
    remedy: remedyFor('some/other/dogged.config.yaml'),
  });
  const plain = (line: string) => line.replace(/\x1b\[\d+m/g, '');

  test.each([
    [80, 22],
    [80, 40],
    [40, 22],
    [200, 60],
    [20, 3],
  ])('of %d columns fits into %d rows, and begins with the verdict', (columns, rows) => {
    const lines = queueScreen(crowded(), { next: [], failed: [] }, layout(columns), rows).map(plain);
    expect(lines.length).toBeLessThanOrEqual(rows);
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(columns);
    expect(lines[0]).toContain('stuck');
  });

  test('says of each part how much of it was left out', () => {
    const lines = queueScreen(crowded(), { next: [], failed: [] }, layout(80), 40).map(plain);
    expect(lines.filter((line) => /^… and \d+ more$/.test(line)).length).toBeGreaterThanOrEqual(3);
    const all = queueScreen(crowded(), { next: [], failed: [] }, layout(80)).map(plain);
    expect(all.filter((line) => line.startsWith('…'))).toEqual([]);
  });
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
