import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SourceConfig } from '../../src/config/config.js';
import { systemClock } from '../../src/platform/clock.js';
import { FAILPOINTS } from '../../src/platform/failpoint.js';
import { openStore } from '../../src/store/open.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';
import { configOf, directorySource, logSource } from './rig.js';

const KEYED = 1_700;
const UNKEYED = 1_300;
const FILES = 60;

/** Polls in a process of its own until all is read, or until the fail point kills it. */
const POLL = `
  const [dist, folder, config] = process.argv.slice(1);
  const { readdirSync } = await import('node:fs');
  const hasFiles = (path) => readdirSync(path).some((name) => name.endsWith('.json'));
  const load = (name) => import(dist + '/' + name);
  const { systemClock } = await load('platform/clock.js');
  const { createLog } = await load('platform/log.js');
  const { openStore } = await load('store/open.js');
  const { createIntake } = await load('intake/intake.js');
  const store = await openStore(folder, 'worker', systemClock);
  const parts = { config: JSON.parse(config), store, clock: systemClock, log: createLog('error'), onQueued() {} };
  const intake = createIntake(parts);
  // Once more when all is read: \`after\` waits until a file is calm.
  const isBusy = () => parts.config.sources.some(({ after, path }) => (after ?? 'keep') !== 'keep' && hasFiles(path));
  while (!(await intake.pollOnce()) || isBusy());
  await store.close();
`;

function polling(folder: string, sources: readonly SourceConfig[]) {
  const config = JSON.stringify(configOf(sources, folder));
  return (failpoint?: string) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', POLL, dirname(builtCli()), folder, config], {
      env: { ...process.env, ...(failpoint === undefined ? {} : { DOGGED_FAILPOINT: failpoint }) },
      encoding: 'utf8',
    });
}

function project() {
  const folder = tempFolder();
  const files = join(folder, 'files');
  mkdirSync(files);
  const padding = 'x'.repeat(600);
  const keyed = Array.from({ length: KEYED }, (_, id) => ({ id, padding }));
  writeFileSync(join(folder, 'keyed.json'), JSON.stringify(keyed, null, 1));
  // Eleven different contents, many times each: only their number tells them apart.
  const unkeyed = Array.from({ length: UNKEYED }, (_, n) => `${JSON.stringify({ n: n % 11, padding })}\n`);
  writeFileSync(join(folder, 'unkeyed.ndjson'), unkeyed.join(''));
  for (let n = 0; n < FILES; n += 1) {
    writeFileSync(join(files, `${n}.json`), JSON.stringify([{ id: `${n}a` }, { id: `${n}b` }]));
  }
  const sources = [
    logSource(join(folder, 'keyed.json'), { name: 'keyed' }),
    logSource(join(folder, 'unkeyed.ndjson'), { name: 'unkeyed', key: null }),
    directorySource(files, { name: 'files' }),
  ];
  const poll = polling(folder, sources);
  return { folder, poll };
}

async function countJobs(folder: string): Promise<Record<string, number>> {
  const store = await openStore(folder, 'read', systemClock);
  try {
    const counts: Record<string, number> = {};
    for (const { source } of await store.list({ limit: 100_000 }))
      counts[source ?? ''] = (counts[source ?? ''] ?? 0) + 1;
    return counts;
  } finally {
    await store.close();
  }
}

/** Read, insert, cursor, commit. */
const POINTS = FAILPOINTS.filter((name) => name.startsWith('intake.') || name.startsWith('admit.'));
const AFTER_POINTS = FAILPOINTS.filter((name) => name.startsWith('after.'));

describe('an intake that is killed', () => {
  it.each(POINTS)('at %s, again and again, admits every record exactly once', async (point) => {
    const { folder, poll } = project();
    for (const visit of [1, 1, 2]) {
      const { signal, stderr } = poll(`${point}:${visit}`);
      expect([signal, stderr]).toEqual(['SIGKILL', expect.stringContaining(point)]);
    }
    const last = poll();
    expect([last.status, last.stderr]).toEqual([0, '']);
    expect(await countJobs(folder)).toEqual({ keyed: KEYED, unkeyed: UNKEYED, files: 2 * FILES });
    // And once more, to see that nothing is left to be found.
    expect(poll().status).toBe(0);
    expect(await countJobs(folder)).toEqual({ keyed: KEYED, unkeyed: UNKEYED, files: 2 * FILES });
  });
});

describe('an intake that is killed while it archives or deletes what it has admitted', () => {
  const points = AFTER_POINTS.flatMap((point) =>
    (['archive', 'delete'] as const).map((after) => [point, after] as const),
  );

  it.each(points)(
    'at %s (%s) finds each file again, and what was written to it in the last moment',
    async (point, after) => {
      const folder = tempFolder();
      const files = join(folder, 'files');
      mkdirSync(files);
      const names = Array.from({ length: 6 }, (_, n) => `${n}.json`);
      for (const name of names) writeFileSync(join(files, name), JSON.stringify({ id: name }));
      const poll = polling(folder, [directorySource(files, { name: 'files', after })]);
      for (const visit of [1, 2]) {
        const { signal, stderr } = poll(`${point}:${visit}`);
        expect([signal, stderr]).toEqual(['SIGKILL', expect.stringContaining(point)]);
      }
      // As a program does that had it open all the time.
      const aside = join(files, '.dogged-aside');
      const late = point === 'after.before-rename' ? [] : readdirSync(aside);
      expect(late).toHaveLength(point === 'after.before-rename' ? 0 : 1);
      for (const name of late) writeFileSync(join(aside, name), JSON.stringify({ id: 'late' }));

      const last = poll();
      expect([last.status, last.stderr]).toEqual([0, '']);
      expect(await countJobs(folder)).toEqual({ files: names.length + late.length });
      expect(readdirSync(files)).toEqual(after === 'archive' ? ['archived'] : []);
      if (after === 'delete') return;
      const archived = readdirSync(join(files, 'archived')).map((name) => {
        const text = readFileSync(join(files, 'archived', name), 'utf8');
        return text === '' ? '' : JSON.parse(text).id;
      });
      expect(archived.filter((id) => id !== '')).toHaveLength(names.length);
      if (late.length > 0) expect(archived).toContain('late');
    },
  );
});
