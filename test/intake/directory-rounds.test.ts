import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { until } from '../support/until.js';
import { createRig, directorySource, type Rig } from './rig.js';

/** A source that polls on its timer, and how often it lists its folder and looks at its files. */
async function countingRig(files: number) {
  let lists = 0;
  const looks = new Map<string, number>();
  const access: FileAccess = {
    ...systemFiles,
    list(folder) {
      lists += 1;
      return systemFiles.list(folder);
    },
    lstat(path) {
      looks.set(String(path), (looks.get(String(path)) ?? 0) + 1);
      return systemFiles.lstat(path);
    },
  };
  const rig = await createRig((folder) => directorySource(join(folder, 'in')), { files: access });
  const folder = join(rig.folder, 'in');
  mkdirSync(folder);
  for (let id = 0; id < files; id += 1) writeFileSync(join(folder, `${id}.json`), `{"id":${id}}`);
  return {
    rig,
    folder,
    looks,
    /** Polls on the source's own timer, which looks at what is due only. */
    async ticks(times: number) {
      for (let n = 0; n < times; n += 1) await tick(rig);
    },
    takeLists() {
      const taken = lists;
      lists = 0;
      return taken;
    },
  };
}

async function tick({ clock, poller }: Rig): Promise<void> {
  const { polls } = poller;
  await clock.advance(2_000);
  await until(() => poller.polls > polls, { everyMs: 1 });
}

describe('a folder at scale', () => {
  it('is listed again only when its stamp has moved, or a minute has passed; a quiet one costs no listing', async () => {
    const { rig, folder, ticks, takeLists } = await countingRig(3);
    rig.poller.start();
    await until(() => rig.poller.polls > 0);
    await ticks(2);
    takeLists();
    await ticks(20);
    expect(takeLists()).toBe(0);
    await ticks(12);
    expect(takeLists()).toBe(1);
    writeFileSync(join(folder, 'new.json'), '{"id":"new"}');
    await ticks(1);
    expect(takeLists()).toBeGreaterThan(0);
    expect(await rig.keys()).toContain('new');
    await rig.poller.stop();
  });

  it('has a content change seen though its own time stamp says nothing: a listing may be skipped, a look never', async () => {
    const { rig, folder, ticks, takeLists } = await countingRig(3);
    rig.poller.start();
    await until(() => rig.poller.polls > 0);
    await ticks(3);
    takeLists();
    writeFileSync(join(folder, '1.json'), '{"id":"changed"}');
    await ticks(3);
    expect(takeLists()).toBe(0);
    expect(await rig.keys()).toContain('changed');
    await rig.poller.stop();
  });

  it('looks at cold files in turn: each within 30 s, and no poll at all of them', async () => {
    const count = 3_000;
    const { rig, folder, looks, ticks } = await countingRig(count);
    // A file that has changed just now is hot; a new worker finds them all old and known.
    rig.clock.jumpWall(60_000);
    await rig.poll();
    rig.restart();
    rig.poller.start();
    await until(() => rig.poller.polls > 0);
    looks.clear();
    await ticks(1);
    expect(looks.size).toBeLessThan(count / 2);
    writeFileSync(join(folder, `${count - 1}.json`), '{"id":"cold"}');
    await ticks(14);
    expect(looks.size).toBe(count);
    await ticks(1);
    expect(await rig.keys()).toContain('cold');
    await rig.poller.stop();
  });
});
