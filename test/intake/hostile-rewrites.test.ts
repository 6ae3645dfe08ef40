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
});
