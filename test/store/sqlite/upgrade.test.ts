import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import SqliteDatabase from 'better-sqlite3';
import { describe, expect, it, test } from 'vitest';
import { DoggedError } from '../../../src/job/errors.js';
import { PLACES } from '../../../src/job/job.js';
import { type Clock, systemClock } from '../../../src/platform/clock.js';
import type { Store, Upgrade } from '../../../src/store/engine.js';
import { openStore } from '../../../src/store/open.js';
import { MIGRATIONS } from '../../../src/store/sqlite/migrations/migrate.js';
import { admit, claimOne, end, retryAt, runOne, someOwner, T0, turn } from '../../conformance/given.js';
import { workplace } from '../../support/dogged.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';
import { open, owned, rawDatabase } from './given.js';

const DATABASES = fileURLToPath(new URL('../../fixtures/databases', import.meta.url));
const NOW = Date.UTC(2026, 10, 27);

/** A state folder as the version with this schema left it. */
function oldState(schema: number, folder = tempFolder()): string {
  copyFileSync(join(DATABASES, `schema-${schema}.db`), join(folder, 'dogged.db'));
  return folder;
}

function tablesOf(db: SqliteDatabase.Database): unknown {
  return db
    .prepare("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2")
    .all();
}

/** The schemas of which a database is kept: those with which somebody may have worked. */
const KEPT = readdirSync(DATABASES).flatMap((name) => /^schema-(\d+)\.db$/.exec(name)?.[1] ?? []);

test('there is a database of an earlier schema, and none of the present one', () => {
  expect(KEPT).toContain('1');
  for (const schema of KEPT) expect(Number(schema)).toBeLessThan(MIGRATIONS.length);
});

