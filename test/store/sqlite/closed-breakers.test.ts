import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import type { BreakerMove } from '../../../src/store/breaker-contract.js';
import { connect } from '../../../src/store/sqlite/connection.js';
import { migrate } from '../../../src/store/sqlite/migrations/migrate.js';
import { SqliteStore } from '../../../src/store/sqlite/store.js';
import { admit, end, someOwner, T0, turn } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

type Call = (...values: unknown[]) => unknown;

test('a job whose breaker is closed costs no statement for it, also while another breaker is open', async () => {
  const connection = await connect(join(tempFolder(), 'dogged.db'), 'worker', systemClock);
  migrate(connection.db, T0);
  const store = new SqliteStore(connection, 'worker');
  onTestFinished(() => store.close());
  await store.takeOwnership(someOwner, T0);
  await store.configureTasks(
    ['default'],
    ['build', 'slow'].map((task) => ({ task, groupLimit: null, maxAttempts: 3 })),
  );
  await admit(
    store,
    Array.from({ length: 10 }, (_, n) => ({ key: `${n}` })),
  );

  const executed: string[] = [];
  const statements = Object.getPrototypeOf(connection.db.prepare('SELECT 1')) as Record<string, Call>;
  for (const name of ['run', 'get', 'all']) {
    const real = statements[name] as Call;
    statements[name] = function (this: { source: string }, ...values) {
      executed.push(this.source);
      return real.apply(this, values);
    };
    onTestFinished(() => {
      statements[name] = real;
    });
  }
  /** What one turn with one end and one claim executes. */
  const cost = async (breakers?: readonly BreakerMove[]) => {
    const { claims } = await turn(store, { freeSlots: 1 });
    executed.length = 0;
    await turn(store, {
      ends: claims.map((claim) => end(claim)),
      freeSlots: 1,
      ...(breakers && { breakers }),
    });
    return [...executed];
  };

  const opened: BreakerMove = {
    dependency: 'slow',
    to: 'opened',
    sinceMs: T0,
    retryAtMs: T0,
    cause: 'exit 69',
  };
  await cost();
  const atRest = await cost();
  expect(atRest.length).toBeGreaterThan(5);
  expect(atRest.filter((sql) => /breaker|outage|casualt/.test(sql))).toEqual([]);
  expect((await cost([opened])).filter((sql) => /breaker|outage/.test(sql)).length).toBeGreaterThan(0);
  expect(await cost()).toEqual(atRest);
});
