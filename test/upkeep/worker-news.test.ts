import { expect, test } from 'vitest';
import type { Log } from '../../src/platform/log.js';
import { createWorkerNews } from '../../src/upkeep/worker-news.js';
import { FakeClock } from '../support/fake-clock.js';

function stand() {
  const clock = new FakeClock();
  const ideas = {
    name: 'ideas',
    problem: null as string | null,
    waitingFiles: 0,
    reading: null as { done: number } | null,
    look: null as { unaccounted: number | null } | null,
  };
  const machine = {
    pressure: null as string | null,
    away: [] as string[],
    endsKept: [] as string[],
    clock: null as string | null,
    clockJumps: 0,
  };
  let told = 0;
  const logged: string[] = [];
  const say = (_: object, text: string) => void logged.push(text);
  const onNews = () => {
    told += 1;
  };
  const news = createWorkerNews({
    sources: () => [ideas],
    dispatch: () => machine,
    storage: () => null,
    redis: () => null,
    clockState: () => machine.clock,
    clockJumps: () => machine.clockJumps,
    clock,
    log: { info: say, warn: say } as unknown as Log,
    onNews,
  });
  return { clock, ideas, machine, news, logged, told: () => told };
}

test('a file that is being written, and its end, are told at once; what stays the same is not', async () => {
  const { clock, ideas, news, told } = stand();
  news.look();
  expect(told()).toBe(0);
  ideas.waitingFiles = 1;
  news.look();
  news.look();
  expect(told()).toBe(1);
  await clock.advance(6_000);
  ideas.waitingFiles = 0;
  news.look();
  expect(told()).toBe(2);
});

test('what is the matter with a source is in the log as well, once, and so is its end', async () => {
  const { clock, ideas, news, logged } = stand();
  ideas.problem = 'link.json: it is a symbolic link: set followSymlinks if it may be followed';
  news.look();
  await clock.advance(6_000);
  ideas.waitingFiles = 1;
  news.look();
  await clock.advance(6_000);
  ideas.problem = null;
  news.look();
  expect(logged).toEqual([
    'Source ideas: link.json: it is a symbolic link: set followSymlinks if it may be followed',
    'Source ideas: well again',
  ]);
});

test('a source that changes its mind all the time is told of every five seconds, and its last state is not missed', async () => {
  const { clock, ideas, news, told } = stand();
  for (let n = 0; n < 20; n += 1) {
    ideas.problem = n % 2 === 0 ? 'gone' : null;
    news.look();
    await clock.advance(500);
  }
  expect(told()).toBeLessThanOrEqual(3);
  const before = told();
  ideas.problem = 'unreadable';
  await clock.advance(5_000);
  news.look();
  expect(told()).toBe(before + 1);
});

test('a backlog is told of as it is read, every five seconds', async () => {
  const { clock, ideas, news, told } = stand();
  for (let n = 1; n <= 22; n += 1) {
    ideas.reading = { done: n };
    news.look();
    await clock.advance(500);
  }
  expect(told()).toBe(3);
  ideas.reading = null;
  await clock.advance(5_000);
  news.look();
  expect(told()).toBe(4);
});

test('that the machine has no room for jobs is told at once, and so is that it has some again', async () => {
  const { clock, machine, news, told } = stand();
  machine.pressure = 'memory';
  news.look();
  expect(told()).toBe(1);
  await clock.advance(5_000);
  machine.pressure = null;
  news.look();
  expect(told()).toBe(2);
});

test('an outage that begins or ends is told at once', async () => {
  const { clock, machine, news, told } = stand();
  machine.away = ['model'];
  news.look();
  expect(told()).toBe(1);
  await clock.advance(5_000);
  machine.away = [];
  news.look();
  expect(told()).toBe(2);
});

test('that ends of jobs are kept is told at once, and so is that they were taken', async () => {
  const { clock, machine, news, told } = stand();
  machine.endsKept = ['1', '2'];
  news.look();
  expect(told()).toBe(1);
  await clock.advance(5_000);
  machine.endsKept = [];
  news.look();
  expect(told()).toBe(2);
});

test('a clock that is trusted no longer, and one that is again, are told', async () => {
  const { clock, machine, news, told } = stand();
  machine.clock = 'suspect';
  news.look();
  expect(told()).toBe(1);
  await clock.advance(6_000);
  machine.clock = null;
  news.look();
  expect(told()).toBe(2);
});
