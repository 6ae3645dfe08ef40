import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { createRig, directorySource } from './rig.js';

async function folderRig(changes: Parameters<typeof directorySource>[1] = {}) {
  const rig = await createRig((folder) => directorySource(join(folder, 'in'), changes));
  const folder = join(rig.folder, 'in');
  mkdirSync(folder);
  return {
    rig,
    folder,
    path: (name: string) => join(folder, name),
    write: (name: string, value: unknown) =>
      writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value)),
  };
}

describe('a folder of files, when it is hostile:', () => {
  it('FIFOs, sockets and folders with matching names are passed over without waiting, and the rest is read', async () => {
    const { rig, path, write } = await folderRig();
    for (let n = 0; n < 4; n += 1) execFileSync('mkfifo', [path(`fifo${n}.json`)]);
    mkdirSync(path('folder.json'));
    const server = createServer().listen(path('socket.json'));
    onTestFinished(() => void server.close());
    write('z.json', { id: 1 });
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1']);
    expect(rig.poller.status().problem).toBeNull();
  });

  it('a file that becomes a FIFO, and back, is neither waited for nor forgotten', async () => {
    const { rig, path, write } = await folderRig();
    write('a.json', { id: 1 });
    await rig.polls(2);
    rmSync(path('a.json'));
    execFileSync('mkfifo', [path('a.json')]);
    await rig.polls(2);
    rmSync(path('a.json'));
    write('a.json', { id: 2 });
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it('links are refused; followed where that is allowed, but not out of the folder; loops end', async () => {
    const { rig, path, write, folder } = await folderRig({ followSymlinks: true });
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub', 'real'), '{"id":"inside"}');
    writeFileSync(join(rig.folder, 'outside'), '{"id":"outside"}');
    symlinkSync('sub/real', path('a.json'));
    symlinkSync('../outside', path('b.json'));
    symlinkSync('c.json', path('c.json'));
    symlinkSync('e.json', path('d.json'));
    symlinkSync('d.json', path('e.json'));
    write('z.json', { id: 'plain' });
    await rig.poll();
    expect(await rig.keys()).toEqual(['inside', 'plain']);
    expect(rig.poller.status().problem).toContain('b.json');
  });

  it('names with line breaks, escapes, quotes and bytes that are not UTF-8 work', async () => {
    const { rig, folder } = await folderRig({ key: null });
    const names = [
      'a\nb.json',
      '\u001b[31mred.json',
      `it's "quoted".json`,
      '💥.json',
      '$(id).json',
      '-rf.json',
    ];
    for (const name of names) writeFileSync(join(folder, name), JSON.stringify({ name }));
    const raw = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.of(0xe9), Buffer.from('.json')]);
    writeFileSync(raw, '{"name":"latin1"}');
    expect(await rig.poll()).toBe(true);
    expect((await rig.keys()).sort()).toEqual([...names, 'caf\\xe9.json'].sort());
    writeFileSync(raw, '{"name":"changed"}');
    rig.restart({ onChange: 'rerun' });
    await rig.polls(3);
    expect(await rig.payloads()).toContainEqual({ name: 'changed' });
  });

  it('0 bytes are pending, and so is white space; nothing of it is rejected', async () => {
    const { rig, write } = await folderRig();
    write('a.json', '');
    write('b.json', ' \n');
    expect(await rig.poll()).toBe(false);
    expect(rig.poller.status()).toMatchObject({ waitingFiles: 2, problem: null });
    await rig.clock.advance(61_000);
    // A worker that runs until all is done may end.
    expect(await rig.poll()).toBe(true);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
    write('a.json', { id: 1 });
    write('b.json', { id: 2 });
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it('a file that is written in place is taken at the second look, one that is renamed into place at once', async () => {
    const { rig, path, write } = await folderRig();
    write('a.json', { id: 1 });
    await rig.poll();
    write('a.json', { id: 2 });
    expect(await rig.poll()).toBe(false);
    expect(await rig.keys()).toEqual(['1']);
    expect(await rig.poll()).toBe(true);
    write('.a', { id: 3 });
    renameSync(path('.a'), path('a.json'));
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('what is seen half over what it was is not taken', async () => {
    const { rig, path, write } = await folderRig();
    const text = (id: string, mark: string) => JSON.stringify({ id, text: mark.repeat(2_000), end: mark });
    write('a.json', text('old', 'x'));
    await rig.poll();
    const fd = openSync(path('a.json'), 'r+');
    const next = text('new', 'y');
    writeSync(fd, next.slice(0, 1_000), 0);
    await rig.poll();
    writeSync(fd, next.slice(1_000), 1_000);
    ftruncateSync(fd, next.length);
    closeSync(fd);
    await rig.polls(3);
    const payloads = (await rig.jobs()).map((job) => job.payload.bytes.toString());
    expect(payloads).toEqual([text('old', 'x'), next]);
  });

  it('what is written over between two looks at its bytes is taken as one content or not at all', async () => {
    const text = (id: number, a: string, b: string) => JSON.stringify({ id, a, b });
    let act = (): void => undefined;
    const read: FileAccess['read'] = (...args) => {
      const length = systemFiles.read(...args);
      act();
      return length;
    };
    const rig = await createRig((folder) => directorySource(folder), { files: { ...systemFiles, read } });
    const path = join(rig.folder, 'a.json');
    writeFileSync(path, text(1, 'old', 'old'));
    act = () => {
      act = () => undefined;
      writeFileSync(path, text(2, 'new', 'old'), { flag: 'r+' });
    };
    await rig.poll();
    writeFileSync(path, text(2, 'new', 'new'), { flag: 'r+' });
    await rig.polls(3);
    const payloads = (await rig.jobs()).map((job) => job.payload.bytes.toString());
    expect(payloads).toEqual([text(1, 'old', 'old'), text(2, 'new', 'new')]);
  });

  it('same size, preserved mtime, future mtime: every change is seen, also after a restart', async () => {
    const { rig, path, write } = await folderRig();
    const seconds = Math.floor(Date.now() / 1000) + 500_000;
    for (const id of [1, 2, 3, 4]) {
      write('a.json', { id });
      utimesSync(path('a.json'), seconds, seconds);
      if (id === 3) rig.restart();
      await rig.polls(3);
    }
    expect(await rig.keys()).toEqual(['1', '2', '3', '4']);
  });

  it('a large array is read slice by slice, a bad element in it alone is rejected, and its place is named', async () => {
    const { rig, path } = await folderRig();
    const items = Array.from({ length: 4_000 }, (_, id) => JSON.stringify({ id, text: 'x'.repeat(400) }));
    items[3_000] = `{"id":3000,"x":NaN}`;
    const text = `[\n${items.join(',\n')}\n]`;
    writeFileSync(path('big.json'), text);
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toHaveLength(3_999);
    expect(await rig.store.rejects(null, 10)).toMatchObject([
      { reason: 'not-finite', line: 3_002, offset: text.indexOf('{"id":3000'), lengthBytes: 19 },
    ]);
  });

  it('an object that is too large is rejected, also where it is much larger than what is read at once', async () => {
    const { rig, write } = await folderRig({ maxRecordBytes: 10_000 });
    write('a.json', { id: 1, text: 'x'.repeat(20_000) });
    write('b.json', { id: 2, text: 'x'.repeat(900_000) });
    write('c.json', { id: 3 });
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['3']);
    expect((await rig.store.rejects(null, 10)).map(({ reason }) => reason)).toEqual([
      'too-large',
      'too-large',
    ]);
  });

  it('several values in one file, a bare value, a torn file: waited for, then rejected with what to do', async () => {
    const { rig, write } = await folderRig();
    write('lines.json', '{"id":1}\n{"id":2}\n');
    write('bare.json', '12');
    write('torn.json', '[{"id":1},{"id"');
    expect(await rig.poll()).toBe(false);
    expect(rig.poller.status()).toMatchObject({ waitingFiles: 3, problem: null });
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    const rejects = await rig.store.rejects(null, 10);
    expect(rejects.map(({ path, reason }) => [path.slice(path.lastIndexOf('/') + 1), reason]).sort()).toEqual(
      [
        ['bare.json', 'not-records'],
        ['lines.json', 'json'],
        ['torn.json', 'unfinished'],
      ],
    );
    expect(rejects.every(({ remedy }) => remedy.length > 10)).toBe(true);
    rig.restart();
    expect(await rig.poll()).toBe(true);
    expect(await rig.store.rejects(null, 10)).toHaveLength(3);
  });

  it('`after: delete` removes only what is wholly admitted and unchanged, and leaves a file with a reject', async () => {
    const { rig, folder, write } = await folderRig({ after: 'delete' });
    write('good.json', [{ id: 1 }, { id: 2 }]);
    write('bad.json', [{ id: 3 }, { title: 'no id' }]);
    await rig.polls(3);
    expect(readdirSync(folder)).toEqual(['bad.json']);
    write('bad.json', [{ id: 3 }, { id: 4 }]);
    await rig.polls(4);
    expect(readdirSync(folder)).toEqual([]);
    expect((await rig.keys()).sort()).toEqual(['1', '2', '3', '4']);
  });

  it('`after: archive` does not move a file that was replaced after it was admitted, before that is read too', async () => {
    const { rig, path, folder, write } = await folderRig({ after: 'archive' });
    write('a.json', { id: 1 });
    await rig.poll();
    write('.a', { id: 2 });
    renameSync(path('.a'), path('a.json'));
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2']);
    expect(readdirSync(folder)).toEqual(['archived']);
    expect(readFileSync(join(folder, 'archived', 'a.json'), 'utf8')).toBe('{"id":2}');
  });

  it('no file is altered while it is kept', async () => {
    const { rig, path, write } = await folderRig();
    write('a.json', { id: 1 });
    write('b.json', '{"id":');
    const stamps = () => ['a.json', 'b.json'].map((name) => lstatSync(path(name), { bigint: true }).ctimeNs);
    const before = stamps();
    await rig.polls(2);
    await rig.clock.advance(61_000);
    await rig.polls(2);
    expect(stamps()).toEqual(before);
  });
});
