import { describe, expect, it } from 'vitest';
import type { Reject } from '../../src/intake/judge.js';
import { PAUSE, type Step } from '../../src/intake/step.js';
import { StepBatch } from '../../src/intake/step-batch.js';
import type { AdmissionRecord } from '../../src/store/contract.js';

const cursor = (path: string, body: string): Step => ({ ...PAUSE, cursors: [{ path, body }] });
const reread = (path: string): Step => ({ ...PAUSE, rereadPaths: [path] });
const reject = (path: string): Step => ({ ...PAUSE, rejects: [{ path } as Reject] });
const rows = (count: number): Step => ({
  ...PAUSE,
  rejects: new Array<Reject>(count).fill({ path: 'a' } as Reject),
});
const payload = (sizeBytes: number): Step => {
  const record = { payload: { bytes: Buffer.alloc(sizeBytes) } } as unknown as AdmissionRecord;
  return { ...PAUSE, records: [record] };
};

/** How many rows the next transaction would take at most. */
function mostRows(batch: StepBatch): number {
  batch.add(rows(1));
  let most = 1;
  while (batch.accepts(rows(most))) most += 1;
  batch.take();
  return most;
}

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
    expect(batch.accepts(rows(1_001))).toBe(true);
    batch.add(rows(1_001));
    expect(batch.accepts(cursor('b', '1'))).toBe(false);
  });

  it('takes more rows where they are written quickly, and fewer where they are not, within its bounds', () => {
    const batch = new StepBatch();
    expect(mostRows(batch)).toBe(1_000);
    batch.tune(1_000, 10);
    expect(mostRows(batch)).toBe(1_200);
    batch.tune(1_200, 1);
    expect(mostRows(batch)).toBe(1_800);
    for (let n = 0; n < 5; n += 1) batch.tune(2_000, 0);
    expect(mostRows(batch)).toBe(5_000);
    batch.tune(5_000, 60);
    expect(mostRows(batch)).toBe(1_000);
    batch.tune(1_000, 300);
    expect(mostRows(batch)).toBe(500);
  });

  it('holds no more than 4 MiB of payloads, but takes a larger one alone', () => {
    const batch = new StepBatch();
    for (let n = 0; n < 4; n += 1) {
      expect(batch.accepts(payload(1024 * 1024))).toBe(true);
      batch.add(payload(1024 * 1024));
    }
    expect(batch.accepts(payload(1))).toBe(false);
    batch.take();
    batch.add(rows(1));
    expect(batch.accepts(payload(4 * 1024 * 1024))).toBe(true);
    batch.take();
    expect(batch.accepts(payload(5 * 1024 * 1024))).toBe(true);
  });
});
