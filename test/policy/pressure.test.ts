import { describe, expect, test } from 'vitest';
import { type Pressure, pressureOn } from '../../src/policy/pressure.js';

const limits = { memoryAbove: 0.9, diskBelowBytes: 1_000 };
const roomy = { memoryUsed: 0.5, diskFreeBytes: 5_000 };

describe('pressure', () => {
  test.each<[string, Partial<typeof roomy> | { memoryUsed: null }, Pressure | null, Pressure | null]>([
    ['there is room', {}, null, null],
    ['the memory is as full as it may be', { memoryUsed: 0.9 }, null, null],
    ['the memory is fuller', { memoryUsed: 0.91 }, null, 'memory'],
    ['the memory has eased a little', { memoryUsed: 0.88 }, 'memory', 'memory'],
    ['the memory has plainly eased', { memoryUsed: 0.86 }, 'memory', null],
    ['the disk has as much as it must', { diskFreeBytes: 1_000 }, null, null],
    ['the disk has less', { diskFreeBytes: 999 }, null, 'disk'],
    ['the disk has a little more again', { diskFreeBytes: 1_050 }, 'disk', 'disk'],
    ['the disk has plainly more again', { diskFreeBytes: 1_101 }, 'disk', null],
    ['both are short', { memoryUsed: 0.99, diskFreeBytes: 1 }, null, 'disk'],
    ['the disk has room, but now the memory is short', { memoryUsed: 0.99 }, 'disk', 'memory'],
    ['the memory cannot be read', { memoryUsed: null }, 'memory', null],
  ])('when %s', (_when, room, before, expected) => {
    expect(pressureOn({ ...roomy, ...room }, limits, before)).toBe(expected);
  });

  test('is never there where the limits say never', () => {
    const never = { memoryAbove: null, diskBelowBytes: null };
    expect(pressureOn({ memoryUsed: 1, diskFreeBytes: 0 }, never, 'disk')).toBeNull();
  });
});
