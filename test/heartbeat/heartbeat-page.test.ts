import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readHang } from '../../src/heartbeat/hang-file.js';
import { beatFile, readBeat } from '../../src/heartbeat/read-beat.js';
import { tempFolder } from '../support/temp-folder.js';
import { aBeat } from './a-beat.js';
import { aHang } from './a-hang.js';

const page = readFileSync(fileURLToPath(new URL('../../docs/heartbeat.md', import.meta.url)), 'utf8');

test('the beat that the docs show is one that the program reads, with every field that it writes', () => {
  const example = /```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const folder = tempFolder();
  writeFileSync(beatFile(folder), example);
  expect(readBeat(folder)).toMatchObject({ status: 'read' });
  expect(Object.keys(JSON.parse(example)).sort()).toEqual(Object.keys(aBeat()).sort());
});

test('the hang that the docs show is one that the program reads, with every field that it writes', () => {
  const example = [...page.matchAll(/```json\n([\s\S]*?)```/g)][1]?.[1] ?? '';
  const folder = tempFolder();
  writeFileSync(join(folder, 'hang-a.json'), example);
  expect(readHang(folder, 'hang-a.json')).toMatchObject({ pid: 4711 });
  expect(Object.keys(JSON.parse(example)).sort()).toEqual(Object.keys(aHang()).sort());
});
