import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { connect } from '../../../src/store/sqlite/connection.js';
import { openDatabase } from '../../../src/store/sqlite/driver.js';
import { migrate } from '../../../src/store/sqlite/migrations/migrate.js';
import { SqliteStore } from '../../../src/store/sqlite/store.js';
import { admit, T0 } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

const PAGES_OF_10_MB = 2_500;

interface Filled {
  readonly store: SqliteStore;
  readonly db: Database;
  readonly file: string;
  /** Admits so many jobs of 100 KB each, one by one. */
  fill(jobs: number): Promise<void>;
}

async function openFilled(use: 'worker' | 'command'): Promise<Filled> {
  const file = join(tempFolder(), 'dogged.db');
  const connection = await connect(file, use, systemClock);
  migrate(connection.db, T0);
  const store = new SqliteStore(connection, use);
  onTestFinished(() => store.close());
  let n = 0;
  return {
    store,
    db: connection.db,
    file,
    async fill(jobs) {
      for (let i = 0; i < jobs; i += 1) {
        n += 1;
        await admit(store, [{ key: `k${n}`, content: JSON.stringify({ n, text: 'x'.repeat(100_000) }) }]);
      }
    },
  };
}

function pagesInLog(db: Database): number {
  const [state] = db.pragma('wal_checkpoint(NOOP)') as [{ log: number; checkpointed: number }];
  return state.log - state.checkpointed;
}

it('a worker that admits much never leaves more than 10 MB and one transaction in the log', async () => {
  const { db, fill, file } = await openFilled('worker');
  let most = 0;
  for (let n = 0; n < 300; n += 10) {
    await fill(10);
    most = Math.max(most, pagesInLog(db));
  }
  expect(most).toBeLessThan(PAGES_OF_10_MB);
  expect(statSync(`${file}-wal`).size).toBeLessThan(12 * 1024 * 1024);
  expect(statSync(file).size).toBeGreaterThan(20 * 1024 * 1024);
});

it('what a reader still needs stays in the log until it is done, and goes with the next admission', async () => {
  const { store, db, fill, file } = await openFilled('worker');
  await fill(1);
  const reader = openDatabase(file, { timeout: 1_000, readonly: true });
  onTestFinished(() => void reader.close());
  reader.exec('BEGIN');
  expect(reader.prepare('SELECT count(*) FROM jobs').pluck().get()).toBe(1);
  await fill(150);
  expect(pagesInLog(db)).toBeGreaterThan(PAGES_OF_10_MB);
  expect(reader.prepare('SELECT count(*) FROM jobs').pluck().get()).toBe(1);
  reader.exec('COMMIT');
  await fill(1);
  expect(pagesInLog(db)).toBe(0);
  expect((await store.counts()).total.ready).toBe(152);
});

it('a command, which may run beside the worker, leaves checkpoints to it', async () => {
  const { db, fill } = await openFilled('command');
  await fill(150);
  expect(pagesInLog(db)).toBeGreaterThan(PAGES_OF_10_MB);
});
