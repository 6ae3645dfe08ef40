import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { createIntake } from '../../src/intake/intake.js';
import { DoggedError } from '../../src/job/errors.js';
import { systemClock } from '../../src/platform/clock.js';
import { createLog } from '../../src/platform/log.js';
import { openStore } from '../../src/store/open.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { configOf, createRig, directorySource, logSource } from './rig.js';

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `{"id":${from + i}}\n`).join('');

describe('a poll', () => {
  it('never runs beside itself, however often it is asked for', async () => {
    let running = 0;
    let most = 0;
    const rig = await createRig((folder) => logSource(join(folder, 'log.ndjson')), {
      wrapStore: (store) => ({
        cursors: (scope) => store.cursors(scope),
        async admit(batch) {
          running += 1;
          most = Math.max(most, running);
          await new Promise(setImmediate);
          const report = await store.admit(batch);
          running -= 1;
          return report;
        },
      }),
    });
    writeFileSync(join(rig.folder, 'log.ndjson'), lines(1, 3_000));
    rig.poller.start();
    await Promise.all(Array.from({ length: 5 }, () => rig.poll()));
    await rig.poller.stop();
    expect(most).toBe(1);
    expect(await rig.jobs()).toHaveLength(3_000);
  });

  it('whose admission fails goes on from what was committed', async () => {
    let left = -1;
    const rig = await createRig((folder) => logSource(join(folder, 'log.ndjson')), {
      wrapStore: (store) => ({
        cursors: (...page) => store.cursors(...page),
        admit(batch) {
          left -= 1;
          if (left === 0) throw new DoggedError('STORE_BUSY', { file: 'dogged.db', waitedMs: 50 });
          return store.admit(batch);
        },
      }),
    });
    writeFileSync(join(rig.folder, 'log.ndjson'), lines(1, 4_000));
    for (const failing of [1, 2, 2]) {
      left = failing;
      expect(await rig.poll()).toBe(false);
      expect(rig.poller.status().problem).toContain('locked');
    }
    expect(await rig.poll()).toBe(true);
    expect(rig.poller.status().problem).toBeNull();
    expect(await rig.jobs()).toHaveLength(4_000);
  });

  it('that breaks in the middle of reading loses nothing of what was read and not yet admitted', async () => {
    let reads = 0;
    let breakAt = -1;
    const files: FileAccess = {
      ...systemFiles,
      read(...args) {
        reads += 1;
        if (reads === breakAt) throw new TypeError('a fault in the program');
        return systemFiles.read(...args);
      },
    };
    const rig = await createRig((folder) => logSource(join(folder, 'log.ndjson')), { files });
    writeFileSync(join(rig.folder, 'log.ndjson'), lines(1, 3_000));
    for (breakAt of [2, 4, 7]) {
      reads = 0;
      await rig.poll();
    }
    breakAt = -1;
    expect(await rig.poll()).toBe(true);
    expect(await rig.jobs()).toHaveLength(3_000);
  });

  it('that finds its cursor moved by another reader reads again, and admits nothing twice', async () => {
    const rig = await createRig((folder) => logSource(join(folder, 'log.ndjson'), { key: null }));
    const path = join(rig.folder, 'log.ndjson');
    writeFileSync(path, '{"x":1}\n');
    await rig.poll();
    const first = rig.poller;
    rig.restart();
    appendFileSync(path, '{"x":1}\n');
    await rig.poll();
    appendFileSync(path, '{"x":1}\n');
    await first.pollOnce();
    await first.pollOnce();
    expect(await rig.jobs()).toHaveLength(3);
    expect(rig.lines.some((line) => line.includes('another reader'))).toBe(true);
  });
});

describe('the sources of a config', () => {
  it('are polled on their own timers, each never twice at once, and one that is broken stops no other', async () => {
    const folder = tempFolder();
    const store = await openStore(folder, 'worker', systemClock);
    writeFileSync(join(folder, 'good.ndjson'), lines(1, 3));
    let queued = 0;
    const intake = createIntake({
      config: configOf(
        [
          logSource(join(folder, 'good.ndjson'), { name: 'good', pollMs: 10 }),
          logSource(join(folder, 'bad.ndjson'), { name: 'bad', pollMs: 10, require: { type: 'nonsense' } }),
          directorySource(join(folder, 'missing'), { name: 'missing', pollMs: 10 }),
        ],
        folder,
      ),
      store,
      clock: systemClock,
      log: createLog('silent'),
      onQueued: () => {
        queued += 1;
      },
    });
    try {
      intake.start();
      await until(async () => (await store.list({ limit: 10 })).length === 3);
      appendFileSync(join(folder, 'good.ndjson'), lines(4, 4));
      await until(async () => (await store.list({ limit: 10 })).length === 4);
      expect(queued).toBe(2);
      // The gate of the broken one is loaded meanwhile.
      await until(() => intake.status()[1]?.problem !== null && intake.polls > 5);
      expect(intake.status()).toMatchObject([
        { name: 'good', problem: null, waitingFiles: 0 },
        { name: 'bad', problem: expect.stringContaining('schema') },
        { name: 'missing', problem: expect.stringContaining('not there') },
      ]);
      await until(() => intake.polls > 10);
      await intake.stop();
      const { polls } = intake;
      appendFileSync(join(folder, 'good.ndjson'), lines(5, 5));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(intake.polls).toBe(polls);
    } finally {
      await store.close();
    }
  });
});
