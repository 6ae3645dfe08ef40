import { expect, test } from 'vitest';
import { NO_THROUGHPUT, throughputText, withLook } from '../../../src/view/queue-monitor/throughput.js';
import { aBeat } from '../../heartbeat/a-beat.js';

function watched(...looks: readonly (readonly [atMs: number, completed: number, failed?: number])[]): string {
  let history = NO_THROUGHPUT;
  for (const [atMs, completed, failed = 0] of looks)
    history = withLook(history, atMs, { ...aBeat().queue, completed, failed, cancelled: 0, expired: 0 });
  return throughputText(history);
}

test('what had ended before the first look is not counted', () => {
  expect(watched([0, 5_000])).toBe('0 ended in 2s  ▁');
});

test('each bar is what ended in two seconds, in whichever way, the present ones last', () => {
  expect(watched([0, 0], [1_000, 7], [4_000, 7, 3], [4_500, 7, 3])).toBe('10 ended in 6s  █▁▄');
});

test('a retry or a prune takes nothing away from it', () => {
  expect(watched([0, 10], [2_000, 0], [4_000, 1])).toBe('1 ended in 6s  ▁▁█');
});

test('what is longer ago than a minute is forgotten', () => {
  expect(watched([0, 0], [1_000, 9], [30_000, 9], [61_000, 10])).toMatch(/^1 ended in 1m {2}▁{29}█$/);
});
