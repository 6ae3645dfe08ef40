import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRig, logSource } from '../intake/rig.js';

/*
 * "New ideas" were `ideas[lastCount:]`. Finished ideas were pruned from the same file by an atomic rewrite, so the count
 * fell, and every later idea was ignored until it passed the old count. A forced reload then queued everything again.
 */

interface Idea {
  readonly title: string;
}

/** What the watcher did: remember how many there were. */
class CountingWatcher {
  #seen = 0;
  readonly queued: string[] = [];

  look(ideas: readonly Idea[]): void {
    for (const { title } of ideas.slice(this.#seen)) this.queued.push(title);
    this.#seen = Math.max(this.#seen, ideas.length);
  }

  forceReload(ideas: readonly Idea[]): void {
    this.#seen = 0;
    this.look(ideas);
  }
}

const titles = (from: number, to: number): Idea[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ title: `idea ${from + i}` }));

/** Ten ideas; nine are finished and pruned; three come in the same write; then two more. */
const HISTORY = [titles(1, 10), titles(10, 13), titles(10, 15)];
const EXPECTED = titles(1, 15).map(({ title }) => title);

describe('incident 2: a count taken for identity', () => {
  it('(the old logic ignores every idea until the count is passed, and a reload queues known ones again)', () => {
    const watcher = new CountingWatcher();
    for (const ideas of HISTORY) watcher.look(ideas);
    expect(watcher.queued).toEqual(titles(1, 10).map(({ title }) => title));
    watcher.forceReload(HISTORY[2] ?? []);
    expect(watcher.queued.filter((title) => title === 'idea 10')).toHaveLength(2);
  });

  it.each([
    ['a temporary file and a rename', writeByRename],
    ['writing in place', writeInPlace],
  ])('queues each idea once when the file shrinks by %s', async (_, write) => {
    const rig = await createRig((folder) => logSource(join(folder, 'ideas_log.json'), { key: 'title' }));
    for (const ideas of HISTORY) {
      write(join(rig.folder, 'ideas_log.json'), ideas);
      await rig.polls(2);
    }
    expect(await rig.keys()).toEqual(EXPECTED);
  });

  it('queues nothing again when everything is read anew, after a restart or from a restored file', async () => {
    const rig = await createRig((folder) => logSource(join(folder, 'ideas_log.json'), { key: 'title' }));
    const path = join(rig.folder, 'ideas_log.json');
    for (const ideas of [...HISTORY, titles(1, 15)]) {
      writeByRename(path, ideas);
      rig.restart();
      await rig.polls(2);
    }
    expect(await rig.keys()).toEqual(EXPECTED);
  });

  it('deletes nothing because it is absent: an emptied file and a missing one change no job', async () => {
    const rig = await createRig((folder) => logSource(join(folder, 'ideas_log.json'), { key: 'title' }));
    const path = join(rig.folder, 'ideas_log.json');
    writeByRename(path, titles(1, 3));
    await rig.polls(1);
    writeByRename(path, []);
    await rig.polls(1);
    mkdirSync(join(rig.folder, 'elsewhere'));
    renameSync(path, join(rig.folder, 'elsewhere', 'ideas_log.json'));
    await rig.polls(1);
    expect((await rig.jobs()).map((job) => job.place)).toEqual(['ready', 'ready', 'ready']);
  });
});

function writeByRename(path: string, ideas: readonly Idea[]): void {
  writeFileSync(`${path}.tmp`, JSON.stringify(ideas));
  renameSync(`${path}.tmp`, path);
}

function writeInPlace(path: string, ideas: readonly Idea[]): void {
  writeFileSync(path, JSON.stringify(ideas, null, 2));
}
