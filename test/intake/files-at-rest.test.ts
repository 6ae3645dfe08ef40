import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { until } from '../support/until.js';
import { createRig, directorySource } from './rig.js';

/** Counts the calls of the file system by name. */
function countingFiles() {
  const calls = new Map<string, number>();
  const count =
    <A extends unknown[], R>(name: string, call: (...args: A) => R) =>
    (...args: A): R => {
      calls.set(name, (calls.get(name) ?? 0) + 1);
      return call(...args);
    };
  const files: FileAccess = {
    ...systemFiles,
    lstat: count('lstat', systemFiles.lstat),
    open: count('open', systemFiles.open),
    read: count('read', systemFiles.read),
    list: count('list', systemFiles.list),
  };
  return { files, calls };
}

const FEW = 20;
/** More than a page of cursors, and more than are looked at with each poll. */
const MANY = 1_100;

/** A folder of files that were read long ago; `restart` begins from what the store remembers. */
async function restingRig(count = FEW) {
  const { files, calls } = countingFiles();
  const rig = await createRig((folder) => directorySource(folder, { onChange: 'rerun' }), {
    files,
  });
  for (let n = 0; n < count; n += 1) writeFileSync(join(rig.folder, `${n}.json`), `{"id":${n},"v":1}`);
  await rig.clock.advance(10_000);
  await rig.poll();
  expect(await rig.keys()).toHaveLength(count);
  // Past the time in which a file that has changed is looked at with every poll.
  await rig.clock.advance(11 * 60_000);
  await rig.poll();
  calls.clear();
  const secondVersions = async () =>
    ((await rig.payloads()) as Idea[]).filter(({ v }) => v === 2).map(({ id }) => id);
  return { rig, calls, secondVersions, path: (name: string) => join(rig.folder, name) };
}

interface Idea {
  readonly id: number | string;
  readonly v: number;
}

describe('files at rest', () => {
  it.each(['as they were read', 'after a restart'])(
    'cost one lstat each and nothing else, %s',
    async (when) => {
      const { rig, calls } = await restingRig();
      if (when === 'after a restart') rig.restart();
      await rig.poll();
      await rig.polls(1);
      expect(calls.get('lstat')).toBe(2 * FEW);
      expect(calls.get('open') ?? 0).toBe(0);
    },
  );

  it('are known after a restart from all pages of what the store remembers', async () => {
    const { rig, calls, path, secondVersions } = await restingRig(MANY);
    rig.restart();
    rmSync(path('0.json'));
    writeFileSync(path('999.json'), '{"id":999,"v":2}');
    await rig.poll();
    await rig.polls(2);
    expect(calls.get('open')).toBeLessThan(5);
    expect(await secondVersions()).toEqual([999]);
    const scope = { workspace: 'default', kind: 'source', name: 'files' } as const;
    expect(await rig.store.cursors(scope)).toHaveLength(MANY - 1);
  });

  it.each<[string, (path: string) => void]>([
    ['written in place', (path) => writeFileSync(path, '{"id":7,"v":2,"long":true}')],
    ['written with the same size', (path) => writeFileSync(path, '{"id":7,"v":2}')],
    [
      'written with its mtime put back',
      (path) => {
        const { atime, mtime } = statSync(path);
        writeFileSync(path, '{"id":7,"v":2}');
        utimesSync(path, atime, mtime);
      },
    ],
    [
      'replaced by a rename',
      (path) => {
        writeFileSync(`${path}.tmp`, '{"id":7,"v":2}');
        renameSync(`${path}.tmp`, path);
      },
    ],
    [
      'deleted and made again',
      (path) => {
        rmSync(path);
        writeFileSync(path, '{"id":7,"v":2}');
      },
    ],
  ])('are read again when they are %s', async (_, change) => {
    const { rig, path, secondVersions } = await restingRig();
    change(path('7.json'));
    await rig.poll();
    await rig.polls(2);
    expect(await secondVersions()).toEqual([7]);
    expect(await rig.keys()).toHaveLength(FEW);
  });

  it.each<[string, (path: string) => void, RegExp]>([
    [
      'a link',
      (path) => {
        rmSync(path);
        symlinkSync('8.json', path);
      },
      /symbolic link/,
    ],
    ['a file that may not be read', (path) => chmodSync(path, 0o000), /permission/],
  ])('are reported when one becomes %s, and read once it is a file again', async (_, change, problem) => {
    const { rig, path, secondVersions } = await restingRig();
    change(path('7.json'));
    const mayReadAll = problem.test('permission') && canRead(path('7.json'));
    await rig.poll();
    // Whoever runs as root may read everything.
    if (!mayReadAll) expect(rig.poller.status().problem).toMatch(problem);
    rmSync(path('7.json'));
    writeFileSync(path('7.json'), '{"id":7,"v":2}');
    await rig.polls(40);
    expect(rig.poller.status().problem).toBeNull();
    expect(await secondVersions()).toEqual([7]);
  });

  it('are forgotten when they are deleted, and what takes their names later is new', async () => {
    const { rig, path } = await restingRig();
    for (let n = 0; n < 10; n += 1) rmSync(path(`${n}.json`));
    await rig.poll();
    const scope = { workspace: 'default', kind: 'source', name: 'files' } as const;
    expect(await rig.store.cursors(scope)).toHaveLength(FEW - 10);
    mkdirSync(path('3.json'));
    writeFileSync(path('5.json'), '{"id":"another","v":2}');
    await rig.polls(2);
    expect((await rig.keys()).includes('another')).toBe(true);
    expect(await rig.store.cursors(scope)).toHaveLength(FEW - 9);
  });

  it('come round in turn, each once in 30 s; one that is listed no longer is looked at with the next poll', async () => {
    const { rig, calls, path, secondVersions } = await restingRig(MANY);
    const scope = { workspace: 'default', kind: 'source', name: 'files' } as const;
    // By the timer's polls, not by those that look at everything.
    rig.poller.start();
    const { polls } = rig.poller;
    await until(() => rig.poller.polls > polls);
    writeFileSync(path('1099.json'), '{"id":1099,"v":2}');
    rmSync(path('1098.json'));
    calls.clear();
    await rig.clock.advance(2_000);
    await until(async () => (await rig.store.cursors(scope)).length === MANY - 1);
    expect(calls.get('lstat')).toBeLessThan(MANY);
    for (let n = 0; n < 20; n += 1) await rig.clock.advance(2_000);
    await rig.poller.stop();
    expect(calls.get('lstat')).toBeGreaterThan(MANY);
    expect(await secondVersions()).toEqual([1099]);
  });
});

function canRead(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