describe.each(KEPT.map(Number))('a database of schema %i', (schema) => {
  it('is brought up to date by a worker, which is told where the old one is kept', async () => {
    const folder = oldState(schema);
    const upgrades: Upgrade[] = [];
    const onUpgrade = (upgrade: Upgrade) => void upgrades.push(upgrade);
    const store = await openStore(folder, 'worker', systemClock, { onUpgrade });
    await store.close();
    const [backup = ''] = readdirSync(join(folder, 'backups'));
    expect(upgrades).toEqual([
      { from: schema, to: MIGRATIONS.length, backup: join(folder, 'backups', backup) },
    ]);
    const kept = new SqliteDatabase(join(folder, 'backups', backup), { readonly: true });
    expect(kept.pragma('user_version', { simple: true })).toBe(schema);
    expect(kept.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(kept.prepare('SELECT count(*) FROM jobs').pluck().get()).toBe(7);
    kept.close();
  });

  it('then has the very schema of one that was made today, and is whole', async () => {
    const [old, fresh] = [oldState(schema), tempFolder()];
    for (const folder of [old, fresh]) await (await open(folder, 'worker')).close();
    expect(tablesOf(rawDatabase(old))).toEqual(tablesOf(rawDatabase(fresh)));
    expect(rawDatabase(old).pragma('integrity_check', { simple: true })).toBe('ok');
    expect(rawDatabase(old).pragma('foreign_key_check')).toEqual([]);
  });

  it('has lost nothing: every job, its history, the refusal, the pause, and what is known of each key', async () => {
    const store = await open(oldState(schema), 'worker');
    const jobs = await store.list({ limit: 99 });
    expect(jobs.map(({ id, task, place }) => [id, task, place])).toEqual([
      ['7', 'slow', 'running'],
      ['6', 'build', 'cancelled'],
      ['5', 'build', 'scheduled'],
      ['4', 'away', 'scheduled'],
      ['3', 'bad', 'failed'],
      ['2', 'build', 'completed'],
      ['1', 'build', 'completed'],
    ]);
    expect((await store.get(null, '3'))?.history).toMatchObject([
      { attempt: 1, outcome: 'failed', exitCode: 1, stderr: 'oops\n' },
      { attempt: 2, outcome: 'failed', exitCode: 1, stderr: 'oops\n' },
    ]);
    expect((await store.get(null, '1'))?.result).toBe('{"ok":true}');
    expect(await store.rejects(null, 9)).toMatchObject([{ source: 'ideas', reason: 'no-key' }]);
    const { total, tasks } = await store.counts();
    expect(total).toMatchObject({
      scheduled: 2,
      ready: 0,
      running: 1,
      completed: 2,
      failed: 1,
      cancelled: 1,
    });
    expect(tasks.find(({ task }) => task === 'away')).toMatchObject({ paused: true });
    expect(await store.outages(9)).toEqual([]);
  });

  it('tells where each record of a source stands', async () => {
    const store = await open(oldState(schema), 'worker');
    expect((await store.counts()).sources).toEqual([
      {
        workspace: 'default',
        name: 'ideas',
        records: 2,
        rejected: 1,
        states: { pending: 0, running: 0, completed: 2, failed: 0, cancelled: 0, expired: 0 },
      },
    ]);
  });

  it('goes on where it stood: the killed worker leaves an orphan, and what waits can be run', async () => {
    const store = await open(oldState(schema), 'worker');
    expect(await store.takeOwnership(someOwner, NOW)).toMatchObject({ cleanStop: false });
    await store.configureTasks(['default'], [{ task: 'slow', groupLimit: null, maxAttempts: 5 }]);
    const orphans = await store.orphans();
    expect(orphans.map(({ claim }) => claim.key)).toEqual(['cut off']);
    const ends = orphans.map(({ claim }) => end(claim));
    expect(await store.rescue(ends, NOW)).toEqual(['recorded']);
    expect((await store.counts()).total).toMatchObject({ running: 0, completed: 3 });
  });
});

/** Before records were counted. */
const BACK_TO_4 = `
  DROP TABLE voice; DROP TABLE move; DROP TABLE mirror_outbox; DROP TABLE chosen_store;
  DROP TABLE remote; DROP TABLE outbox; DROP TABLE foreign_claims;
  DROP INDEX jobs_damaged; DROP TABLE cycles;
  DROP VIEW record_tallies; DROP VIEW tallies;
  CREATE TABLE tallies (
    queue_id  INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    jobs      INTEGER NOT NULL CHECK (jobs >= 0),
    PRIMARY KEY (queue_id, place)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO tallies SELECT owner_id, place, amount FROM counts WHERE kind = 0;
  DROP TABLE counts; ALTER TABLE jobs DROP COLUMN outdated; PRAGMA user_version = 4;`;

test('the states of records are counted when a database is brought up, with what was pruned and what is outdated', async () => {
  const { store, folder } = await owned();
  const rerun = (key: string, content: string) => ({ key, content, onChange: 'rerun' as const });
  await admit(store, [rerun('a', '1'), rerun('b', '1'), rerun('c', '1'), rerun('d', '1')]);
  await runOne(store);
  await runOne(store, { to: 'failed', reason: 'x' });
  await store.prune(T0 + 1_000, 10);
  await claimOne(store);
  await admit(store, [rerun('b', '2'), rerun('c', '2')]);
  await claimOne(store);
  const { sources } = await store.counts();
  expect(sources).toMatchObject([{ states: { pending: 2, running: 1, completed: 1, failed: 0 } }]);
  await store.close();
  const db = rawDatabase(folder);
  const outdated = db.prepare('SELECT id, outdated FROM jobs').all();
  db.exec(BACK_TO_4);
  const newer = await open(folder, 'worker');
  expect((await newer.counts()).sources).toEqual(sources);
  expect(rawDatabase(folder).prepare('SELECT id, outdated FROM jobs').all()).toEqual(outdated);
});

describe('an older version that waits again, as it could before, beside its cancelled newer one', () => {
  const LATER = T0 + 1_000;
  it.each<readonly [string, (store: Store) => Promise<unknown>]>([
    ['runs', async (store) => turn(store, { ends: [end(await claimOne(store))], freeSlots: 0 })],
    ['is tried again', async (store) => turn(store, { ends: [end(await claimOne(store), retryAt(LATER))] })],
    ['is cancelled', async (store) => store.cancel('default', ['1'], LATER)],
    ['expires', async (store) => turn(store, { nowMs: LATER })],
    ['is withdrawn', async (store) => admit(store, [], { plan: { keys: [], series: [], missed: [] } })],
  ])('moves no count when it %s', async (_, happens) => {
    const { store: old, folder } = await owned();
    await admit(old, [{ key: 'a', onChange: 'replan', expiresAtMs: LATER - 1 }]);
    await claimOne(old);
    const [newer] = await admit(old, [{ key: 'a', content: '2', onChange: 'replan' }]);
    await old.cancel('default', [newer?.id ?? ''], T0);
    await old.close();
    const db = rawDatabase(folder);
    db.exec(`
      UPDATE jobs SET place = ${PLACES.ready} WHERE id = 1;
      ${BACK_TO_4}
      UPDATE tallies SET jobs = jobs + 1 WHERE place = ${PLACES.ready};
      UPDATE tallies SET jobs = jobs - 1 WHERE place = ${PLACES.running};`);
    const store = await open(folder, 'worker');
    await store.takeOwnership(someOwner, T0);
    const states = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 1, expired: 0 };
    expect((await store.counts()).sources).toMatchObject([{ records: 1, states }]);
    await happens(store);
    expect((await store.get(null, '1'))?.place).not.toBe('ready');
    expect((await store.counts()).sources).toMatchObject([{ records: 1, states }]);
  });
});

