import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Audit } from '../../src/intake/audit.js';
import { LeafList } from '../../src/intake/leaf-list.js';
import { systemClock } from '../../src/platform/clock.js';
import { findWrong, type Layout, LogModel, layouts, type Operation, operations } from './log-model.js';
import { createRig, logSource } from './rig.js';

const RUNS = Number(process.env['DOGGED_MODEL_RUNS'] ?? 30);

/** Everything that a writer does, everything that a poll sees, and at the end: nothing lost, invented or repeated. */
async function holds(layout: Layout, steps: readonly Operation[]): Promise<void> {
  const rig = await createRig(
    (folder) => logSource(join(folder, 'log.json'), { key: layout.keyed ? 'id' : null, pollMs: 10 }),
    { clock: systemClock },
  );
  try {
    const model = new LogModel(join(rig.folder, 'log.json'), layout, async () => {
      await rig.poll();
      return true;
    });
    model.begin();
    for (const step of steps) {
      if (step.kind === 'restart') rig.restart();
      await model.apply(step);
    }
    // Quiet: two looks for what must settle, and past the time in which a stamp can hide a write.
    for (let n = 0; n < 3; n += 1) {
      await rig.poll();
      await sleep(25);
    }
    // A file that was emptied may fill again for a minute: that is not waited for.
    for (let n = 0; n < 50 && model.present.size > 0 && !(await rig.poll()); n += 1) await sleep(5);

    const payloads = (await rig.jobs()).map((job) => job.payload.bytes.toString());
    expect(findWrong(payloads, model)).toEqual([]);
    expect(rig.lines.filter((line) => line.includes('could not'))).toEqual([]);
  } finally {
    await rig.store.close();
  }
}

describe('a log, whatever its writer does and whenever it is looked at,', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('loses no record, invents none and admits none twice', async () => {
    await fc.assert(fc.asyncProperty(layouts, operations, holds), { numRuns: RUNS });
  }, 600_000);

  it('(this property sees what settling is for: without it, records are invented)', async () => {
    vi.spyOn(LeafList.prototype, 'beginsWithFormer', 'get').mockReturnValue(true);
    const run = await fc.check(fc.asyncProperty(layouts, operations, holds), {
      numRuns: 100,
      seed: 16,
      endOnFailure: true,
    });
    expect(run.failed).toBe(true);
  }, 120_000);

  it('(this property sees what the audit is for: without it, records are lost)', async () => {
    const large = layouts.map((layout) => ({ ...layout, padding: 900 }));
    vi.spyOn(Audit.prototype, 'demand').mockReturnValue(undefined);
    const run = await fc.check(fc.asyncProperty(large, operations, holds), {
      numRuns: 100,
      seed: 16,
      endOnFailure: true,
    });
    expect(run.failed).toBe(true);
  }, 120_000);
});
