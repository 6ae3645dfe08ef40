import { describe, expect, it } from 'vitest';
import type { Reject } from '../../src/intake/judge.js';
import { PAUSE, type Step } from '../../src/intake/step.js';
import { StepBatch } from '../../src/intake/step-batch.js';

const cursor = (path: string, body: string): Step => ({ ...PAUSE, cursors: [{ path, body }] });
const reread = (path: string): Step => ({ ...PAUSE, rereadPaths: [path] });
const reject = (path: string): Step => ({ ...PAUSE, rejects: [{ path } as Reject] });

describe('a batch of steps', () => {
  it('leaves pauses out, and of two cursors of a path keeps the later', () => {
    const batch = new StepBatch();
    batch.add(PAUSE);
    expect(batch.isEmpty).toBe(true);
    batch.add(cursor('a', '1'));
    batch.add(cursor('b', '1'));
    batch.add(cursor('a', '2'));
    expect(batch.take().cursors).toEqual([
      { path: 'a', body: '2' },
      { path: 'b', body: '1' },
    ]);
    expect(batch.isEmpty).toBe(true);
  });

  it('does not take a step that closes rejects which the batch opens, since it closes them before it opens any', () => {
    const batch = new StepBatch();
    batch.add(reject('a'));
    expect(batch.accepts(reread('b'))).toBe(true);
    expect(batch.accepts(reread('a'))).toBe(false);
    batch.take();
    expect(batch.accepts(reread('a'))).toBe(true);
  });

  it('is full at a thousand rows, but takes a larger step alone', () => {
    const batch = new StepBatch();
    const large: Step = { ...PAUSE, rejects: Array.from({ length: 1_001 }, () => ({ path: 'a' }) as Reject) };
    expect(batch.accepts(large)).toBe(true);
    batch.add(large);
    expect(batch.accepts(cursor('b', '1'))).toBe(false);
  });
});
