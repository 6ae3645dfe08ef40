import { describe, expect, it } from 'vitest';
import type { Reject } from '../../src/intake/judge.js';
import { PAUSE, type Step } from '../../src/intake/step.js';
import { StepBatch } from '../../src/intake/step-batch.js';
import type { AdmissionRecord } from '../../src/store/intake-contract.js';

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

  it('is full at 1,500 rows, but takes a larger step alone', () => {
    const batch = new StepBatch();
    expect(batch.accepts(rows(1_501))).toBe(true);
    batch.add(rows(1_501));
    expect(batch.accepts(cursor('b', '1'))).toBe(false);
  });

  it('takes more where it is written quickly, and less where it is not, within its bounds', () => {
    const batch = new StepBatch();
    expect(mostRows(batch)).toBe(1_500);
    batch.tune(rows(1_500), 16);
    expect(mostRows(batch)).toBe(1_875);
    batch.tune(rows(1_875), 1);
    expect(mostRows(batch)).toBe(2_812);
    for (let n = 0; n < 5; n += 1) batch.tune(rows(2_000), 0);
    expect(mostRows(batch)).toBe(5_000);
    batch.tune(rows(5_000), 100);
    expect(mostRows(batch)).toBe(1_000);
    batch.tune(rows(1_000), 300);
    expect(mostRows(batch)).toBe(500);
  });

  it('counts a KiB of payload as a row, so that no more than 5 MB wait in memory', () => {
    const batch = new StepBatch();
    batch.add(payload(1_400 * 1024));
    expect(batch.accepts(payload(98 * 1024))).toBe(true);
    expect(batch.accepts(payload(99 * 1024))).toBe(false);
    batch.tune(payload(1_499 * 1024), 30);
    batch.take();
    expect(mostRows(batch)).toBe(1_000);
  });
});
