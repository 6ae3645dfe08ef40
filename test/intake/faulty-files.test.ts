import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FileAccess } from '../../src/intake/file-access.js';
import { FakeClock } from '../support/fake-clock.js';
import { coarseStamps, FAULTS, type Fault, faultyFiles } from './faulty-files.js';
import { findWrong, type Layout, LogModel, layouts, type Operation, operations } from './log-model.js';
import { createRig, directorySource, logSource, type Rig } from './rig.js';

const RUNS = Number(process.env['DOGGED_MODEL_RUNS'] ?? 25);

/** Plays the operations against a polled log; `before` runs before each of them, `calm` when the writer is done. */
async function play(
  layout: Layout,
  steps: readonly Operation[],
  world: {
    readonly clock: FakeClock;
    readonly files: FileAccess;
    readonly written?: (path: string) => void;
    readonly before: (step: number) => Promise<void>;
    readonly calm: () => void;
    /** How many were injected so far. */
    readonly faults: () => number;
  },
): Promise<void> {
  const makeSource = (folder: string) =>
    logSource(join(folder, 'log.json'), { key: layout.keyed ? 'id' : null });
  const rig = await createRig(makeSource, { files: world.files, clock: world.clock });
  const path = join(rig.folder, 'log.json');
  try {
    const model = new LogModel(
      path,
      layout,
      async () => {
        const before = world.faults();
        await rig.poll();
        return world.faults() === before && rig.poller.status().problem === null;
      },
      () => world.written?.(path),
    );
    model.begin();
    for (const [n, step] of steps.entries()) {
      await world.before(n);
      if (step.kind === 'restart') rig.restart();
      await model.apply(step);
    }
    world.calm();
    for (let n = 0; n < 6; n += 1) {
      await world.clock.advance(20_500);
      await rig.poll();
    }
    const payloads = (await rig.jobs()).map((job) => job.payload.bytes.toString());
    expect(findWrong(payloads, model)).toEqual([]);
  } finally {
    await rig.store.close();
  }
}

describe('a log', () => {
  it('on a file system with ticks of 1 ns to 2 s, with a clock that is set back and forth, loses and invents nothing', async () => {
    const ticks = fc.constantFrom(0.000_001, 4, 1_000, 2_000);
    const moves = fc.array(fc.constantFrom(0, 0, 1, 3, 40, 700, 3_000), { minLength: 16, maxLength: 16 });
    const jumps = fc.array(fc.constantFrom(0, 0, 0, 0, -3_600_000, 3_600_000), {
      minLength: 16,
      maxLength: 16,
    });
    await fc.assert(
      fc.asyncProperty(
        layouts,
        operations,
        ticks,
        moves,
        jumps,
        async (layout, steps, tickMs, byMs, jumpMs) => {
          const clock = new FakeClock();
          const { files, written } = coarseStamps(clock, tickMs);
          await play(layout, steps, {
            clock,
            files,
            written,
            async before(n) {
              clock.jumpWall(jumpMs[n] ?? 0);
              await clock.advance(byMs[n] ?? 0);
            },
            calm: () => undefined,
            faults: () => 0,
          });
        },
      ),
      { numRuns: RUNS },
    );
  }, 600_000);

  it('loses and invents nothing when the file system fails now and then', async () => {
    const faults = fc.array(fc.option(fc.constantFrom<Fault>(...FAULTS), { freq: 4 }), {
      minLength: 1,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(layouts, operations, faults, async (layout, steps, list) => {
        const clock = new FakeClock(Date.now());
        let calls = 0;
        let faults = 0;
        let armed = true;
        const next = () => {
          const fault = armed ? (list[calls++ % list.length] ?? null) : null;
          if (fault !== null) faults += 1;
          return fault;
        };
        await play(layout, steps, {
          clock,
          files: faultyFiles(next),
          before: () => clock.advance(2_000),
          calm: () => {
            armed = false;
          },
          faults: () => faults,
        });
      }),
      { numRuns: RUNS },
    );
  }, 600_000);
});

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
