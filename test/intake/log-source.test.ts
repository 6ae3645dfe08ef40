import { appendFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRig, logSource } from './rig.js';

const idea = (id: number, more: object = {}) => ({ id, title: `idea ${id}`, ...more });

async function logRig(changes: Parameters<typeof logSource>[1] = {}) {
  const rig = await createRig((folder) => logSource(join(folder, 'ideas.json'), changes));
  const path = join(rig.folder, 'ideas.json');
  return {
    rig,
    path,
    write: (text: string) => writeFileSync(path, text),
    append: (text: string) => appendFileSync(path, text),
    replace(text: string) {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    },
  };
}

describe('an NDJSON log', () => {
  it('is admitted line by line, and an unterminated last line waits for its newline', async () => {
    const { rig, write, append } = await logRig();
    write('{"id":1}\n{"id":2}\n{"id":3');
    expect(await rig.poll()).toBe(false);
    expect(await rig.keys()).toEqual(['1', '2']);
    append(',"more":true}\n');
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });
});

describe('an array log', () => {
  it('is read in full at first sight, then only as far as it grew', async () => {
    const { rig, write } = await logRig();
    write(JSON.stringify([idea(1), idea(2)], null, 2));
    await rig.poll();
    expect(await rig.keys()).toEqual(['1', '2']);
    write(JSON.stringify([idea(1), idea(2), idea(3)], null, 2));
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
  });

  it('that was pruned and appended to by rename brings only what is new', async () => {
    const { rig, write, replace } = await logRig();
    write(JSON.stringify([idea(1), idea(2), idea(3)]));
    await rig.poll();
    replace(JSON.stringify([idea(3), idea(4)]));
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3', '4']);
  });

  it('that was pruned in place is taken at the second look', async () => {
    const { rig, path, write } = await logRig();
    write(JSON.stringify([idea(1), idea(2), idea(3)]));
    await rig.poll();
    truncateSync(path);
    await rig.poll();
    write(JSON.stringify([idea(3), idea(4)]));
    expect(await rig.poll()).toBe(false);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(await rig.poll()).toBe(true);
    expect(await rig.keys()).toEqual(['1', '2', '3', '4']);
  });
});
