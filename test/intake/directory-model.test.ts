import { join } from 'node:path';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { DirectoryModel, histories, type Layout, layouts, type Operation } from './directory-model.js';
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
import { directorySource } from './rig.js';

function subject(layout: Layout, steps: readonly (Operation | WorldEvent)[]): Subject<Operation> {
  const { keyed, after } = layout;
  const how = { after, pollMs: 10, ...(keyed ? {} : { key: null, onChange: 'rerun' as const }) };
  return {
    source: (folder) => directorySource(join(folder, 'in'), how),
    model: (folder, look, onWrite) => new DirectoryModel(folder, layout, look, onWrite),
    steps,
  };
}

describe('a folder of files, whatever its writer does, whenever it is looked at and whenever the worker dies,', () => {
  it('loses no record, invents none and admits none twice', async () => {
    const property = fc.asyncProperty(layouts, histories, (layout, steps) =>
      playInPeace(subject(layout, steps)),
    );
    await fc.assert(property, runs(60));
  }, 3_600_000);

  it('nor does it with time stamps in ticks of 1 ns, 4 ms, 1 s and 2 s, and a clock that is set back and forth', async () => {
    const property = fc.asyncProperty(layouts, histories, clocks, (layout, steps, time) =>
      playWithClocks(subject(layout, steps), time),
    );
    await fc.assert(property, runs(60));
  }, 3_600_000);

  it('nor does it when the file system fails now and then with ENOENT, EACCES, EMFILE, ESTALE, EIO and short reads', async () => {
    const property = fc.asyncProperty(layouts, histories, faultLists, (layout, steps, faults) =>
      playWithFaults(subject(layout, steps), faults),
    );
    await fc.assert(property, runs(60));
  }, 3_600_000);
});
