import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { defineConfig } from '../../src/index.js';
import { admitAdded } from '../../src/intake/admit.js';
import { systemClock } from '../../src/platform/clock.js';
import { openStore } from '../../src/store/open.js';
import { bench } from '../commands/in-process.js';
import { batch, claimOne, ideas, ownedStore, T0, turn } from '../conformance/given.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';

/*
 * A tenant id that was missing was accepted, and made keys such as "jobs::pending" which no other part of the system
 * could find. (The other half of the incident, two schemas that parted, is a matter of several engines.)
 */

const MALFORMED = [
  '',
  ' ',
  ':',
  'Not One',
  'UPPER',
  '../up',
  '-begins-wrong',
  'a'.repeat(33),
  'naïve',
  'a\n',
];

describe('the old logic, in small', () => {
  test('takes what is missing for a name, and files jobs where nobody looks', () => {
    const queues = new Map<string, string[]>();
    const add = (tenant: string | undefined, job: string) => {
      const key = `jobs:${tenant ?? ''}:pending`;
      queues.set(key, [...(queues.get(key) ?? []), job]);
    };
    add('default', 'a');
    add(undefined, 'b');
    expect([...queues.keys()]).toEqual(['jobs:default:pending', 'jobs::pending']);
    expect(queues.get('jobs:default:pending')).not.toContain('b');
  });
});

describe('now a malformed workspace id is refused', () => {
  test.each(MALFORMED)(
    'by the config, for all and for one source, and by the environment: %j',
    (workspace) => {
      const path = (config: unknown) =>
        configSchema.safeParse(config).error?.issues.map((issue) => issue.path.join('.'));
      expect(path({ workspace })).toEqual(['workspace']);
      expect(path({ sources: { s: { log: 'x', task: 't', workspace } } })).toEqual(['sources.s.workspace']);
      // What the library hands through is what the schema sees.
      expect(path(defineConfig({ workspace }))).toEqual(['workspace']);
    },
  );

  test('by the environment, with exit code 78 and the name of the variable', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'dogged.config.yaml'), 'tasks: { build: { run: ["true"] } }\n');
    const { status, stderr } = workplace(folder, { DOGGED__WORKSPACE: 'Not One' }).run('add', 'build');
    expect(status).toBe(78);
    expect(stderr).toContain('DOGGED__WORKSPACE');
    expect(existsSync(join(folder, 'state', 'dogged.db'))).toBe(false);
  });

  test.each([
    ['add', 'build', '--workspace', 'Not One'],
    ['jobs', '--workspace', 'Not One'],
    ['pause', 'build', '--workspace', 'Not One'],
    ['pause', '--workspace', 'Not One'],
    ['resume', 'build', '--workspace', 'Not One'],
  ])('by dogged %s with exit code 64, and nothing is stored', async (...args) => {
    const place = bench();
    const store = await place.store('worker');
    const { code, stdout, stderr } = await place.run(...args);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain('"Not One" is not a workspace id.');
    expect((await store.counts()).tasks).toEqual([]);
  });

  test.each(MALFORMED)(
    'by the door for single jobs and by the store itself, whoever forgot to ask: %j',
    async (workspace) => {
      const store = await ownedStore({
        open: (use) => openStore(join(tempFolder(), 'state'), use, systemClock),
      });
      const refused = { code: 'WORKSPACE_INVALID' };
      const job = {
        workspace,
        task: 'build',
        payloadText: '{}',
        priority: 0,
        runAtMs: T0,
        group: null,
        groupRule: null,
        maxAttempts: 1,
        nowMs: T0,
      };
      await expect(admitAdded(store, job)).rejects.toMatchObject(refused);
      await expect(
        store.admit(batch([{ key: 'a' }], { scope: { ...ideas, workspace } })),
      ).rejects.toMatchObject(refused);
      await expect(store.setPaused(workspace, 'build', true, T0)).rejects.toMatchObject(refused);
      await expect(
        store.configureTasks([workspace], [{ task: 'x', groupLimit: null, maxAttempts: 1 }]),
      ).rejects.toMatchObject(refused);
      const { tasks, sources } = await store.counts();
      expect([...tasks, ...sources].map((line) => line.workspace)).toEqual(['default', 'default']);
      // The store goes on as if nothing had been asked.
      await store.admit(batch([{ key: 'a' }]));
      expect((await turn(store)).claims).toHaveLength(1);
      await store.close();
    },
  );

  test('a job of one workspace is out of reach for whoever names another', async () => {
    const store = await ownedStore({
      open: (use) => openStore(join(tempFolder(), 'state'), use, systemClock),
    });
    await store.admit(batch([{ key: 'a' }]));
    const { id } = await claimOne(store);
    for (const workspace of ['other', '', 'Not One']) {
      expect(await store.get(workspace, id)).toBeNull();
      expect(await store.cancel(workspace, [id], T0)).toEqual(['unknown']);
      expect(await store.redrive(workspace, [id], T0)).toEqual(['unknown']);
    }
    await store.close();
  });
});
