import { expect, test } from 'vitest';
import { concurrencyOf, roomOf } from '../../src/policy/limits.js';

const command = { name: 'a', concurrency: 3, runner: { kind: 'command' } };
const service = { name: 'b', concurrency: 3, runner: { kind: 'service', workers: 2 } };

test('a command is bounded by its concurrency, a service by its children as well', () => {
  expect(concurrencyOf(command)).toBe(3);
  expect(concurrencyOf(service)).toBe(2);
});

test('the room of a task is what is left of its limit and of the slots, and never below zero', () => {
  expect(roomOf(command, 1, 8)).toBe(2);
  expect(roomOf(command, 1, 1)).toBe(1);
  expect(roomOf(command, 4, 8)).toBe(0);
});
