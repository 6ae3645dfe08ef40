import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRig, directorySource } from './rig.js';

async function folderRig(changes: Parameters<typeof directorySource>[1] = {}) {
  const rig = await createRig((folder) => directorySource(folder, changes));
  return {
    rig,
    write: (name: string, value: unknown) =>
      writeFileSync(join(rig.folder, name), typeof value === 'string' ? value : JSON.stringify(value)),
    replace(name: string, value: unknown) {
      writeFileSync(join(rig.folder, `.${name}.tmp`), JSON.stringify(value));
      renameSync(join(rig.folder, `.${name}.tmp`), join(rig.folder, name));
    },
  };
}

describe('a directory source', () => {
  it('takes a file with one object and a file with an array', async () => {
    const { rig, write } = await folderRig();
    write('a.json', { id: 1 });
    write('b.json', [{ id: 2 }, { id: 3 }]);
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(rig.lines.join()).toContain('3 queued');
  });

  it('looks at nothing that does not match, is excluded, hidden or temporary', async () => {
    const { rig, write } = await folderRig({ exclude: ['rework_*.json'] });
    for (const name of [
      'a.txt',
      'rework_queue.json',
      '.a.json',
      'a.json~',
      'a.json.tmp',
      '._b.json',
      '#c.json#',
    ]) {
      write(name, { id: name });
    }
    mkdirSync(join(rig.folder, 'folder.json'));
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual([]);
    expect(rig.poller.status().problem).toBeNull();
  });

  it('waits for a half-written file, shows it as waiting, and rejects it when it stays so', async () => {
    const { rig, write } = await folderRig();
    write('a.json', '{"id": 1, "ti');
    expect(await rig.poll()).toBe(false);
    expect(rig.poller.status()).toMatchObject({ waitingFiles: 1, problem: null });
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'unfinished', offset: 0 }]);
    write('a.json', '{"id": 1, "title": "mended"}');
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('closes the rejects of a file that is deleted, and of no other', async () => {
    const { rig, write } = await folderRig();
    const refused = async () => (await rig.store.rejects(null, 10)).map(({ path }) => path).sort();
    write('a.json', '"a text"');
    write('b.json', [{ id: 1 }, { title: 'no id' }]);
    write('c.json', { title: 'no id' });
    await rig.polls(40);
    expect(await refused()).toEqual(['a.json', 'b.json', 'c.json'].map((name) => join(rig.folder, name)));
    rmSync(join(rig.folder, 'a.json'));
    rmSync(join(rig.folder, 'b.json'));
    await rig.polls(1);
    expect(await refused()).toEqual([join(rig.folder, 'c.json')]);
    expect(await rig.store.cursors({ workspace: 'default', kind: 'source', name: 'files' })).toHaveLength(1);
    rig.restart();
    rmSync(join(rig.folder, 'c.json'));
    await rig.poll();
    expect(await refused()).toEqual([]);
    write('c.json', { title: 'no id' });
    await rig.polls(1);
    expect(await refused()).toEqual([join(rig.folder, 'c.json')]);
  });

  it('whose folder is not there says how to make it, also after a restart, and keeps its rejects', async () => {
    const { rig, write } = await folderRig();
    write('a.json', { title: 'no id' });
    write('b.json', { id: 1 });
    await rig.poll();
    renameSync(rig.folder, `${rig.folder}.away`);
    await rig.polls(1);
    const missing = `the folder ${rig.folder} is not there: make it with mkdir -p ${rig.folder}, or mount it`;
    expect(rig.poller.status().problem).toBe(missing);
    rig.restart();
    await rig.polls(1);
    expect(rig.poller.status().problem).toBe(missing);
    expect(await rig.store.rejects(null, 10)).toHaveLength(1);
    renameSync(`${rig.folder}.away`, rig.folder);
    write('c.json', { id: 2 });
    await rig.polls(1);
    expect(rig.poller.status().problem).toBeNull();
    expect(await rig.store.rejects(null, 10)).toHaveLength(1);
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it('announces what it loaded with a tick, and a refusal as a warning that names the command', async () => {
    const { rig, write } = await folderRig();
    const said = () =>
      rig.lines.splice(0).map((line) => line.replace(/^\{.*\} /, '').replaceAll(rig.folder, ''));
    write('a.json', { title: 'no id' });
    await rig.poll();
    const refused = '1 rejected (no-key 1); `dogged rejects --source files` says why, and what to do';
    expect(said()).toEqual([`/a.json: ${refused}`]);
    write('b.json', [{ id: 1 }, { title: 'no id' }]);
    await rig.polls(1);
    expect(said()).toEqual([
      '✅ Loaded tasks from /b.json: 1 queued, 1 rejected (no-key 1)',
      `/b.json: ${refused}`,
    ]);
    write('c.json', { id: 2 });
    await rig.polls(1);
    expect(said()).toEqual(['✅ Loaded tasks from /c.json: 1 queued']);
  });

  it('tells a file in UTF-16 from one that holds no records', async () => {
    const { rig, write } = await folderRig();
    const utf16 = Buffer.from('\ufeff{"id":1}', 'utf16le');
    writeFileSync(join(rig.folder, 'little.json'), utf16);
    writeFileSync(join(rig.folder, 'big.json'), utf16.swap16());
    write('text.json', 'text');
    await rig.polls(35);
    const rejects = await rig.store.rejects(null, 10);
    expect(rejects.map(({ reason, detail }) => `${reason}: ${detail}`).sort()).toEqual([
      'not-records: it holds neither an object nor an array',
      'utf8: it is UTF-16, and must be UTF-8',
      'utf8: it is UTF-16, and must be UTF-8',
    ]);
  });

  it('waits for an empty file, but not for ever, and takes it once it is written', async () => {
    const { rig, write } = await folderRig();
    write('a.json', '');
    expect(await rig.poll()).toBe(false);
    expect(rig.poller.status()).toMatchObject({
      waitingFiles: 1,
      waitingPath: join(rig.folder, 'a.json'),
    });
    await rig.polls(31);
    expect(await rig.poll()).toBe(true);
    expect(rig.poller.status()).toMatchObject({ waitingFiles: 0, waitingPath: null });
    expect(await rig.store.rejects(null, 10)).toEqual([]);
    write('a.json', { id: 1 });
    await rig.polls(1);
    expect(await rig.keys()).toEqual(['1']);
  });

  it('names records without a key by their file, and by their place in its array', async () => {
    const { rig, write } = await folderRig({ key: null });
    write('a.json', { x: 1 });
    write('b.json', [{ x: 1 }, { x: 1 }]);
    await rig.poll();
    expect(await rig.keys()).toEqual(['a.json', 'b.json#0', 'b.json#1']);
  });

  it('refuses a symbolic link and says so', async () => {
    const { rig } = await folderRig();
    symlinkSync('/etc/passwd', join(rig.folder, 'a.json'));
    await rig.poll();
    expect(await rig.keys()).toEqual([]);
    expect(rig.poller.status().problem).toContain('symbolic link');
  });

  it('archives a file once it is admitted and calm, and overwrites nothing there', async () => {
    const { rig, write } = await folderRig({ after: 'archive' });
    mkdirSync(join(rig.folder, 'archived'));
    writeFileSync(join(rig.folder, 'archived', 'a.json'), 'older');
    write('a.json', { id: 1 });
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1']);
    expect(readdirSync(rig.folder)).toEqual(['archived']);
    expect(readFileSync(join(rig.folder, 'archived', 'a.json'), 'utf8')).toBe('older');
    expect(readFileSync(join(rig.folder, 'archived', 'a.1.json'), 'utf8')).toBe('{"id":1}');
  });

  it('knows after a restart what it had read, and sees what changed meanwhile', async () => {
    const { rig, write, replace } = await folderRig();
    write('a.json', { id: 1 });
    write('b.json', { id: 2 });
    await rig.polls(2);
    replace('b.json', { id: 3 });
    rmSync(join(rig.folder, 'a.json'));
    rig.restart();
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(await rig.store.cursors({ workspace: 'default', kind: 'source', name: 'files' })).toHaveLength(1);
  });
});
