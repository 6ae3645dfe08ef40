import { describe, expect, it } from 'vitest';
import { routeRecord } from '../../src/policy/route.js';

const defaults = { task: 'implement', priority: 0 };
const rule = (when: Record<string, (string | number | boolean | null)[]>, sets: object) => ({
  when,
  task: null,
  priority: null,
  timeoutMs: null,
  group: null,
  ...sets,
});

describe('routing', () => {
  it('follows the first rule that fits, and takes what it leaves out from the source', () => {
    const rules = [
      rule({ language: ['rust', 'c++'] }, { task: 'slow', timeoutMs: 7 }),
      rule({ language: ['rust'] }, { task: 'never' }),
      rule({ urgent: [true] }, { priority: 9, group: 'now' }),
    ];
    expect(routeRecord({ language: 'rust', urgent: true }, rules, defaults)).toEqual({
      task: 'slow',
      priority: 0,
      timeoutMs: 7,
      group: null,
    });
    expect(routeRecord({ urgent: true }, rules, defaults)).toEqual({
      task: 'implement',
      priority: 9,
      timeoutMs: null,
      group: 'now',
    });
    expect(routeRecord({}, rules, defaults)).toEqual({
      task: 'implement',
      priority: 0,
      timeoutMs: null,
      group: null,
    });
  });

  it('wants every field of a rule to agree, compares as JSON does, and never looks at a prototype', () => {
    const rules = [
      rule({ a: [1], b: ['x'] }, { task: 'both' }),
      rule({ toString: ['y'] }, { task: 'proto' }),
    ];
    expect(routeRecord({ a: 1, b: 'x' }, rules, defaults).task).toBe('both');
    expect(routeRecord({ a: '1', b: 'x' }, rules, defaults).task).toBe('implement');
    expect(routeRecord({ a: 1 }, rules, defaults).task).toBe('implement');
    expect(routeRecord('text', rules, defaults).task).toBe('implement');
    expect(routeRecord(null, rules, defaults).task).toBe('implement');
  });
});
