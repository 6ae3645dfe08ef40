import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { placeFor } from './hostile-place.js';
import { createRig, logSource } from './rig.js';

const isRoot = process.getuid?.() === 0;

describe.each(['log', 'directory'] as const)('a %s meets:', (kind) => {
  describe('FIFO, socket, device, directory named x.json', () => {
    const makers: Record<string, (path: string) => void> = {
      FIFO: (path) => void execFileSync('mkfifo', [path]),
      socket(path) {
        const server = createServer().listen(path);
        onTestFinished(() => void server.close());
      },
      directory: (path) => void mkdirSync(path),
    };

    async function isSkipped(make: (path: string) => void) {
      const { rig, path, text } = await placeFor(kind);
      make(path);
      await rig.polls(2);
      expect(await rig.keys()).toEqual([]);
      // A log has nothing else to read, so it says what is wrong; a folder goes on with its other files.
      if (kind === 'log') expect(rig.poller.status().problem).toContain('not a file');
      else expect(rig.poller.status().problem).toBeNull();
      rmSync(path, { recursive: true, force: true });
      writeFileSync(path, text({ id: 1 }));
      await rig.polls(2);
      expect(await rig.keys()).toEqual(['1']);
    }

    it.each(Object.entries(makers))('a %s is skipped by type, and what takes its place is read', (_, make) =>
      isSkipped(make),
    );

    it.skipIf(!isRoot)('a device is skipped by type (skipped where it cannot be made: only root can)', () =>
      isSkipped((path) => void execFileSync('mknod', [path, 'c', '1', '5'])),
    );

    it('four FIFOs hold up nothing: files are read beside them, by us and by others', async () => {
      const { rig, path, folder, text } = await placeFor(kind);
      for (let n = 0; n < 4; n += 1) execFileSync('mkfifo', [join(folder, `a${n}.json`)]);
      writeFileSync(path, text({ id: 1 }));
      await rig.polls(2);
      expect(await rig.keys()).toEqual(['1']);
      expect(await readFile(path, 'utf8')).toBe(text({ id: 1 }));
    });

    it('is opened non-blocking, and asked once more what it is: a FIFO may have taken its place', async () => {
      const flags = /flags:\s+(\d+)/.exec(
        readFileSync(`/proc/self/fdinfo/${systemFiles.open(import.meta.filename)}`, 'utf8'),
      );
      expect(Number.parseInt(flags?.[1] ?? '0', 8) & 0o4000).toBe(0o4000);
      let swap = () => undefined as unknown;
      const files: FileAccess = {
        ...systemFiles,
        open(opened) {
          swap();
          return systemFiles.open(opened);
        },
      };
      let reads = 0;
      files.read = (...args) => {
        reads += 1;
        return systemFiles.read(...args);
      };
      const { rig, path, text } = await placeFor(kind, {}, { files });
      writeFileSync(path, text({ id: 1 }));
      swap = () => {
        swap = () => undefined;
        rmSync(path);
        execFileSync('mkfifo', [path]);
      };
      await rig.poll();
      expect([await rig.keys(), reads]).toEqual([[], 0]);
      // An empty file would be waited for.
      expect(rig.poller.status().waitingFiles).toBe(0);
      rmSync(path);
      writeFileSync(path, text({ id: 2 }));
      await rig.polls(2);
      expect(await rig.keys()).toEqual(['2']);
    });
  });

  describe('symlink', () => {
    it('is refused and named unless followSymlinks', async () => {
      const { rig, path, folder, text } = await placeFor(kind);
      writeFileSync(join(folder, 'real'), text({ id: 1 }));
      symlinkSync('real', path);
      await rig.polls(2);
      expect(await rig.keys()).toEqual([]);
      expect(rig.poller.status().problem).toContain('symbolic link');
    });

    it('is followed where that is allowed: to a file inside the root, never outside, and loops end', async () => {
      const { rig, path, folder, text } = await placeFor(kind, { followSymlinks: true });
      mkdirSync(join(folder, 'sub'));
      writeFileSync(join(folder, 'real'), text({ id: 'inside' }));
      writeFileSync(join(rig.folder, 'secret'), text({ id: 'outside' }));
      symlinkSync('real', path);
      await rig.polls(1);
      expect(await rig.keys()).toEqual(['inside']);
      for (const [target, problem] of [
        ['../secret', 'leaves the folder'],
        ['x.json', 'ELOOP'],
        ['sub', 'a folder'],
      ] as const) {
        rmSync(path);
        symlinkSync(target, path);
        await rig.clock.advance(61_000);
        await rig.poll();
        expect(rig.poller.status().problem).toContain(problem);
      }
      rmSync(path);
      symlinkSync('real', path);
      writeFileSync(join(folder, 'real'), text({ id: 'inside' }, { id: 'more' }));
      await rig.clock.advance(61_000);
      await rig.polls(3);
      expect(await rig.keys()).toEqual(['inside', 'more']);
    });

    it('that is put in the place of the file between two calls is not followed', async () => {
      let swap = () => undefined as unknown;
      const open: FileAccess['open'] = (opened) => {
        swap();
        return systemFiles.open(opened);
      };
      const { rig, path, text } = await placeFor(kind, {}, { files: { ...systemFiles, open } });
      writeFileSync(join(rig.folder, 'secret'), text({ id: 'outside' }));
      writeFileSync(path, text({ id: 1 }));
      swap = () => {
        rmSync(path);
        symlinkSync('../secret', path);
      };
      await rig.poll();
      expect(await rig.keys()).toEqual([]);
      expect(rig.poller.status().problem).toContain('ELOOP');
    });
  });

  it('temp names (.x, x~, x.tmp, x.swp, .nfs*, 4913, ._x): ignored by default', async () => {
    const { rig, folder, path, text } = await placeFor(kind, kind === 'directory' ? { match: '*' } : {});
    const names = [
      '.x.json',
      'x.json~',
      'x.json.tmp',
      'x.json.swp',
      '.nfs000123',
      '4913',
      '._x.json',
      '#x.json#',
    ];
    for (const name of names) writeFileSync(join(folder, name), text({ id: name }));
    await rig.polls(2);
    expect(await rig.keys()).toEqual([]);
    writeFileSync(path, text({ id: 1 }));
    await rig.polls(2);
    expect(await rig.keys()).toEqual(['1']);
  });
});

describe('name not UTF-8, newline or escape in a name', () => {
  const hostile = [
    Buffer.from('caf\xe9.json', 'latin1'),
    Buffer.from('a\nb.json'),
    Buffer.from('\u001b[31mred.json'),
  ];

  it('of a file in a folder: it works, and what is said of it has no control characters', async () => {
    const { rig, folder } = await placeFor('directory', { key: null });
    for (const name of hostile) {
      writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), '{"x":1}');
    }
    expect(await rig.poll()).toBe(true);
    expect((await rig.keys()).sort()).toEqual(['\u001b[31mred.json', 'a\nb.json', 'caf\\xe9.json'].sort());
  });

  it('of a log: it works', async () => {
    for (const name of ['a\nb.json', '\u001b[31mred.json', 'caf\u00e9.json']) {
      const rig = await createRig((folder) => logSource(join(folder, name)));
      writeFileSync(join(rig.folder, name), '{"id":1}\n');
      await rig.poll();
      renameSync(join(rig.folder, name), join(rig.folder, `${name}.1`));
      writeFileSync(join(rig.folder, name), '{"id":2}\n');
      await rig.poll();
      expect(await rig.keys()).toEqual(['1', '2']);
      expect(existsSync(join(rig.folder, name))).toBe(true);
    }
  });
});
