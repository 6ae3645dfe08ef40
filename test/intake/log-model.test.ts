import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Audit } from '../../src/intake/audit.js';
import { LeafList } from '../../src/intake/leaf-list.js';
import { histories, type Layout, LogModel, layouts, type Operation } from './log-model.js';
import {
  clocks,
  faultLists,
  playInPeace,
  playWithClocks,
  playWithFaults,
  runs,
  type Subject,
  type WorldEvent,
} from './model-world.js';
import { logSource } from './rig.js';

/** Everything that a writer does, everything that a poll sees, and at the end: nothing lost, invented or repeated. */
function subject(layout: Layout, steps: readonly (Operation | WorldEvent)[]): Subject<Operation> {
  return {
    source: (folder) => logSource(join(folder, 'log.json'), { key: layout.keyed ? 'id' : null, pollMs: 10 }),
    model: (folder, look, onWrite) => new LogModel(join(folder, 'log.json'), layout, look, onWrite),
    steps,
  };
}

const inPeace = fc.asyncProperty(layouts, histories, (layout, steps) => playInPeace(subject(layout, steps)));

describe('a log, whatever its writer does, whenever it is looked at and whenever the worker dies,', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('loses no record, invents none and admits none twice', async () => {
    await fc.assert(inPeace, runs(40));
  }, 3_600_000);

  it('nor does it with time stamps in ticks of 1 ns, 4 ms, 1 s and 2 s, and a clock that is set back and forth', async () => {
    const property = fc.asyncProperty(layouts, histories, clocks, (layout, steps, time) => {
      // Which of several rotated files is older than our last look is told by their times, which a set clock makes wrong.
      const isSet = time.jumpMs.some((ms) => ms !== 0);
      const possible = steps.filter(({ kind }) => !(isSet && kind === 'rotate'));
      return playWithClocks(subject(layout, possible), time);
    });
    await fc.assert(property, runs(60));
  }, 3_600_000);

  it('nor does it when the file system fails now and then with ENOENT, EACCES, EMFILE, ESTALE, EIO and short reads', async () => {
    const property = fc.asyncProperty(layouts, histories, faultLists, (layout, steps, faults) =>
      playWithFaults(subject(layout, steps), faults),
    );
    await fc.assert(property, runs(60));
  }, 3_600_000);

  it('(this property sees what settling is for: without it, records are invented)', async () => {
    vi.spyOn(LeafList.prototype, 'beginsWithFormer', 'get').mockReturnValue(true);
    const run = await fc.check(inPeace, { numRuns: 300, seed: 16, endOnFailure: true });
    expect(run.errorInstance).toMatchObject({ message: expect.stringContaining('invented') });
  }, 120_000);

  it('(this property sees what the audit is for: without it, records are lost)', async () => {
    const large = layouts.map((layout) => ({ ...layout, padding: 900 }));
    const property = fc.asyncProperty(large, histories, (layout, steps) =>
      playInPeace(subject(layout, steps)),
    );
    vi.spyOn(Audit.prototype, 'demand').mockReturnValue(undefined);
    const run = await fc.check(property, { numRuns: 300, seed: 16, endOnFailure: true });
    expect(run.errorInstance).toMatchObject({ message: expect.stringContaining('lost') });
  }, 120_000);
});
