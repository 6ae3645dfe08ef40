import { statfsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readMachineRoom } from '../../src/dispatch/machine-room.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { createRig, fixtureTask } from './rig.js';

describe('a machine without room', () => {
  test.each([
    ['memory', { memoryUsed: 0.97, diskFreeBytes: 10_000 }, '97 % of the memory is in use'],
    ['disk', { memoryUsed: 0.1, diskFreeBytes: 10 }, 'only 10 B of the disk are free'],
  ] as const)(
    'for want of %s begins no further job, ends what runs, and goes on by itself',
    async (reason, full, said) => {
      const roomy = { memoryUsed: 0.1, diskFreeBytes: 10_000 };
      let room: { memoryUsed: number; diskFreeBytes: number } = roomy;
      const rig = await createRig({
        tasks: [fixtureTask('ends', ['0'])],
        pressure: { memoryAbove: 0.9, diskBelowBytes: 1_000 },
        readRoom: () => room,
      });
      rig.dispatcher.start();
      await rig.until(await rig.add('ends'), 'completed');
      room = full;
      await until(() => rig.dispatcher.status().pressure === reason);
      const held = await Promise.all([1, 2, 3].map(() => rig.add('ends')));
      const { turns } = rig.dispatcher.counters;
      rig.dispatcher.nudge();
      await until(() => rig.dispatcher.counters.turns > turns);
      for (const id of held) expect(await rig.job(id)).toMatchObject({ place: 'ready', attempts: 0 });
      expect(rig.logged()).toContain(`No further job is begun: ${said}`);
      room = roomy;
      for (const id of held)
        expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 1, charged: 0 });
      expect(rig.logged()).toContain('There is room again');
    },
  );

  test('still takes the end of a job that was running', async () => {
    let room = { memoryUsed: 0.1, diskFreeBytes: 10_000 };
    const rig = await createRig({
      tasks: [fixtureTask('graceful')],
      pressure: { memoryAbove: 0.9, diskBelowBytes: null },
      readRoom: () => room,
    });
    rig.dispatcher.start();
    const id = await rig.add('graceful');
    await until(async () => (await rig.job(id)).place === 'running');
    room = { memoryUsed: 0.99, diskFreeBytes: 10_000 };
    await until(() => rig.dispatcher.status().pressure === 'memory');
    await rig.store.cancel('default', [id], 1);
    await rig.until(id, 'cancelled');
  });
});

test('the room of this machine is read from the kernel', () => {
  const folder = tempFolder();
  const { memoryUsed, diskFreeBytes } = readMachineRoom(folder);
  expect(memoryUsed).toBeGreaterThan(0);
  expect(memoryUsed).toBeLessThan(1);
  const { bavail, bsize } = statfsSync(folder);
  expect(Math.abs((diskFreeBytes ?? 0) - bavail * bsize)).toBeLessThan(2 ** 30);
  expect(readMachineRoom('/no/such/folder').diskFreeBytes).toBeNull();
});
