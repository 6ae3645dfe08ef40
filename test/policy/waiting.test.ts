import { describe, expect, test } from 'vitest';
import { explainWaiting, type TaskLine, type WaitingInput } from '../../src/policy/waiting.js';

const TASKS: WaitingInput['tasks'] = [
  { name: 'wide', concurrency: 4, group: null, runner: { kind: 'command' } },
  { name: 'narrow', concurrency: 1, group: null, runner: { kind: 'command' } },
  { name: 'grouped', concurrency: 4, group: {}, runner: { kind: 'command' } },
  { name: 'served', concurrency: 4, group: null, runner: { kind: 'service', workers: 2 } },
];

function line(
  task: string,
  ready: number,
  more: Partial<TaskLine['places']> & { paused?: boolean } = {},
): TaskLine {
  const { paused = false, ...places } = more;
  return { task, paused, places: { ready, parked: 0, scheduled: 0, running: 0, ...places } };
}

function explain(lines: readonly TaskLine[], more: Partial<WaitingInput> = {}) {
  return explainWaiting({ lines, pausedAll: false, slots: 4, freeSlots: 4, tasks: TASKS, ...more });
}

test('what the next claim takes is runnable and waits for nothing', () => {
  expect(explain([line('wide', 3)])).toEqual({ waiting: [], runnable: 3 });
});

test('while Redis takes nothing all waits for it, and a worker that claims nothing does not stand still', () => {
  expect(explain([line('wide', 3)], { outbox: { problem: 'it is full', claimable: 3 } })).toEqual({
    waiting: [{ task: 'wide', reason: 'redis', jobs: 3 }],
    runnable: 0,
  });
});

test('what only other machines can take now waits for them', () => {
  const outbox = { problem: null, claimable: 0 };
  expect(explain([line('wide', 3)], { outbox })).toEqual({
    waiting: [{ task: 'wide', reason: 'elsewhere', jobs: 3 }],
    runnable: 0,
  });
  for (const claimable of [1, null]) {
    expect(explain([line('wide', 3)], { outbox: { problem: null, claimable } }).runnable).toBe(3);
  }
});

test('more than the free slots waits for slots', () => {
  expect(explain([line('wide', 10, { running: 3 })], { freeSlots: 1 })).toEqual({
    waiting: [{ task: 'wide', reason: 'slots', jobs: 9 }],
    runnable: 1,
  });
});

test('more than the task may run at once waits for its concurrency, while slots are free', () => {
  expect(explain([line('narrow', 5, { running: 1 })], { freeSlots: 3 })).toEqual({
    waiting: [{ task: 'narrow', reason: 'concurrency', jobs: 5 }],
    runnable: 0,
  });
  expect(explain([line('narrow', 5)])).toEqual({
    waiting: [{ task: 'narrow', reason: 'concurrency', jobs: 4 }],
    runnable: 1,
  });
});

test('the children of a service bound it like a concurrency', () => {
  expect(explain([line('served', 5, { running: 2 })], { freeSlots: 2 })).toMatchObject({
    waiting: [{ task: 'served', reason: 'concurrency', jobs: 5 }],
  });
});

test('a task that may fill all slots waits for slots, not for itself', () => {
  expect(explain([line('wide', 5, { running: 4 })], { freeSlots: 0 })).toMatchObject({
    waiting: [{ task: 'wide', reason: 'slots', jobs: 5 }],
  });
});

test('a parked job waits for its group; without groups, for the older version of its record', () => {
  expect(explain([line('grouped', 1, { parked: 2 }), line('wide', 0, { parked: 1 })])).toEqual({
    waiting: [
      { task: 'grouped', reason: 'group', jobs: 2 },
      { task: 'wide', reason: 'concurrency', jobs: 1 },
    ],
    runnable: 1,
  });
});

test('a paused task waits for resume, whatever else would hold it', () => {
  const expected = { waiting: [{ task: 'grouped', reason: 'paused', jobs: 3 }], runnable: 0 };
  expect(explain([line('grouped', 1, { parked: 2, paused: true })])).toEqual(expected);
  expect(explain([line('grouped', 1, { parked: 2 })], { pausedAll: true, freeSlots: 0 })).toEqual(expected);
});

test('a task whose program is away waits for its breaker', () => {
  expect(explain([line('wide', 2)], { held: new Set(['wide']) })).toEqual({
    waiting: [{ task: 'wide', reason: 'breaker', jobs: 2 }],
    runnable: 0,
  });
});

test('while a job runs alone, or waits for that, everything that is ready waits for it', () => {
  expect(explain([line('wide', 2), line('narrow', 1, { paused: true })], { alone: true })).toEqual({
    waiting: [
      { task: 'wide', reason: 'alone', jobs: 2 },
      { task: 'narrow', reason: 'paused', jobs: 1 },
    ],
    runnable: 0,
  });
});

test.each(['memory', 'disk'] as const)(
  'while the machine has no room, what is ready waits for %s',
  (pressure) => {
    expect(explain([line('wide', 2), line('grouped', 1, { parked: 2 })], { pressure })).toEqual({
      waiting: [
        { task: 'wide', reason: pressure, jobs: 2 },
        { task: 'grouped', reason: 'group', jobs: 2 },
        { task: 'grouped', reason: pressure, jobs: 1 },
      ],
      runnable: 0,
    });
  },
);

test('between two tries of a task that is away, its retries still wait for the breaker', () => {
  const retries = line('wide', 0, { scheduled: 3 });
  expect(explain([retries], { held: new Set(['wide']) }).waiting).toEqual([
    { task: 'wide', reason: 'breaker', jobs: 3 },
  ]);
  expect(explain([retries]).waiting).toEqual([]);
});

test('a task that the config no longer has runs nothing, as if it were paused', () => {
  expect(explain([line('gone', 2)])).toMatchObject({
    waiting: [{ task: 'gone', reason: 'paused', jobs: 2 }],
  });
});

test('a task that several workspaces share has one limit, and one line for each reason', () => {
  expect(explain([line('narrow', 2), line('narrow', 3, { running: 1 })], { freeSlots: 3 })).toEqual({
    waiting: [{ task: 'narrow', reason: 'concurrency', jobs: 5 }],
    runnable: 0,
  });
});

test('free slots are counted once over all tasks', () => {
  expect(explain([line('wide', 3), line('grouped', 3)], { freeSlots: 4 })).toEqual({
    waiting: [{ task: 'grouped', reason: 'slots', jobs: 2 }],
    runnable: 4,
  });
});

describe('while the clock is not trusted', () => {
  const overdue = (task: string, more: Parameters<typeof line>[2] = {}) => ({
    ...line(task, 1, { scheduled: 5, ...more }),
    overdue: 3,
  });

  test('what is due by it waits for it, and what is ready does not', () => {
    expect(explain([overdue('wide')], { clockHolds: true })).toEqual({
      waiting: [{ task: 'wide', reason: 'clock', jobs: 3 }],
      runnable: 1,
    });
    expect(explain([overdue('wide')])).toEqual({ waiting: [], runnable: 1 });
  });

  test('a pause and a breaker come first', () => {
    const paused = explain([overdue('wide', { paused: true })], { clockHolds: true });
    expect(paused.waiting).toEqual([{ task: 'wide', reason: 'paused', jobs: 4 }]);
    const away = explain([overdue('wide')], { clockHolds: true, held: new Set(['wide']) });
    expect(away.waiting).toEqual([{ task: 'wide', reason: 'breaker', jobs: 6 }]);
  });
});
