import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { EXT2, type MountKind, mounted, TMPFS, VFAT, whyNoMount } from '../support/mount.js';
import { until } from '../support/until.js';
import { createRig, directorySource, logSource, type Rig } from './rig.js';

/** For the name of a test: why it is skipped on this machine. */
function wherePossible(kind: MountKind) {
  const why = whyNoMount(kind);
  return { test: it.skipIf(why !== null), note: why === null ? '' : ` (skipped here: ${why})` };
}

const kinds = ['log', 'directory'] as const;
type Kind = (typeof kinds)[number];

const rigIn = (kind: Kind, folder: string, changes: object = {}): Promise<Rig> =>
  createRig(
    () => (kind === 'log' ? logSource(join(folder, 'x.json'), changes) : directorySource(folder, changes)),
    { clock: systemClock },
  );
const text = (id: number) => `{"id":${id}}\n`;

const pollUntil = (rig: Rig, keys: readonly string[]) =>
  until(
    async () => {
      await rig.poll();
      return (await rig.keys()).join() === keys.join();
    },
    { everyMs: 50, describe: () => rig.lines.join('\n') },
  );

/** One id after another, each read and then overwritten within one tick of the file system's time stamps. */
async function rewriteWithinATick(kind: Kind, folder: string, tickMs: number): Promise<void> {
  const rig = await rigIn(kind, folder);
  const path = join(folder, 'x.json');
  const stamp = () => {
    const { mtimeNs, ctimeNs, size } = lstatSync(path, { bigint: true });
    return `${mtimeNs} ${ctimeNs} ${size}`;
  };
  const keys: string[] = [];
  let id = 100;
  for (let hits = 0; hits < 2; ) {
    // Just after a tick, so that all of it fits into one.
    await until(() => Date.now() % tickMs < tickMs / 8);
    writeFileSync(path, text(id));
    const before = stamp();
    const writtenMs = Date.now();
    await pollUntil(rig, [...keys, String(id)]);
    // Past the time in which a fine stamp could hide a write.
    await until(() => Date.now() > writtenMs + 120);
    await rig.poll();
    writeFileSync(path, text(id + 1));
    if (stamp() === before) hits += 1;
    keys.push(String(id), String(id + 1));
    await pollUntil(rig, keys);
    id += 2;
  }
}

describe('a file system with coarse time stamps', () => {
  const ext2 = wherePossible(EXT2);
  ext2.test.each(kinds)(
    `that keeps whole seconds: a same-size rewrite within one of them is seen (%s)${ext2.note}`,
    async (kind) => {
      await rewriteWithinATick(kind, mounted(EXT2).folder, 1_000);
    },
  );

  const vfat = wherePossible(VFAT);
  vfat.test.each(kinds)(
    `vfat, which keeps two seconds: a same-size rewrite within them is seen (%s)${vfat.note}`,
    async (kind) => {
      await rewriteWithinATick(kind, mounted(VFAT).folder, 2_000);
    },
  );

  vfat.test(
    `vfat, whose names know no case: a file that is renamed to X.JSON brings nothing again${vfat.note}`,
    async () => {
      const { folder } = mounted(VFAT);
      const rig = await rigIn('directory', folder, { match: '*' });
      writeFileSync(join(folder, 'x.json'), text(1));
      await pollUntil(rig, ['1']);
      renameSync(join(folder, 'x.json'), join(folder, 'y.json'));
      renameSync(join(folder, 'y.json'), join(folder, 'X.JSON'));
      writeFileSync(join(folder, 'X.json'), text(2));
      await pollUntil(rig, ['1', '2']);
      expect(readdirSync(folder)).toHaveLength(1);
    },
  );

  vfat.test(`vfat: a log that is rotated, replaced and appended to loses nothing${vfat.note}`, async () => {
    const { folder } = mounted(VFAT);
    const rig = await rigIn('log', folder);
    const path = join(folder, 'x.json');
    writeFileSync(path, text(1));
    await pollUntil(rig, ['1']);
    appendFileSync(path, text(2));
    renameSync(path, `${path}.1`);
    writeFileSync(path, text(3));
    await pollUntil(rig, ['1', '2', '3']);
    writeFileSync(`${path}.tmp`, text(3) + text(4));
    renameSync(`${path}.tmp`, path);
    await pollUntil(rig, ['1', '2', '3', '4']);
  });
});

describe('a mount', () => {
  const ext2 = wherePossible(EXT2);
  ext2.test.each(kinds)(
    `that is taken away is not an empty folder, and all is known when it is back (%s)${ext2.note}`,
    async (kind) => {
      const mount = mounted(EXT2);
      const rig = await rigIn(kind, mount.folder);
      const name = kind === 'log' ? 'log' : 'files';
      const cursors = () => rig.store.cursors({ workspace: 'default', kind: 'source', name });
      writeFileSync(
        join(mount.folder, 'x.json'),
        kind === 'log' ? `${text(1)}{"no":"id"}\n` : `[${text(1)},{"no":"id"}]`,
      );
      await pollUntil(rig, ['1']);
      mount.unmount();
      for (let n = 0; n < 4; n += 1) {
        await rig.poll();
        if (n === 1) rig.restart();
      }
      expect(await cursors()).toHaveLength(1);
      expect(await rig.store.rejects(null, 10)).toHaveLength(1);
      mount.again();
      writeFileSync(join(mount.folder, kind === 'log' ? 'x.json' : 'y.json'), text(2), { flag: 'a' });
      await pollUntil(rig, ['1', '2']);
      expect(await rig.store.rejects(null, 10)).toHaveLength(1);
    },
  );

  const tmpfs = wherePossible(TMPFS);
  tmpfs.test.each(kinds)(
    `that is full leaves half a file: it waits, and is read once it is whole (%s)${tmpfs.note}`,
    async (kind) => {
      const { folder } = mounted(TMPFS);
      const rig = await rigIn(kind, folder);
      const path = join(folder, 'x.json');
      const whole = `{"id":1,"text":"${'x'.repeat(40_000)}"}\n`;
      writeFileSync(join(folder, 'ballast'), Buffer.alloc(240 * 1024));
      expect(() => writeFileSync(path, whole)).toThrow('ENOSPC');
      await rig.poll();
      expect(rig.poller.status()).toMatchObject({ waitingFiles: 1, problem: null });
      expect(await rig.keys()).toEqual([]);
      rmSync(join(folder, 'ballast'));
      writeFileSync(path, whole);
      await pollUntil(rig, ['1']);
      expect(await rig.store.rejects(null, 10)).toEqual([]);
    },
  );

  tmpfs.test.each(['archive', 'delete'] as const)(
    `that is read-only: what it holds is admitted once, and it is said why it cannot %s it${tmpfs.note}`,
    async (after) => {
      const mount = mounted(TMPFS);
      mkdirSync(join(mount.folder, 'in'));
      const rig = await rigIn('directory', join(mount.folder, 'in'), { after, pollMs: 20 });
      writeFileSync(join(mount.folder, 'in', 'x.json'), text(1));
      mount.remount('ro');
      await until(
        async () => {
          await rig.poll();
          return rig.poller.status().problem?.includes(`cannot ${after} it (EROFS)`);
        },
        { describe: () => JSON.stringify([rig.poller.status(), rig.lines]) },
      );
      expect(await rig.keys()).toEqual(['1']);
      mount.remount('rw');
      await until(async () => {
        await rig.poll();
        return readdirSync(join(mount.folder, 'in')).join() === (after === 'archive' ? 'archived' : '');
      });
      expect(rig.poller.status().problem).toBeNull();
      expect(await rig.keys()).toEqual(['1']);
    },
  );
});
