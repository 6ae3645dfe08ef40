import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FileAccess } from '../../src/intake/file-access.js';
import { FakeClock } from '../support/fake-clock.js';
import { coarseStamps, FAULTS, type Fault, faultyFiles } from './faulty-files.js';
import { createRig, directorySource, logSource, type Rig } from './rig.js';

describe('a source that cannot be read', () => {
  async function faultyRig(make: (folder: string) => ReturnType<typeof logSource | typeof directorySource>) {
    let fault: Fault | null = null;
    const rig = await createRig(make, { files: faultyFiles(() => fault) });
    return { rig, fail: (next: Fault | null) => (fault = next) };
  }
  const untilFine = async (rig: Rig) => {
    for (let n = 0; n < 4; n += 1) {
      await rig.clock.advance(60_000);
      await rig.poll();
    }
  };

  it.each(FAULTS.filter((fault) => fault !== 'short read'))(
    'for %s says so, keeps what it knows, and goes on later',
    async (fault) => {
      const { rig, fail } = await faultyRig((folder) => directorySource(folder));
      writeFileSync(join(rig.folder, 'a.json'), '{"id":1}');
      await rig.poll();
      fail(fault);
      writeFileSync(join(rig.folder, 'b.json'), '{"id":2}');
      await rig.polls(3);
      expect(rig.poller.status().problem).not.toBeNull();
      fail(null);
      await untilFine(rig);
      expect(rig.poller.status().problem).toBeNull();
      expect(await rig.keys()).toEqual(['1', '2']);
      expect(await rig.store.cursors({ workspace: 'default', kind: 'source', name: 'files' })).toHaveLength(
        2,
      );
    },
  );

  it('is tried again later and later, up to a minute', async () => {
    let opens = 0;
    let fault: Fault | null = 'EACCES';
    const files = faultyFiles(() => fault);
    const counted: FileAccess = {
      ...files,
      open(path) {
        opens += 1;
        return files.open(path);
      },
      lstat: (path) => coarseStamps(new FakeClock(), 1).files.lstat(path),
    };
    const rig = await createRig((folder) => logSource(join(folder, 'log.json')), { files: counted });
    writeFileSync(join(rig.folder, 'log.json'), '{"id":1}\n');
    await rig.polls(150);
    expect(opens).toBeGreaterThan(6);
    expect(opens).toBeLessThan(14);
    fault = null;
    await rig.polls(31);
    expect(await rig.keys()).toEqual(['1']);
  });

  it('whose folder vanishes forgets nothing, and goes on when it is back', async () => {
    const { rig } = await faultyRig((folder) => directorySource(join(folder, 'in')));
    await rig.poll();
    expect(rig.poller.status().problem).toContain('not there');
    rmSync(rig.folder, { recursive: true });
    expect(await rig.poll()).toBe(true);
  });
});
