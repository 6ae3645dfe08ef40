import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { DirectoryModel, histories, type Layout } from './directory-model.js';
import { playInPeace } from './model-world.js';
import { directorySource } from './rig.js';

// A file that counts as another one than before is taken at once: that switches settling off.
vi.mock('../../src/intake/stamp.js', async (original) => ({
  ...(await original<typeof import('../../src/intake/stamp.js')>()),
  sameInode: () => false,
}));

it('(the property of folders sees what settling is for: without it, records are invented)', async () => {
  const layout: Layout = { keyed: true, after: 'keep', padding: 900 };
  // Of all that writers do, what settling is about: writing over what is there.
  const writes = histories.map((steps) =>
    steps.flatMap((step) =>
      'writing' in step
        ? [{ ...step, file: 0, writing: { ...step.writing, how: 'overwrite' as const } }]
        : [],
    ),
  );
  const property = fc.asyncProperty(writes, (steps) =>
    playInPeace({
      source: (folder) => directorySource(join(folder, 'in'), { pollMs: 10 }),
      model: (folder, look, onWrite) => new DirectoryModel(folder, layout, look, onWrite),
      steps,
    }),
  );
  const run = await fc.check(property, { numRuns: 300, seed: 16, endOnFailure: true });
  expect(run.errorInstance).toMatchObject({ message: expect.stringContaining('invented') });
}, 120_000);
