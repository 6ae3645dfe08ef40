import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { wasKilledByUs, writeLastKill } from '../../src/heartbeat/last-kill.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { tempFolder } from '../support/temp-folder.js';

const worker = { bootId: 'boot-1', pid: 4711, startTicks: 99 };

test('exactly the worker that we ended is told from every other', () => {
  const folder = tempFolder();
  expect(wasKilledByUs(folder, worker)).toBe(false);
  expect(writeLastKill(folder, worker, 'no heartbeat')).toBeNull();
  expect(wasKilledByUs(folder, worker)).toBe(true);
  expect(wasKilledByUs(folder, null)).toBe(false);
  for (const other of [{ bootId: 'boot-2' }, { pid: 4712 }, { startTicks: 100 }]) {
    expect(wasKilledByUs(folder, { ...worker, ...other })).toBe(false);
  }
});

test('a file that cannot be read says of nobody that we ended it', () => {
  const folder = tempFolder();
  writeFileSync(stateFiles(folder).lastKill, '{"schema": 1');
  expect(wasKilledByUs(folder, worker)).toBe(false);
});

test('where it cannot be written, it says why and stops nobody', () => {
  const folder = join(tempFolder(), 'gone');
  expect(writeLastKill(folder, worker, 'no heartbeat')).toContain('ENOENT');
  mkdirSync(folder);
  expect(writeLastKill(folder, worker, 'no heartbeat')).toBeNull();
});
