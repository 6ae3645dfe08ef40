import {
  appendFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { afterAdmission, returnAside } from '../../src/intake/after-admission.js';
import { stampOf } from '../../src/intake/stamp.js';
import { tempFolder } from '../support/temp-folder.js';

/** What somebody else does in the instant before a rename or a link; and what the file system says to a link. */
const others = vi.hoisted(() => ({ act: (): void => undefined, noLinks: '' }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    renameSync(from: string, to: string) {
      others.act();
      fs.renameSync(from, to);
    },
    linkSync(from: string, to: string) {
      others.act();
      if (others.noLinks !== '') throw Object.assign(new Error('no links here'), { code: others.noLinks });
      fs.linkSync(from, to);
    },
  };
});

function folderWith(text: string) {
  const folder = tempFolder();
  const path = join(folder, 'a.json');
  writeFileSync(path, text);
  return { folder, path, stamp: stampOf(lstatSync(path, { bigint: true })) };
}

const textsIn = (folder: string) =>
  readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]);

/** Once, at the next rename. */
function meanwhile(act: () => void): void {
  others.act = () => {
    others.act = () => undefined;
    act();
  };
}

describe.each(['archive', 'delete'] as const)('after: %s', (after) => {
  it('puts back a file that is written to in the instant before it is moved', () => {
    const { folder, path, stamp } = folderWith('{"id":1}');
    meanwhile(() => appendFileSync(path, ' '));
    expect(afterAdmission(path, stamp, after)).toBe(false);
    expect(readdirSync(folder)).toEqual(['a.json']);
    expect(readFileSync(path, 'utf8')).toBe('{"id":1} ');
  });

  it('gives it a number when its name was taken meanwhile, and overwrites nothing', () => {
    const { folder, path, stamp } = folderWith('{"id":1}');
    meanwhile(() => {
      appendFileSync(path, ' ');
      meanwhile(() => writeFileSync(path, '{"id":2}'));
    });
    expect(afterAdmission(path, stamp, after)).toBe(false);
    expect(textsIn(folder)).toEqual([
      ['a.1.json', '{"id":1} '],
      ['a.json', '{"id":2}'],
    ]);
  });

  it('leaves a file alone that has changed since it was read', () => {
    const { folder, path, stamp } = folderWith('{"id":1}');
    writeFileSync(path, '{"id":23}');
    expect(afterAdmission(path, stamp, after)).toBe(false);
    expect(readdirSync(folder)).toEqual(['a.json']);
  });
});

describe('what was set aside', () => {
  it('is put back, under a number where its name is taken', () => {
    const { folder } = folderWith('new');
    mkdirSync(join(folder, '.dogged-aside'));
    writeFileSync(join(folder, '.dogged-aside', 'a.json'), 'old');
    writeFileSync(join(folder, '.dogged-aside', 'b.json'), 'other');
    returnAside(folder);
    expect(textsIn(folder)).toEqual([
      ['a.1.json', 'old'],
      ['a.json', 'new'],
      ['b.json', 'other'],
    ]);
    returnAside(folder);
  });

  it('and was linked back already when the worker was killed stands there once', () => {
    const { folder, path } = folderWith('{"id":1}');
    mkdirSync(join(folder, '.dogged-aside'));
    linkSync(path, join(folder, '.dogged-aside', 'a.json'));
    returnAside(folder);
    expect(textsIn(folder)).toEqual([['a.json', '{"id":1}']]);
  });
});

describe('a file system without links, as FAT,', () => {
  it('archives as well, and overwrites nothing', () => {
    others.noLinks = 'EPERM';
    try {
      const { folder, path, stamp } = folderWith('{"id":1}');
      mkdirSync(join(folder, 'archived'));
      writeFileSync(join(folder, 'archived', 'a.json'), 'older');
      expect(afterAdmission(path, stamp, 'archive')).toBe(true);
      expect(textsIn(join(folder, 'archived'))).toEqual([
        ['a.1.json', '{"id":1}'],
        ['a.json', 'older'],
      ]);
    } finally {
      others.noLinks = '';
    }
  });
});
