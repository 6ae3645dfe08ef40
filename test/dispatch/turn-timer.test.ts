import { setImmediate as nextPass } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TurnTimer } from '../../src/dispatch/turn-timer.js';
import { FakeClock } from '../support/fake-clock.js';

function createTimer(turn: () => Promise<void> = async () => undefined) {
  const clock = new FakeClock();
  const seen = { turns: 0, news: false, failures: [] as number[] };
  const timer = new TurnTimer({
    clock,
    takeTurn: () => {
      seen.turns += 1;
      return turn();
    },
    retryAfterMs: (error, failures) => {
      seen.failures.push(failures);
      return String(error).includes('fatal') ? null : 100;
    },
    tickMs: 250,
    hasNews: () => seen.news,
  });
  return { clock, seen, timer };
}

test('all requests of one pass of the event loop share a turn', async () => {
  const { seen, timer } = createTimer();
  for (let n = 0; n < 5; n += 1) timer.request();
  expect(timer.isQuiet).toBe(false);
  await nextPass();
  await nextPass();
  expect(seen.turns).toBe(1);
  expect(timer.isQuiet).toBe(true);
});

test('turns are taken one at a time, and a request during one is not forgotten', async () => {
  const finish: (() => void)[] = [];
  const { seen, timer } = createTimer(() => new Promise((resolve) => finish.push(resolve)));
  timer.request();
  await nextPass();
  timer.request();
  await nextPass();
  expect(seen.turns).toBe(1);
  finish[0]?.();
  await nextPass();
  await nextPass();
  expect(seen.turns).toBe(2);
});

test('a turn that was refused is taken again after the wait, and requests meanwhile do not hurry it', async () => {
  let refuse = true;
  const { clock, seen, timer } = createTimer(async () => {
    if (refuse) throw new Error('busy');
  });
  timer.request();
  await nextPass();
  await nextPass();
  timer.request();
  await nextPass();
  expect(seen).toMatchObject({ turns: 1, failures: [1] });
  expect(timer.isQuiet).toBe(false);
  await clock.advance(100);
  expect(seen).toMatchObject({ turns: 2, failures: [1, 2] });
  refuse = false;
  await clock.advance(100);
  await nextPass();
  expect(seen.turns).toBe(3);
  expect(timer.isQuiet).toBe(true);
});

test('after a fatal refusal no turn is taken any more', async () => {
  const { clock, seen, timer } = createTimer(async () => {
    throw new Error('fatal');
  });
  timer.request();
  await nextPass();
  await nextPass();
  timer.request();
  await clock.advance(10_000);
  expect(seen.turns).toBe(1);
  expect(timer.isHalted).toBe(true);
});

test('the tick takes a turn only when there is news', async () => {
  const { clock, seen, timer } = createTimer();
  timer.startTicking();
  await clock.advance(1_000);
  expect(seen.turns).toBe(0);
  seen.news = true;
  await clock.advance(250);
  await nextPass();
  expect(seen.turns).toBe(1);
  timer.stopTicking();
  await clock.advance(1_000);
  expect(seen.turns).toBe(1);
});

test('the newest wake-up counts', async () => {
  const { clock, seen, timer } = createTimer();
  timer.wakeAfter(50);
  timer.wakeAfter(200);
  await clock.advance(100);
  expect(seen.turns).toBe(0);
  await clock.advance(100);
  await nextPass();
  expect(seen.turns).toBe(1);
  timer.wakeAfter(50);
  timer.wakeAfter(null);
  await clock.advance(100);
  expect(seen.turns).toBe(1);
});
