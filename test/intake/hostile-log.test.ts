import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRig, logSource, type RigOptions } from './rig.js';

const line = (id: number | string, more: object = {}) => `${JSON.stringify({ id, ...more })}\n`;

async function logRig(changes: Parameters<typeof logSource>[1] = {}, options: RigOptions = {}) {
  const rig = await createRig((folder) => logSource(join(folder, 'log.json'), changes), options);
  return { rig, path: join(rig.folder, 'log.json') };
}

describe('a log, when it is hostile:', () => {
  it('a FIFO, a folder, a link in its place are refused without waiting, and named', async () => {
    const { rig, path } = await logRig();
    execFileSync('mkfifo', [path]);
    await rig.poll();
    expect(rig.poller.status().problem).toContain('FIFO');
    rmSync(path);
    mkdirSync(path);
    await rig.polls(2);
    expect(rig.poller.status().problem).toContain('a folder');
    rmSync(path, { recursive: true });
    writeFileSync(join(rig.folder, 'real.json'), line(1));
    symlinkSync('real.json', path);
    await rig.polls(4);
    expect(rig.poller.status().problem).toContain('symbolic link');
    expect(await rig.keys()).toEqual([]);
  });

  it('a link is followed where that is allowed, but not out of its folder, and a loop ends', async () => {
    const { rig, path } = await logRig({ followSymlinks: true });
    const inside = join(rig.folder, 'real.json');
    writeFileSync(inside, line(1));
    symlinkSync('real.json', path);
    await rig.poll();
    expect(await rig.keys()).toEqual(['1']);
    rmSync(path);
    symlinkSync('/etc/hostname', path);
    await rig.poll();
    expect(rig.poller.status().problem).toContain('leaves the folder');
    rmSync(path);
    symlinkSync('log.json', path);
    await rig.polls(2);
    expect(rig.poller.status().problem).toContain('ELOOP');
  });

  it('that vanishes and comes back is compared, not read as new', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, line(1) + line(2));
    await rig.poll();
    renameSync(path, `${path}.away`);
    expect(await rig.poll()).toBe(true);
    expect(rig.poller.status().problem).toBeNull();
    renameSync(`${path}.away`, path);
    appendFileSync(path, line(3));
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('that is deleted closes its rejects; that comes back has them again, also after a restart', async () => {
    const { rig, path } = await logRig();
    const refused = async () => (await rig.store.rejects(null, 10)).map(({ line }) => line);
    writeFileSync(path, `${line(1)}{"title":"no id"}\n${line(2)}`);
    await rig.poll();
    expect(await refused()).toEqual([2]);
    renameSync(path, join(rig.state, 'kept'));
    await rig.polls(1);
    expect(await refused()).toEqual([]);
    renameSync(join(rig.state, 'kept'), path);
    await rig.polls(2);
    expect(await refused()).toEqual([2]);

    rig.restart();
    renameSync(path, join(rig.state, 'kept'));
    await rig.polls(1);
    expect(await refused()).toEqual([]);
    renameSync(join(rig.state, 'kept'), path);
    rig.restart();
    await rig.polls(2);
    expect(await refused()).toEqual([2]);
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it('whose folder is not there keeps its rejects, and says how to make the folder', async () => {
    const rig = await createRig((folder) => logSource(join(folder, 'below', 'log.json')));
    const folder = join(rig.folder, 'below');
    await rig.poll();
    expect(rig.poller.status().problem).toContain(`make it with mkdir -p ${folder}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'log.json'), '{"title":"no id"}\n');
    await rig.polls(1);
    expect(rig.poller.status().problem).toBeNull();
    renameSync(folder, `${folder}.away`);
    await rig.polls(2);
    expect(rig.poller.status().problem).toContain('is not there');
    expect(await rig.store.rejects(null, 10)).toHaveLength(1);
  });

  it.skipIf(process.getuid?.() === 0)(
    'without permission is shown, tried again later and later, and read when it may be (skipped for root, who may read everything)',
    async () => {
      const { rig, path } = await logRig();
      writeFileSync(path, line(1), { mode: 0o000 });
      await rig.poll();
      expect(rig.poller.status().problem).toContain('EACCES');
      chmodSync(path, 0o600);
      await rig.polls(3);
      expect(await rig.keys()).toEqual(['1']);
      expect(rig.poller.status().problem).toBeNull();
    },
  );

  it('of 0 bytes is pending, whether it is new or was emptied', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '');
    expect(await rig.poll()).toBe(true);
    writeFileSync(path, line(1));
    await rig.poll();
    truncateSync(path);
    expect(await rig.poll()).toBe(false);
    expect(rig.poller.status()).toMatchObject({ waitingFiles: 1, problem: null });
    appendFileSync(path, line(1) + line(2));
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('in UTF-16 is told so', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, Buffer.from('\ufeff{"id":1}\n', 'utf16le'));
    await rig.polls(35);
    const [first] = [...(await rig.store.rejects(null, 10))].reverse();
    expect(first).toMatchObject({ reason: 'utf8', detail: 'it is UTF-16, and must be UTF-8' });
  });

  it('with a byte order mark and carriage returns is read', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '\ufeff{"id":1}\r\n\r\n{"id":2}\r\n');
    expect(await rig.poll()).toBe(true);
    writeFileSync(path, '\ufeff{"id":1}\r\n\r\n{"id":2}\r\n{"id":3}\r\n');
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it.each([
    ['invalid UTF-8', Buffer.from('7b226964223a32ff7d', 'hex'), 'utf8'],
    ['NaN', Buffer.from('{"id":2,"x":NaN}'), 'not-finite'],
    ['Infinity', Buffer.from('{"id":2,"x":-Infinity}'), 'not-finite'],
    ['too many levels', Buffer.from(`{"id":2,"x":${'['.repeat(70)}${']'.repeat(70)}}`), 'too-deep'],
    ['too many bytes', Buffer.from(`{"id":2,"x":"${'x'.repeat(5_000)}"}`), 'too-large'],
  ])(
    'one record with %s is rejected with its place, and its neighbours are admitted',
    async (_, bad, reason) => {
      for (const [before, after, at] of [
        ['{"id":1}\n', '\n{"id":3}\n', 2],
        ['[\n{"id":1},\n', ',{"id":3}\n]', 3],
      ] as const) {
        const { rig, path } = await logRig({ maxRecordBytes: 4_000 });
        writeFileSync(path, Buffer.concat([Buffer.from(before), bad, Buffer.from(after)]));
        expect(await rig.poll()).toBe(true);
        expect(await rig.keys()).toEqual(['1', '3']);
        expect(await rig.store.rejects('log', 10)).toMatchObject([
          { path, reason, line: at, offset: before.length, lengthBytes: bad.length },
        ]);
        const [copy] = readdirSync(join(rig.state, 'rejects'));
        expect(readFileSync(join(rig.state, 'rejects', copy ?? '')).equals(bad)).toBe(true);
      }
    },
  );

  it('a line that is no JSON is rejected alone at once; mended in place it is admitted, and its reject is closed', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, `${line(1)}{"id":2,}\n${line(3)}`);
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '3']);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'json', line: 2 }]);
    writeFileSync(path, `${line(1)}{"id":2 }\n${line(3)}`);
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '3', '2']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('an array with an element that is no JSON is waited for, then rejected from there; mended, the rest is read', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '[{"id":1},\n{"id":2,},\n{"id":3}]');
    expect(await rig.poll()).toBe(false);
    expect(await rig.keys()).toEqual(['1']);
    expect(rig.poller.status()).toMatchObject({ waitingFiles: 1, problem: null });
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'json', line: 2, offset: 11 }]);
    expect(await rig.poll()).toBe(true);
    writeFileSync(path, '[{"id":1},\n{"id":2},\n{"id":3}]');
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('an array that was never closed gives what it holds, then a reject, then what is appended', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '[{"id":1},{"id":2}');
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2']);
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'unfinished' }]);
    appendFileSync(path, ',{"id":3}]');
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('a last line without a newline is taken once it has stood still, and what follows it is a line of its own', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '{"id":1}\n{"id":2}');
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1']);
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2']);
    appendFileSync(path, '\n{"id":3}\n');
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('a last line that stays half written is rejected, and admitted when it is finished', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '{"id":1}\n{"id":2,"te');
    await rig.poll();
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'unfinished', line: 2, offset: 9 }]);
    appendFileSync(path, 'xt":1}\n');
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('NUL bytes are waited for, then that stretch is rejected, and reading goes on after it', async () => {
    const { rig, path } = await logRig();
    const fd = openSync(path, 'w');
    writeSync(fd, line(1));
    writeSync(fd, `\n${line(2)}`, 5_000);
    expect(await rig.poll()).toBe(false);
    expect(await rig.keys()).toEqual(['1']);
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    closeSync(fd);
    expect(await rig.keys()).toEqual(['1', '2']);
    expect(await rig.store.rejects(null, 10)).toMatchObject([
      { reason: 'nul-bytes', offset: 9, lengthBytes: 4_991 },
    ]);
  });

  it('truncated and written on by a program that keeps its position (copytruncate) loses nothing', async () => {
    const { rig, path } = await logRig();
    const fd = openSync(path, 'w');
    writeSync(fd, line(1) + line(2));
    await rig.poll();
    truncateSync(path);
    await rig.poll();
    writeSync(fd, line(3));
    closeSync(fd);
    await rig.polls(2);
    await rig.clock.advance(61_000);
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('rewritten with the same size, and with a preserved or a future mtime, is seen', async () => {
    const { rig, path } = await logRig();
    const future = Math.floor(Date.now() / 1000) + 1_000_000;
    writeFileSync(path, line(1));
    utimesSync(path, future, future);
    await rig.polls(2);
    for (const id of [2, 3]) {
      writeFileSync(path, line(id));
      utimesSync(path, future, future);
      await rig.polls(2);
    }
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(lstatSync(path).mtimeMs).toBe(future * 1000);
  });

  it('replaced by files whose inodes alternate is read each time', async () => {
    const { rig, path } = await logRig();
    for (let id = 1; id <= 8; id += 1) {
      writeFileSync(`${path}.tmp`, line(id));
      renameSync(`${path}.tmp`, path);
      await rig.polls(2);
    }
    expect(await rig.keys()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  });

  it('replaced by another document is not read on in its middle, where a part may look like a record', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '[{"id":1}]');
    await rig.poll();
    writeFileSync(`${path}.tmp`, '[[{"a":1},{"id":99}],{"id":2}]');
    renameSync(`${path}.tmp`, path);
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it('copies of a record without a key are as many jobs as stand there, never more', async () => {
    const { rig, path } = await logRig({ key: null });
    writeFileSync(path, '{"x":1}\n{"x":1}\n{"x":2}\n');
    await rig.poll();
    appendFileSync(path, '{"x":1}\n');
    await rig.poll();
    expect(await rig.payloads()).toHaveLength(4);
    for (const text of [
      '{"x":1}\n{"x":2}\n',
      '{"x":2}\n{"x":1}\n{"x":1}\n{"x":1}\n{"x":1}\n',
      '{"x": 2}\n',
    ]) {
      writeFileSync(`${path}.tmp`, text);
      renameSync(`${path}.tmp`, path);
      rig.restart();
      await rig.poll();
    }
    expect(await rig.payloads()).toHaveLength(5);
  });

  it('a change in the middle of the consumed part is found, and with onChange: rerun runs again', async () => {
    const { rig, path } = await logRig({ onChange: 'rerun' });
    const text = (middle: string) =>
      Array.from({ length: 3_000 }, (_, id) =>
        line(id, { note: id === 1_500 ? middle : 'x'.repeat(30) }),
      ).join('');
    writeFileSync(path, text('before'));
    await rig.poll();
    await rig.polls(2);
    writeFileSync(path, text('after!'));
    await rig.polls(4);
    const changed = (await rig.jobs()).filter((job) => job.key === '1500');
    expect(changed.map((job) => JSON.parse(job.payload.bytes.toString()).note)).toEqual(['after!']);
  });

  it('a change in the middle is found although the worker is restarted before it could have looked there', async () => {
    const { rig, path } = await logRig();
    const text = (changed: string, count: number) =>
      Array.from({ length: count }, (_, id) =>
        line(id === 2_500 ? changed : `r${id}`, { note: 'x'.repeat(90) }),
      ).join('');
    writeFileSync(path, text('before', 5_000));
    await rig.polls(2);
    writeFileSync(path, text('after!', 5_001));
    await rig.poll();
    rig.restart();
    await rig.polls(4);
    expect((await rig.keys()).slice(-2)).toEqual(['r5000', 'after!']);
  });

  it('changed records are counted as such where they do not run again', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, line(1, { v: 1 }));
    await rig.poll();
    writeFileSync(path, line(1, { v: 2 }));
    await rig.polls(2);
    expect(rig.lines.at(-1)).toContain('0 queued, 1 changed but ignored (onChange: ignore)');
  });

  it('what its gate refuses is counted with its reason, and admitted once it is mended', async () => {
    const { rig, path } = await logRig({ require: { type: 'object', required: ['tags'] } });
    writeFileSync(path, line(1) + line(2, { tags: [] }) + line(3));
    await rig.poll();
    expect(rig.lines.at(-2)).toContain('1 queued, 2 rejected (schema 2)');
    expect(await rig.store.rejects(null, 10)).toMatchObject([
      { remedy: 'add "tags"' },
      { remedy: 'add "tags"' },
    ]);
    writeFileSync(path, line(1, { tags: [] }) + line(2, { tags: [] }) + line(3));
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['2', '1']);
    expect(await rig.store.rejects(null, 10)).toHaveLength(1);
  });

  it('its file is never altered', async () => {
    const { rig, path } = await logRig();
    writeFileSync(path, '{"id":1}\n{"broken"\n\0\0');
    const before = lstatSync(path, { bigint: true });
    await rig.polls(2);
    await rig.clock.advance(61_000);
    await rig.polls(2);
    const after = lstatSync(path, { bigint: true });
    expect([after.mtimeNs, after.ctimeNs, after.size]).toEqual([before.mtimeNs, before.ctimeNs, before.size]);
  });
});
