import { closeSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { FakeClock } from '../support/fake-clock.js';
import { coarseStamps } from './faulty-files.js';
import { awaitTick, inTheMidst, line, rotatingRig } from './rotating-rig.js';

type Before = 'not looked at before' | 'found absent' | 'read before';

/** Copies a log away and truncates it just before the n-th call of so many looks, and writes on. */
async function copiedInTheMidst(key: string | null, before: Before, looks: number, call: number) {
  const midst = inTheMidst();
  const { rig, path, append, copyAway } = await rotatingRig({ key }, { files: midst.files });
  const written: number[] = [];
  const write = () => append(line(written.push(written.length + 1)));
  if (before !== 'found absent') write();
  if (before !== 'not looked at before') await rig.poll();
  let hasActed = false;
  let nobodys = 0;
  for (let look = 1; look <= looks; look += 1) {
    midst.arm(call, (hasLooked) => {
      hasActed = true;
      write();
      copyAway();
      // What was there before the very first look.
      if (before === 'not looked at before' && look === 1 && !hasLooked) nobodys = written.length;
      awaitTick(`${path}.1`);
      write();
    });
    await rig.polls(1);
  }
  midst.arm(0, () => undefined);
  write();
  await rig.polls(4);
  const extra = (await rig.payloads()).map((payload) => (payload as { id: number }).id);
  // Each that was written once, and perhaps what was there before.
  const lost = written.filter((id) => {
    const at = extra.indexOf(id);
    if (at !== -1) extra.splice(at, 1);
    return at === -1 && id > nobodys;
  });
  expect(await rig.store.rejects(null, 10)).toEqual([]);
  return { hasActed, lost, extra };
}

describe('a log that is rotated', () => {
  it.each(['polled on', 'restarted'] as const)(
    'before it was ever seen is read from its beginning, once a look had found nothing there (%s)',
    async (what) => {
      for (const how of ['rename', 'copy'] as const) {
        const { rig, path, append, rotate, copyAway } = await rotatingRig({ key: null });
        writeFileSync(`${path}.1`, line(100));
        await rig.polls(2);
        awaitTick(`${path}.1`);
        if (what === 'restarted') rig.restart();
        for (const id of [1, 2]) {
          append(line(id));
          (how === 'rename' ? rotate : copyAway)();
        }
        append(line(3));
        await rig.polls(3);
        expect(await rig.payloads()).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
        expect(await rig.store.rejects(null, 10)).toEqual([]);
      }
    },
  );

  it.each([
    ['absent', null],
    ['empty', ''],
    ['begun', '[{"id":1'],
    ['begun with a line', '{"id":'],
  ] as const)(
    'while no worker ran, after it was found %s and nothing was taken of it, is read from its beginning',
    async (_, content) => {
      for (const how of ['rename', 'copy'] as const) {
        const { rig, path, rotate, copyAway } = await rotatingRig({ key: null });
        const write = (id: number) => {
          writeFileSync(path, content?.startsWith('[') ? `[{"id":${id}}]` : line(id));
        };
        if (content !== null) writeFileSync(path, content);
        await rig.polls(2);
        rig.restart();
        for (const id of [1, 2]) {
          write(id);
          (how === 'rename' ? rotate : copyAway)();
        }
        write(3);
        await rig.polls(3);
        expect(await rig.payloads()).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
        expect(await rig.store.rejects(null, 10)).toEqual([]);
      }
    },
  );

  it('before it was ever seen is followed under its new name while nothing has taken its place', async () => {
    const { rig, path, append, rotate } = await rotatingRig({ key: null });
    await rig.poll();
    const fd = openSync(path, 'a');
    writeSync(fd, line(1));
    rotate();
    await rig.poll();
    expect(await rig.payloads()).toEqual([{ id: 1 }]);
    writeSync(fd, line(2));
    await rig.poll();
    closeSync(fd);
    expect(await rig.payloads()).toEqual([{ id: 1 }, { id: 2 }]);
    append(line(1));
    await rig.poll();
    expect(await rig.payloads()).toEqual([{ id: 1 }, { id: 2 }, { id: 1 }]);
  });

  it('before it was ever seen is read though an empty file has taken its place', async () => {
    const { rig, path, append, rotate } = await rotatingRig();
    await rig.poll();
    append(line(1));
    rotate();
    writeFileSync(path, '');
    await rig.poll();
    expect(await rig.keys()).toEqual(['1']);
  });

  it('is looked for where nothing stands only when its folder or the clock has changed', async () => {
    let lists = 0;
    const files: FileAccess = {
      ...systemFiles,
      list(folder) {
        lists += 1;
        return systemFiles.list(folder);
      },
    };
    const { rig, path } = await rotatingRig({}, { files });
    await rig.polls(3);
    const listed = lists;
    await rig.polls(5);
    expect(lists).toBe(listed);
    // What the folder's stamp says from now on it may have said before.
    rig.clock.jumpWall(-3_600_000);
    await rig.polls(1);
    expect(lists).toBeGreaterThan(listed);
    writeFileSync(`${path}.1`, line(1));
    await rig.polls(1);
    expect(await rig.keys()).toEqual(['1']);
  });

  it('by copy and truncate after its first reading has failed midway loses nothing', async () => {
    let reads = 0;
    const files: FileAccess = {
      ...systemFiles,
      read(...args) {
        reads += 1;
        // The first tells the format, and each takes 500 lines.
        if (reads === 3) throw Object.assign(new Error('EIO: injected'), { code: 'EIO' });
        return systemFiles.read(...args);
      },
    };
    const { rig, append, copyAway } = await rotatingRig({}, { files });
    append(Array.from({ length: 600 }, (_, n) => line(n + 1)).join(''));
    await rig.poll();
    expect(await rig.jobs()).toHaveLength(500);
    copyAway();
    append(line(601));
    await rig.polls(4);
    expect(await rig.jobs()).toHaveLength(601);
  });

  it('by rename within one tick of its file system is not read over again', async () => {
    // Ahead of the times of birth, which are real.
    const clock = new FakeClock(Date.now() + 10_000);
    const { files, written } = coarseStamps(clock, 2_000);
    const { rig, path, append, rotate } = await rotatingRig({}, { files, clock });
    const write = (id: number) => {
      append(line(id));
      written(path);
    };
    write(1);
    await rig.poll();
    write(2);
    rotate();
    write(3);
    await rig.poll();
    write(4);
    // Nothing is left to settle.
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3', '4']);
  });

  it('and packed before it was ever seen is reported as a gap, once', async () => {
    const { rig, path, append } = await rotatingRig();
    await rig.poll();
    append(line(1));
    writeFileSync(`${path}.1.gz`, 'packed');
    rmSync(path);
    append(line(2));
    await rig.polls(2);
    rig.restart();
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['2']);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'gap', path: `${path}.1.gz` }]);
  });

  it.each(['empty', 'written to again'] as const)(
    'by copy and truncate, with the copy packed at once, is reported as a gap, once (%s)',
    async (then) => {
      const { rig, path, append } = await rotatingRig();
      append(line(1));
      await rig.poll();
      append(line(2));
      writeFileSync(`${path}.1.gz`, 'packed');
      truncateSync(path);
      if (then !== 'empty') append(line(3));
      await rig.polls(3);
      rig.restart();
      if (then === 'empty') append(line(3));
      await rig.polls(2);
      expect(await rig.keys()).toEqual(['1', '3']);
      expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'gap', path: `${path}.1.gz` }]);
    },
  );

  it.each([
    ['id', 'not looked at before'],
    ['id', 'found absent'],
    ['id', 'read before'],
    [null, 'not looked at before'],
    [null, 'found absent'],
    [null, 'read before'],
  ] as const)(
    'by copy and truncate in the midst of each look loses no generation (key: %s, %s)',
    async (key, before) => {
      const wrong: unknown[] = [];
      for (const looks of [1, 2]) {
        for (let call = 1, hasActed = true; hasActed; call += 1) {
          const run = await copiedInTheMidst(key, before, looks, call);
          ({ hasActed } = run);
          if (run.lost.length + run.extra.length > 0) wrong.push({ looks, call, ...run });
        }
      }
      expect(wrong).toEqual([]);
    },
    20_000,
  );
});
