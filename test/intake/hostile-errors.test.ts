import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { FAULTS } from './faulty-files.js';
import { type Kind, type Place, placeFor } from './hostile-place.js';

const cursorsOf = ({ rig }: Place, kind: Kind) =>
  rig.store.cursors({ workspace: 'default', kind: 'source', name: kind === 'log' ? 'log' : 'files' });

describe.each(['log', 'directory'] as const)('a %s meets:', (kind) => {
  describe('vanished, EACCES, EMFILE, ESTALE, EIO', () => {
    /** Fails for one path, in one call. */
    function failing() {
      let fault: { readonly code: string; readonly call: string } | null = null;
      let bad = '';
      const fds = new Set<number>();
      let tries = 0;
      const check = (call: string, isIt: boolean) => {
        if (!isIt || fault?.call !== call) return;
        tries += 1;
        throw Object.assign(new Error('injected'), { code: fault.code });
      };
      const files: FileAccess = {
        ...systemFiles,
        lstat(path) {
          check('lstat', String(path) === bad);
          return systemFiles.lstat(path);
        },
        open(path) {
          check('open', String(path) === bad);
          const fd = systemFiles.open(path);
          if (String(path) === bad) fds.add(fd);
          return fd;
        },
        fstat(fd) {
          check('fstat', fds.has(fd));
          return systemFiles.fstat(fd);
        },
        read(fd, ...rest) {
          check('read', fds.has(fd));
          return systemFiles.read(fd, ...rest);
        },
        close(fd) {
          fds.delete(fd);
          systemFiles.close(fd);
        },
      };
      return {
        files,
        fail: (path: string, call: string, code: string) => {
          bad = path;
          fault = { code, call };
        },
        heal: () => {
          fault = null;
        },
        tries: () => tries,
      };
    }
    const codes = FAULTS.filter((fault) => fault !== 'short read' && fault !== 'ENOENT');
    const cases = codes.flatMap((code) =>
      ['lstat', 'open', 'fstat', 'read'].map((call) => [code, call] as const),
    );

    it.each(cases)(
      '%s from %s is the state of that path, shown, and tried again later and later',
      async (code, call) => {
        const world = failing();
        const { rig, path, folder, text } = await placeFor(kind, {}, { files: world.files });
        writeFileSync(path, text({ id: 1 }, { title: 'no id' }));
        await rig.polls(2);
        world.fail(path, call, code);
        writeFileSync(path, text({ id: 1 }, { title: 'no id' }, { id: 2 }));
        writeFileSync(join(folder, 'other.json'), text({ id: 'other' }));
        await rig.polls(30);
        expect(rig.poller.status().problem).toContain(`(${code})`);
        expect(rig.poller.status().problem).toContain(path.split('/').at(-1));
        // Every 2 s it would be 30 times.
        expect(world.tries()).toBeLessThan(8);
        // Only ENOENT means gone: what was known and what was refused stand.
        expect((await rig.store.rejects(null, 10)).length).toBe(1);
        expect(await rig.keys()).toEqual(kind === 'log' ? ['1'] : ['1', 'other']);
        world.heal();
        await rig.polls(40);
        expect(rig.poller.status().problem).toBeNull();
        expect((await rig.keys()).filter((key) => key !== 'other')).toEqual(['1', '2']);
      },
    );

    it('what has vanished is gone: forgotten in a folder, compared when it comes back, and nothing runs twice', async () => {
      const place = await placeFor(kind);
      const { rig, path, text } = place;
      writeFileSync(path, text({ id: 1 }, { title: 'no id' }));
      await rig.polls(2);
      renameSync(path, join(rig.folder, 'away'));
      await rig.polls(2);
      expect(await rig.store.rejects(null, 10)).toEqual([]);
      expect(await cursorsOf(place, kind)).toHaveLength(kind === 'log' ? 1 : 0);
      renameSync(join(rig.folder, 'away'), path);
      appendFileSync(path, kind === 'log' ? text({ id: 2 }) : '');
      await rig.polls(3);
      expect(await rig.keys()).toEqual(kind === 'log' ? ['1', '2'] : ['1']);
      expect(await rig.store.rejects(null, 10)).toHaveLength(1);
    });

    it.each(codes)('a root that answers %s is not an empty one', async (code) => {
      let broken = false;
      const fail = <A extends unknown[], R>(call: (...args: A) => R) => {
        return (...args: A): R => {
          if (broken) throw Object.assign(new Error('injected'), { code });
          return call(...args);
        };
      };
      const files = { ...systemFiles, stat: fail(systemFiles.stat), list: fail(systemFiles.list) };
      const place = await placeFor(kind, {}, { files });
      const { rig, path, text } = place;
      writeFileSync(path, text({ id: 1 }, { title: 'no id' }));
      await rig.polls(2);
      broken = true;
      rmSync(path);
      await rig.polls(35);
      expect(rig.poller.status().problem).toContain(`(${code})`);
      expect(await cursorsOf(place, kind)).toHaveLength(1);
      expect(await rig.store.rejects(null, 10)).toHaveLength(1);
    });

    it('an unmounted root, which looks empty and is on another device, is not an empty one', async () => {
      let isUnmounted = false;
      const gone = () => Object.assign(new Error('gone'), { code: 'ENOENT' });
      const files: FileAccess = {
        ...systemFiles,
        stat(path) {
          const stats = systemFiles.stat(path);
          return isUnmounted
            ? Object.create(stats, { dev: { value: stats.dev + 1n }, ctimeNs: { value: 1n } })
            : stats;
        },
        lstat(path) {
          if (isUnmounted) throw gone();
          return systemFiles.lstat(path);
        },
        list: (path) => (isUnmounted ? { next: () => null, close: () => undefined } : systemFiles.list(path)),
      };
      const place = await placeFor(kind, {}, { files });
      const { rig, path, text } = place;
      writeFileSync(path, text({ id: 1 }, { title: 'no id' }));
      await rig.polls(2);
      isUnmounted = true;
      await rig.polls(20);
      expect(await cursorsOf(place, kind)).toHaveLength(1);
      expect(await rig.store.rejects(null, 10)).toHaveLength(1);
      isUnmounted = false;
      await rig.polls(2);
      expect(await rig.keys()).toEqual(['1']);
      expect(await rig.store.rejects(null, 10)).toHaveLength(1);
    });

    it('a read that gives less than it should is not taken for the end of the file', async () => {
      let isShort = true;
      const read: FileAccess['read'] = (fd, into, length, position) =>
        systemFiles.read(fd, into, isShort ? Math.floor(length / 2) : length, position);
      const { rig, path, text } = await placeFor(kind, {}, { files: { ...systemFiles, read } });
      writeFileSync(path, text({ id: 1 }, { id: 2 }));
      // Its stamp is old: nothing asks for a second look but what was seen.
      rig.clock.jumpWall(3_600_000);
      await rig.poll();
      isShort = false;
      await rig.polls(35);
      expect(await rig.keys()).toEqual(['1', '2']);
    });
  });
});
