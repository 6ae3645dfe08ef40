import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { openStore } from '../../../src/store/open.js';
import { admit, ownedStore, T0, turn } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

const ROWS = 100_000;
const BATCH = 5_000;

it('a million keys that are known for ever take less than 100 MB, also once their jobs are gone', async () => {
  const folder = tempFolder();
  const store = await ownedStore({ open: (use) => openStore(folder, use, systemClock) });
  onTestFinished(() => store.close());
  for (let from = 0; from < ROWS; from += BATCH) {
    const keys = Array.from({ length: BATCH }, (_, n) => `an idea with a title of usual length ${from + n}`);
    await admit(
      store,
      keys.map((key) => ({ key, expiresAtMs: T0 + 1 })),
    );
  }
  while ((await turn(store, { nowMs: T0 + 1, freeSlots: 0 })).nextDueAtMs !== null);
  expect(await store.prune(T0 + 2, ROWS)).toBe(ROWS);

  const db = new SqliteDatabase(join(folder, 'dogged.db'), { readonly: true });
  onTestFinished(() => void db.close());
  const count = (sql: string) => db.prepare<[], number>(sql).pluck().get() ?? 0;
  expect(count('SELECT count(*) FROM records WHERE settled IS NOT NULL')).toBe(ROWS);
  expect(count('SELECT count(*) FROM jobs')).toBe(0);
  // The table is its own index: pages, with what they have free between random keys.
  const bytes = count("SELECT sum(pgsize) FROM dbstat WHERE name = 'records'");
  expect(bytes / ROWS).toBeGreaterThan(30);
  expect(bytes / ROWS).toBeLessThan(100);
}, 120_000);
