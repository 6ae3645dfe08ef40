import { expect, test } from 'vitest';
import { deepFrozen } from '../../src/intake/frozen.js';

test('a frozen value cannot be changed anywhere in it, and is the same value', () => {
  const value = { events: [{ id: 1 }, null, [2]], more: { of: { it: 'x' } } };
  const before = JSON.stringify(value);
  expect(deepFrozen(value)).toBe(value);
  expect(() => value.events.pop()).toThrow(TypeError);
  expect(() => Object.assign(value.events[0] as object, { id: 2 })).toThrow(TypeError);
  expect(() => {
    value.more.of.it = 'y';
  }).toThrow(TypeError);
  expect(() => (value.events[2] as number[]).push(3)).toThrow(TypeError);
  expect(JSON.stringify(value)).toBe(before);
  for (const plain of [null, 1, 'text', true]) expect(deepFrozen(plain)).toBe(plain);
});
