import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runWorker } from '../../src/worker.js';
import { bench } from './in-process.js';

const CONFIG = `
poll: 50ms
sources:
  ideas: { log: ./ideas.json, key: title, require: { required: [title, tags] }, task: build }
  drops: { directory: ./drops, key: title, task: build }
tasks:
  build: { run: [node, -e, "process.exit(1)"], retry: { attempts: 1 } }
`;

function withIdeas(...ideas: object[]) {
  const here = bench(CONFIG.replace('  drops: { directory: ./drops, key: title, task: build }\n', ''));
  writeFileSync(join(here.folder, 'ideas.json'), JSON.stringify(ideas, null, 1));
  return here;
}

describe('dogged audit', () => {
  test('says per source where each record stands, and that all are accounted for', async () => {
    const here = withIdeas({ title: 'a', tags: [] }, { title: 'b' });
    await runWorker({ configFile: here.configFile, untilIdle: true });
    const { code, stdout } = await here.run('audit');
    expect(stdout).toMatch(/Source +records +completed +pending +running +failed +rejected +unaccounted/);
    expect(stdout).toMatch(/ideas +2 +0 +0 +0 +1 +1 +0/);
    expect(stdout).toContain(`1 rejected (schema 1): dogged rejects -c ${here.configFile} --source ideas`);
    expect(stdout).toContain('✅ Every record is accounted for: 2 records in 1 source');
    expect(code).toBe(0);
    expect(await here.json('audit')).toEqual([
      {
        ok: true,
        sources: {
          ideas: {
            records: 2,
            completed: 0,
            pending: 0,
            running: 0,
            failed: 1,
            cancelled: 0,
            expired: 0,
            rejected: 1,
            unaccounted: [],
            unaccountedCount: 0,
            waitingFiles: 0,
            problem: null,
          },
        },
      },
    ]);
  });

  test('names what nobody knows, with file, byte and the command that closes it, and exits with 1', async () => {
    const here = withIdeas({ title: 'a', tags: [] });
    await here.run('reconcile');
    writeFileSync(
      join(here.folder, 'ideas.json'),
      '[{"title":"a","tags":[]},{"title":"b\\u001b[31m","tags":[]}]',
    );
    const { code, stdout } = await here.run('audit');
    expect(code).toBe(1);
    expect(stdout).toContain(
      `ideas: "b\\x1b[31m" in ${join(here.folder, 'ideas.json')} at byte 25: no job was ever made of it`,
    );
    expect(stdout).toContain(
      `❌ One record is unaccounted for. Close that with: dogged reconcile -c ${here.configFile}`,
    );
    const [answer] = await here.json('audit');
    expect(answer).toMatchObject({
      ok: false,
      sources: {
        ideas: {
          unaccountedCount: 1,
          unaccounted: [
            {
              key: 'b\u001b[31m',
              path: join(here.folder, 'ideas.json'),
              line: null,
              offset: 25,
              reason: 'never-admitted',
            },
          ],
        },
      },
    });
  });

  test('proves nothing of a source that it cannot read, and says so', async () => {
    const here = bench(CONFIG);
    writeFileSync(join(here.folder, 'ideas.json'), '[]');
    await here.run('reconcile');
    const { code, stdout } = await here.run('audit', '--source', 'drops');
    expect(code).toBe(1);
    expect(stdout).toContain(
      `❌ drops could not be read as a whole: the folder ${join(here.folder, 'drops')} is not there`,
    );
    expect(stdout).toContain('Not proved');
    expect((await here.run('audit', '--source', 'ideas')).code).toBe(0);
  });

  test('refuses a source that the config has not, and says what it has', async () => {
    const { code, stderr } = await bench(CONFIG).run('audit', '--source', 'idea');
    expect(code).toBe(64);
    expect(stderr).toContain('no source "idea"');
    expect(stderr).toContain('ideas, drops');
  });
});

describe('dogged reconcile', () => {
  test('without a worker queues everything that is new, and says what it came to; twice queues nothing', async () => {
    const here = withIdeas({ title: 'a', tags: [] }, { title: 'b' }, { title: 'c', tags: [] });
    const [first] = await here.json('reconcile');
    expect(first).toEqual({
      queued: 2,
      sources: {
        ideas: {
          found: 3,
          queued: 2,
          alreadyQueued: 0,
          alreadyDone: 0,
          changedIgnored: 0,
          rejected: 1,
          reasons: { schema: 1 },
          unaccountedCount: 0,
          waitingFiles: 0,
          problem: null,
        },
      },
    });
    const { code, stdout } = await here.run('reconcile');
    expect(code).toBe(0);
    expect(stdout).toMatch(/ideas +3 +0 +2 +0 +0 +1/);
    expect(stdout).toContain('✅ Nothing was open.');
    expect(await (await here.store('read')).list({ limit: 10 })).toHaveLength(2);
  });

  test('counts what changed and is ignored', async () => {
    const here = withIdeas({ title: 'a', tags: [] });
    await here.run('reconcile');
    writeFileSync(join(here.folder, 'ideas.json'), JSON.stringify([{ title: 'a', tags: ['new'] }]));
    const [answer] = await here.json('reconcile');
    expect(answer.sources.ideas).toMatchObject({ found: 1, queued: 0, changedIgnored: 1 });
  });

  test('--dry-run says what would be queued, and changes nothing, neither queue nor file', async () => {
    const here = withIdeas({ title: 'a', tags: [] });
    await here.run('reconcile');
    const text = '[{"title":"a","tags":[]},{"title":"b","tags":[]}]';
    writeFileSync(join(here.folder, 'ideas.json'), text);
    const [answer] = await here.json('reconcile', '--dry-run');
    expect(answer).toMatchObject({
      queued: 1,
      dryRun: true,
      sources: { ideas: { found: 2, queued: 1, alreadyQueued: 1 } },
    });
    const { code, stdout } = await here.run('reconcile', '--dry-run');
    expect(stdout).toContain('1 record would be queued.');
    expect(stdout).toContain('"b"');
    expect(code).toBe(0);
    expect(await (await here.store('read')).list({ limit: 10 })).toHaveLength(1);
    expect(readFileSync(join(here.folder, 'ideas.json'), 'utf8')).toBe(text);
  });

  test('--dry-run where nothing has ever run makes no database', async () => {
    const here = withIdeas({ title: 'a', tags: [] });
    const { code, stderr } = await here.run('reconcile', '--dry-run');
    expect(code).not.toBe(0);
    expect(stderr).not.toBe('');
    expect(existsSync(join(here.stateFolder, 'dogged.db'))).toBe(false);
  });

  test('of a folder that is not there says so, and exits with 1', async () => {
    const here = bench(CONFIG);
    writeFileSync(join(here.folder, 'ideas.json'), '[]');
    const { code, stdout } = await here.run('reconcile');
    expect(code).toBe(1);
    expect(stdout).toContain('drops could not be read as a whole');
    expect(stdout).toContain('❌ Not everything could be read.');
  });
});
