import {
  closeSync,
  copyFileSync,
  lstatSync,
  openSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { FakeClock } from '../support/fake-clock.js';
import { coarseStamps } from './faulty-files.js';
import { type Place, placeFor } from './hostile-place.js';
import type { RigOptions } from './rig.js';

describe.each(['log', 'directory'] as const)('a %s meets:', (kind) => {
  describe('truncate, copytruncate, same-size rewrite, preserved mtime, future mtime, clock set back', () => {
    /** One record after another takes the whole file; none may be missed, none may come twice. */
    async function eachIsSeen(
      write: (place: Place, id: number, former: string) => void | Promise<void>,
      options: RigOptions = {},
    ) {
      const place = await placeFor(kind, {}, options);
      let former = '';
      for (let id = 101; id <= 106; id += 1) {
        await write(place, id, former);
        former = place.text({ id });
        await place.rig.polls(3);
      }
      expect(await place.rig.keys()).toEqual(['101', '102', '103', '104', '105', '106']);
    }
    const future = Math.floor(Date.now() / 1000) + 1_000_000;

    it('truncate', () =>
      eachIsSeen(async ({ rig, path, text }, id, former) => {
        if (former !== '') truncateSync(path);
        if (id % 2 === 0) await rig.poll();
        writeFileSync(path, text({ id }));
      }));

    it('copytruncate', () =>
      eachIsSeen(({ path, text }, id, former) => {
        if (former !== '') copyFileSync(path, `${path}.1`);
        const fd = openSync(path, former === '' ? 'w' : 'r+');
        truncateSync(path);
        writeSync(fd, text({ id }), 0);
        closeSync(fd);
      }));

    it('same-size rewrite', () =>
      eachIsSeen(({ path, text }, id, former) => {
        writeFileSync(path, text({ id }));
        if (former !== '') expect(statSync(path).size).toBe(former.length);
      }));

    it('preserved mtime', () =>
      eachIsSeen(({ path, text }, id) => {
        writeFileSync(path, text({ id }));
        utimesSync(path, 1_000, 1_000);
      }));

    it('preserved mtime of a file that is renamed into place', () =>
      eachIsSeen(({ path, text }, id) => {
        writeFileSync(`${path}.tmp`, text({ id }));
        utimesSync(`${path}.tmp`, 1_000, 1_000);
        renameSync(`${path}.tmp`, path);
      }));

    it('future mtime', () =>
      eachIsSeen(({ path, text }, id) => {
        writeFileSync(path, text({ id }));
        utimesSync(path, future, future);
        expect(lstatSync(path).mtimeMs).toBe(future * 1_000);
      }));

    it('clock set back', () =>
      eachIsSeen(({ rig, path, text }, id) => {
        rig.clock.jumpWall(id % 2 === 0 ? -7_200_000 : 3_600_000);
        writeFileSync(path, text({ id }));
      }));
  });

  it('clock set back, so that a time stamp comes again: the change behind it is seen, also after a restart', async () => {
    for (const restarts of [false, true]) {
      const clock = new FakeClock();
      const { files, written } = coarseStamps(clock, 1_000);
      const { rig, path, text } = await placeFor(kind, {}, { clock, files });
      writeFileSync(path, text({ id: 101 }));
      written(path);
      clock.jumpWall(3_600_000);
      await rig.poll();
      clock.jumpWall(-3_600_000);
      if (restarts) rig.restart();
      writeFileSync(path, text({ id: 102 }));
      written(path);
      for (let n = 0; n < 3; n += 1) {
        await clock.advance(2_000);
        await rig.poll();
      }
      expect(await rig.keys()).toEqual(['101', '102']);
    }
  });

  describe('a write while it is being read', () => {
    /** Changes the file just after its bytes were read, once. */
    async function whileRead(change: (place: Place) => void): Promise<string[]> {
      let act = () => undefined as unknown;
      const read: FileAccess['read'] = (...args) => {
        const length = systemFiles.read(...args);
        if (length > 0) act();
        return length;
      };
      const place = await placeFor(kind, {}, { files: { ...systemFiles, read } });
      writeFileSync(place.path, place.text({ id: 101 }, { id: 102 }));
      act = () => {
        act = () => undefined;
        change(place);
      };
      await place.rig.polls(4);
      return place.rig.keys();
    }

    it('that appends is seen by the next look, and nothing is taken twice', async () => {
      const keys = await whileRead(({ path, text }) =>
        writeFileSync(path, text({ id: 101 }, { id: 102 }, { id: 103 })),
      );
      expect(keys).toEqual(['101', '102', '103']);
    });

    it('that changes bytes in their place is seen by the next look', async () => {
      const keys = await whileRead(({ path, text }) => {
        const fd = openSync(path, 'r+');
        writeSync(fd, text({ id: 101 }, { id: 109 }), 0);
        closeSync(fd);
      });
      // Whether the old one was taken before it was gone is the moment's to say.
      expect(keys.filter((key) => key !== '102').sort()).toEqual(['101', '109']);
    });

    it('that truncates it is survived', async () => {
      expect(await whileRead(({ path }) => truncateSync(path, 3))).toEqual(
        expect.not.arrayContaining(['103']),
      );
    });
  });
});
