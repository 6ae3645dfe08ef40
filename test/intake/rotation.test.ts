import {
  closeSync,
  copyFileSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { line, rotatingRig } from './rotating-rig.js';

describe('a log that is rotated', () => {
  it('by rename is read to the end of the old file, then from the beginning of the new one', async () => {
    const { rig, append, rotate } = await rotatingRig();
    append(line(1) + line(2));
    await rig.poll();
    append(line(3));
    rotate();
    append(line(4));
    expect(await rig.poll()).toBe(true);
    append(line(5));
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3', '4', '5']);
  });

  it('several times while nobody looked is read generation by generation, in order', async () => {
    const { rig, append, rotate } = await rotatingRig();
    append(line(1));
    await rig.poll();
    for (let id = 2; id <= 7; id += 2) {
      append(line(id));
      rotate();
      append(line(id + 1));
    }
    rig.restart();
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3', '4', '5', '6', '7']);
  });

  it('is followed under its new name while nothing, or an empty file, has taken its place', async () => {
    const { rig, path, append, rotate } = await rotatingRig();
    append(line(1));
    await rig.poll();
    const fd = openSync(path, 'a');
    rotate();
    writeSync(fd, line(2));
    await rig.poll();
    writeFileSync(path, '');
    await rig.poll();
    writeSync(fd, line(3));
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    rig.restart();
    writeSync(fd, line(4));
    closeSync(fd);
    append(line(5));
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3', '4', '5']);
  });

  it('takes the last line of the old file though its newline never came', async () => {
    const { rig, append, rotate } = await rotatingRig();
    append(line(1));
    await rig.poll();
    append('{"id":2}');
    rotate();
    append(line(3));
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('by copy and truncate loses nothing that was appended before the copy', async () => {
    const { rig, path, append } = await rotatingRig();
    append(line(1));
    await rig.poll();
    append(line(2));
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
    append(line(3));
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('by copy and truncate is read to the end of the copy though the log stays empty, and counts on nothing', async () => {
    const { rig, path, append } = await rotatingRig({ key: null });
    append('{"x":1}\n');
    await rig.poll();
    append('{"x":2}\n');
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
    await rig.poll();
    expect(await rig.payloads()).toEqual([{ x: 1 }, { x: 2 }]);
    // A program that keeps a copy while it writes all its records again.
    rig.restart();
    append('{"x":1}\n{"x":2}\n{"x":3}\n');
    await rig.polls(3);
    expect(await rig.payloads()).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }]);
  });

  it('to names with dates, and with its suffix kept, is found as well', async () => {
    for (const names of [
      ['log.json-20260101', 'log.json-20260102'],
      ['log-2026-01-01.json', 'log-2026-01-02.json'],
      ['log.2.json', 'log.1.json'],
    ]) {
      const { rig, path, append } = await rotatingRig();
      append(line(1));
      await rig.poll();
      append(line(2));
      renameSync(path, join(rig.folder, names[0] ?? ''));
      writeFileSync(join(rig.folder, names[1] ?? ''), line(3));
      append(line(4));
      await rig.poll();
      expect(await rig.keys()).toEqual(['1', '2', '3', '4']);
    }
  });

  it('counts copies of unkeyed records on: the same line in the new file is another record', async () => {
    const { rig, append, rotate } = await rotatingRig({ key: null });
    append('{"x":1}\n');
    await rig.poll();
    rotate();
    append('{"x":1}\n{"x":1}\n');
    await rig.poll();
    rig.restart();
    await rig.poll();
    expect(await rig.payloads()).toHaveLength(3);
  });

  it('counts no generation over again because the log was touched with an old time', async () => {
    const { rig, path, append, rotate } = await rotatingRig({ key: null });
    append('{"x":1}\n{"x":2}\n');
    await rig.poll();
    rotate();
    append('{"x":1}\n');
    utimesSync(path, 1, 1);
    await rig.poll();
    // Begins as the generation that was read before it.
    writeFileSync(`${path}.new`, '{"x":3}\n');
    renameSync(`${path}.new`, path);
    await rig.polls(2);
    expect(await rig.payloads()).toHaveLength(4);
  });

  it('is not mistaken for a program that keeps its last version as a copy', async () => {
    const { rig, path, append } = await rotatingRig({ key: null });
    append('{"x":1}\n{"x":2}\n');
    await rig.poll();
    renameSync(path, `${path}.bak`);
    append('{"x":2}\n{"x":3}\n');
    await rig.poll();
    expect(await rig.payloads()).toHaveLength(3);
  });

  it('to a packed file is reported as a gap, once', async () => {
    const { rig, path, append } = await rotatingRig();
    append(line(1));
    await rig.poll();
    append(line(2));
    renameSync(path, `${path}.1`);
    append(line(3));
    writeFileSync(`${path}.1.gz`, 'packed');
    rmSync(`${path}.1`);
    await rig.poll();
    rig.restart();
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '3']);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'gap', path: `${path}.1.gz` }]);
  });

  it('after it was replaced while nobody looked is read from the rotated file, and the gap is reported', async () => {
    const { rig, path, append, rotate } = await rotatingRig();
    append(line(1) + line(2));
    await rig.poll();
    writeFileSync(`${path}.new`, line(2) + line(3));
    renameSync(`${path}.new`, path);
    rotate();
    append(line(4));
    rotate();
    append(line(5));
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2', '3', '4', '5']);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'gap', path: `${path}.2` }]);
  });

  it('after it was written over, before that had settled, is read from the rotated file', async () => {
    const { rig, path, append, rotate } = await rotatingRig();
    append(line(1) + line(2));
    await rig.poll();
    writeFileSync(path, line(2) + line(3));
    expect(await rig.poll()).toBe(false);
    rotate();
    append(line(4));
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2', '3', '4']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('out of reach is reported though its inode has become the new log at once, as ext4 gives it', async () => {
    const { rig, path, append } = await rotatingRig();
    append(line(1));
    await rig.poll();
    writeFileSync(`${path}.1`, line(2));
    rmSync(path);
    append(line(3));
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'gap', path: `${path}.1` }]);
  });

  it('that held nothing but its brackets is read to its end though its inode has become the new log', async () => {
    const { rig, path } = await rotatingRig();
    writeFileSync(path, '[]');
    await rig.poll();
    writeFileSync(`${path}.1`, '[{"id":1}]');
    rmSync(path);
    writeFileSync(path, '[{"id":2}]');
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it('that was empty when it was looked at is read to its end', async () => {
    const { rig, path, append, rotate } = await rotatingRig();
    writeFileSync(path, '');
    await rig.poll();
    append(line(1));
    rotate();
    append(line(2));
    rotate();
    append(line(3));
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('that held nothing but its brackets when it was looked at is read to its end', async () => {
    const { rig, path, rotate } = await rotatingRig();
    writeFileSync(path, '[]');
    await rig.poll();
    writeFileSync(path, '[{"id":1}]');
    rotate();
    writeFileSync(path, '[{"id":2}]');
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it('is read anew where a part of it was changed that had been read', async () => {
    const { rig, path, append, rotate } = await rotatingRig();
    const lines = (ids: readonly number[]) =>
      ids.map((id) => `${JSON.stringify({ id, text: 'x'.repeat(900) })}\n`).join('');
    const ids = Array.from({ length: 20 }, (_, n) => n + 10);
    append(lines(ids));
    await rig.polls(2);
    writeFileSync(path, lines(ids.map((id) => (id === 20 ? 99 : id))));
    rotate();
    append(lines([50]));
    await rig.polls(2);
    expect((await rig.keys()).slice(-2)).toEqual(['99', '50']);
  });

  it('is found although the new log has the inode of the one that was read last', async () => {
    const { rig, path, append, rotate } = await rotatingRig();
    append(line(1));
    await rig.poll();
    renameSync(path, join(rig.folder, 'kept'));
    append(line(2));
    rotate();
    writeFileSync(join(rig.folder, 'kept'), line(3));
    renameSync(join(rig.folder, 'kept'), path);
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('before anything of it could be taken is read from the rotated file', async () => {
    const { rig, path, rotate } = await rotatingRig();
    writeFileSync(path, '[{"id":1');
    await rig.poll();
    writeFileSync(path, '[{"id":1},{"id":2}]');
    rotate();
    writeFileSync(path, '[{"id":3}]');
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it.each(['open', 'list'] as const)(
    'once more while it is being read (%s) is read generation by generation all the same',
    async (call) => {
      let act = (): void => undefined;
      const files: FileAccess = {
        ...systemFiles,
        open(path) {
          if (call === 'open' && String(path).endsWith('.1')) act();
          return systemFiles.open(path);
        },
        list(folder) {
          // The names as they were, the higher numbers first: each is asked what it is when its turn comes.
          const names = systemFiles.list(folder);
          const all: string[] = [];
          for (let name = names.next(); name !== null; name = names.next()) all.push(name);
          all.sort();
          return {
            close: names.close,
            next() {
              const name = all.pop() ?? null;
              if (call === 'list' && name?.endsWith('.1')) act();
              return name;
            },
          };
        },
      };
      const { rig, append, rotate } = await rotatingRig({ key: call === 'list' ? 'id' : null }, { files });
      append(line(1));
      await rig.poll();
      // Listing misses a name that is moved on before its turn; one is enough, since a second would be told from it.
      const ids = call === 'list' ? [2] : [2, 3];
      for (const id of ids) {
        append(line(id));
        rotate();
      }
      append(line(4));
      act = () => {
        act = () => undefined;
        rotate();
        append(line(5));
      };
      await rig.polls(3);
      const admitted = (await rig.payloads()).map((payload) => (payload as { id: number }).id);
      expect(admitted).toEqual([1, ...ids, 4, 5]);
      expect(await rig.store.rejects(null, 10)).toEqual([]);
    },
  );

  it('twice more since it was opened is read in order, and nothing is counted over again', async () => {
    let act = (): void => undefined;
    const files: FileAccess = {
      ...systemFiles,
      list(folder) {
        act();
        return systemFiles.list(folder);
      },
    };
    const { rig, append, rotate } = await rotatingRig({ key: null }, { files });
    append(line(1));
    await rig.poll();
    rotate();
    append(line(2));
    act = () => {
      act = () => undefined;
      for (const id of [3, 4]) {
        rotate();
        append(line(id));
      }
    };
    await rig.polls(3);
    const admitted = (await rig.payloads()).map((payload) => (payload as { id: number }).id);
    expect(admitted).toEqual([1, 2, 3, 4]);
  });

  it('to a packed file, with nothing in its place, is reported once', async () => {
    const { rig, path, append } = await rotatingRig();
    append(line(1));
    await rig.poll();
    writeFileSync(`${path}.1.gz`, 'packed');
    rmSync(path);
    await rig.polls(4);
    expect(rig.lines.filter((text) => text.includes('gap 1'))).toHaveLength(1);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'gap' }]);
  });

  it('has old generations that were there before it was first seen left alone', async () => {
    const { rig, path, append } = await rotatingRig();
    writeFileSync(`${path}.1`, line(100));
    utimesSync(`${path}.1`, 1_000, 1_000);
    append(line(1));
    await rig.poll();
    renameSync(path, join(rig.folder, 'away'));
    append(line(2));
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });
});