describe('without a backup nothing is changed', () => {
  it('when the folder for it cannot be made: the message names it, and the next try works', async () => {
    const folder = oldState(1);
    writeFileSync(join(folder, 'backups'), 'in the way');
    const error = await open(folder, 'worker').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DoggedError);
    expect(error).toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining(join(folder, 'backups')),
    });
    expect(rawDatabase(folder).pragma('user_version', { simple: true })).toBe(1);
  });

  it('and what a try that was cut off has left is no backup', async () => {
    const folder = oldState(1);
    mkdirSync(join(folder, 'backups'));
    writeFileSync(join(folder, 'backups', 'dogged-schema-1-2026-01-01T00-00-00-000Z.db.part'), 'half');
    await (await open(folder, 'worker')).close();
    expect(readdirSync(join(folder, 'backups')).map((name) => name.replace(/-20.*Z/, ''))).toEqual([
      'dogged-schema-1.db',
    ]);
  });

  it('and one lock that lasts makes one backup, not one for each try', async () => {
    const folder = oldState(1);
    const locker = rawDatabase(folder);
    locker.exec('BEGIN IMMEDIATE');
    let tries = 0;
    const clock: Clock = {
      ...systemClock,
      after: (...args) => {
        tries += 1;
        return systemClock.after(...args);
      },
    };
    const opening = open(folder, 'worker', clock);
    const backups = () => (existsSync(join(folder, 'backups')) ? readdirSync(join(folder, 'backups')) : []);
    await until(() => tries >= 4);
    expect(backups()).toHaveLength(1);
    locker.exec('ROLLBACK');
    await opening;
    expect(backups()).toHaveLength(1);
    expect(rawDatabase(folder).pragma('user_version', { simple: true })).toBe(MIGRATIONS.length);
  });
});

describe('the program', () => {
  const CONFIG = 'tasks: { slow: { run: ["true"] }, build: { run: ["true"] } }\n';

  it('says what to do where it only looks, and brings it up to date when it is started', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
    mkdirSync(join(folder, 'state'));
    oldState(1, join(folder, 'state'));
    const place = workplace(folder);
    expect(place.run('status').stdout).toContain('schema 1');
    const look = place.run('jobs');
    expect(look.status).toBe(78);
    expect(look.stderr).toContain('bring the database up to it with: dogged restart');
    const started = place.run('restart');
    expect(started.stderr).toMatch(/brought from schema 1 to \d.* it is kept in .*backups\/dogged-schema-1-/);
    expect(started.status).toBe(0);
    expect(place.json('jobs', '--state', 'completed').length).toBeGreaterThanOrEqual(2);
    expect(place.run('restart').stderr).not.toContain('brought from schema');
  });

  it('says so, too, when a command is the first', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
    mkdirSync(join(folder, 'state'));
    oldState(1, join(folder, 'state'));
    const added = workplace(folder).run('add', 'build', '--json');
    expect(JSON.parse(added.stdout)).toMatchObject({ id: '8', result: 'queued' });
    expect(added.stderr).toContain('brought from schema 1 to');
  });
});
