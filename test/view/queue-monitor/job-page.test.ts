import { beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import type { Store } from '../../../src/store/engine.js';
import { openStore } from '../../../src/store/open.js';
import { type PageRequest, readJobPage } from '../../../src/view/queue-monitor/job-page.js';
import { matchCount, parseFilter } from '../../../src/view/queue-monitor/list-filter.js';
import { admit } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

let store: Store;

beforeEach(async () => {
  store = await openStore(tempFolder(), 'command', systemClock);
  await admit(
    store,
    Array.from({ length: 20 }, (_, n) => ({ key: `k${n}`, task: n % 5 === 0 ? 'slow' : 'build' })),
  );
  return () => store.close();
});

async function read(request: Partial<PageRequest>): Promise<string> {
  const page = await readJobPage(store, { filter: '', top: null, shift: 0, rows: 4, ...request });
  const keys = page.jobs.map(({ key }) => key.slice(1)).join(' ');
  return `${page.hasNewer ? '< ' : ''}${keys}${page.hasOlder ? ' >' : ''}`;
}

async function idOf(key: string): Promise<string> {
  return (await store.list({ limit: 99 })).find((job) => job.key === key)?.id ?? '';
}

test('the first page is the newest jobs', async () => {
  expect(await read({})).toBe('19 18 17 16 >');
});

test('a page from a job on is the same page when newer jobs come', async () => {
  const top = await idOf('k10');
  expect(await read({ top })).toBe('< 10 9 8 7 >');
  await admit(store, [{ key: 'k20' }]);
  expect(await read({ top })).toBe('< 10 9 8 7 >');
});

test('it is shifted by any number of rows, and is full at both ends', async () => {
  const top = await idOf('k10');
  expect(await read({ top, shift: 1 })).toBe('< 9 8 7 6 >');
  expect(await read({ top, shift: -2 })).toBe('< 12 11 10 9 >');
  expect(await read({ top, shift: 99 })).toBe('< 3 2 1 0');
  expect(await read({ top, shift: -99 })).toBe('19 18 17 16 >');
  expect(await read({ shift: 3 })).toBe('< 16 15 14 13 >');
  expect(await read({ shift: 'oldest' })).toBe('< 3 2 1 0');
  expect(await read({ shift: 'oldest', rows: 50 })).toMatch(/^19 .* 0$/);
});

test('it holds only what the filter lets through, also where the job at its top no longer does', async () => {
  const top = await idOf('k10');
  expect(await read({ filter: 'slow' })).toBe('15 10 5 0');
  expect(await read({ filter: 'slow', rows: 2, top })).toBe('< 10 5 >');
  await store.cancel('default', [top], 0);
  expect(await read({ filter: 'pending slow', rows: 2, top })).toBe('< 5 0');
  expect(await read({ filter: 'cancelled' })).toBe('10');
  expect(await read({ filter: 'K1', rows: 3 })).toBe('19 18 17 >');
  expect(await read({ filter: 'nothing like it' })).toBe('');
  expect(await read({ filter: 'nothing like it', shift: 'oldest' })).toBe('');
});

test('words are states, tasks or parts of a key, and a prefix decides where it could be either', () => {
  const tasks = ['build', 'failed'];
  expect(parseFilter('', tasks)).toEqual({});
  expect(parseFilter('failed  running', tasks)).toEqual({ states: ['failed', 'running'] });
  expect(parseFilter('build failed soil sensor', tasks)).toEqual({
    task: 'build',
    states: ['failed'],
    keyPart: 'soil sensor',
  });
  expect(parseFilter('task:failed key:build', tasks)).toEqual({ task: 'failed', keyPart: 'build' });
  expect(parseFilter('state:nonsense', tasks)).toEqual({ keyPart: 'nonsense' });
});

test('the jobs behind a filter are counted from the tallies, or not at all', async () => {
  const { tasks } = await store.counts();
  expect(matchCount(tasks, {})).toBe(20);
  expect(matchCount(tasks, { task: 'slow', states: ['pending'] })).toBe(4);
  expect(matchCount(tasks, { states: ['failed'] })).toBe(0);
  expect(matchCount(tasks, { keyPart: 'k' })).toBeNull();
});
