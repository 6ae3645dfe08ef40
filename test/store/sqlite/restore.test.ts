import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { DoggedError } from '../../../src/job/errors.js';
import { systemClock } from '../../../src/platform/clock.js';
import { backUpStore, openMendedStore, restorationIn } from '../../../src/store/care.js';
import { admit, ideas } from '../../conformance/given.js';
import { owned, rawDatabase } from './given.js';

const BACKUP = 'dogged-2026-01-01T00-00-00-000Z.db';

/** A store that knows a record and how far a file was read, and a backup of it. */
async function backedUp() {
  const { store, folder } = await owned();
  await admit(store, [{ key: 'a' }], { cursors: [{ path: '/ideas', expectedEpoch: 0, body: 'far' }] });
  mkdirSync(join(folder, 'backups'));
  await backUpStore(folder, join(folder, 'backups', BACKUP), systemClock);
  return { store, folder };
}

async function mended(folder: string, onDamage: (error: DoggedError) => void = () => undefined) {
  const opened = await openMendedStore(
    folder,
    systemClock,
    { onDamage, onStorage: () => undefined },
    {
      url: null,
      settings: {
        site: 'here',
        sharedSources: [],
        leaseMs: 30_000,
        poisonAfter: 3,
        reconcileMs: 300_000,
        fleetConcurrency: [],
      },
      events: {},
    },
  );
  onTestFinished(() => opened.store.close());
  return opened;
}

test('a sound database is opened as it is, and nothing is told', async () => {
  const { store, folder } = await backedUp();
  await store.close();
  const opened = await mended(folder);
  expect(opened.restoration).toBeNull();
  expect(await opened.store.cursors(ideas)).toHaveLength(1);
  expect(readdirSync(folder).filter((name) => name.includes('damaged'))).toEqual([]);
});

test('a restored one knows its records, and not how far files were read: all that stands in them is looked at anew', async () => {
  const { store, folder } = await backedUp();
  await store.close();
  writeFileSync(join(folder, 'dogged.db'), 'torn '.repeat(2_000));
  const opened = await mended(folder);
  expect(opened.restoration).toMatchObject({ from: BACKUP, acknowledged: false });
  expect(await restorationIn(folder)).toMatchObject({ from: BACKUP });
  expect(await opened.store.cursors(ideas)).toEqual([]);
  expect(await admit(opened.store, [{ key: 'a' }])).toMatchObject([{ result: 'already-queued' }]);
  expect(readFileSync(join(folder, opened.restoration?.damagedAs ?? ''), 'utf8')).toContain('torn torn');
});

test('an empty one keeps the mark of the store, by which processes of a dead worker are known', async () => {
  const { store, folder } = await owned();
  await store.close();
  const storeId = rawDatabase(folder).prepare('SELECT store_id FROM meta').pluck().get();
  writeFileSync(
    join(folder, 'damage.json'),
    JSON.stringify({ schema: 1, detail: 'torn', alarms: 2, pending: true, move: null }),
  );
  const opened = await mended(folder);
  expect(opened.restoration).toMatchObject({ from: null, detail: 'torn' });
  expect(rawDatabase(folder).prepare('SELECT store_id FROM meta').pluck().get()).toBe(storeId);
});

test('whichever call meets damage, it is heard of, and the next opening mends it', async () => {
  const { store, folder } = await backedUp();
  await store.close();
  const db = rawDatabase(folder);
  const page = db
    .prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'rejects'")
    .pluck()
    .get() as number;
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  const file = join(folder, 'dogged.db');
  const bytes = readFileSync(file);
  bytes.fill(0xa5, (page - 1) * 4096, page * 4096);
  writeFileSync(file, bytes);

  const heard: string[] = [];
  const first = await mended(folder, (error) => heard.push(error.code));
  await expect(first.store.rejects(null, 9)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  await expect(first.store.rejects(null, 9)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  expect(heard).toEqual(['STORE_DAMAGED', 'STORE_DAMAGED']);
  await first.store.close();
  const second = await mended(folder);
  expect(second.restoration).toMatchObject({ from: BACKUP });
  expect(await second.store.rejects(null, 9)).toEqual([]);
});
