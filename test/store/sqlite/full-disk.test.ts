import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { connect } from '../../../src/store/sqlite/connection.js';
import { migrate } from '../../../src/store/sqlite/migrations/migrate.js';
import { SqliteStore } from '../../../src/store/sqlite/store.js';
import { admit, batch, claimOne, end, someOwner, T0, turn } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

it('a disk without room is named, nothing is half written, and the work goes on when there is room again', async () => {
  const connection = await connect(join(tempFolder(), 'dogged.db'), 'worker', systemClock);
  const { db } = connection;
  migrate(db, T0);
  const store = new SqliteStore(connection, 'worker');
  onTestFinished(() => store.close());
  await store.takeOwnership(someOwner, T0);
  await admit(store, [{ key: 'first', group: 'g' }]);
  const claim = await claimOne(store);

  const pages = db.pragma('page_count', { simple: true }) as number;
  db.pragma(`max_page_count = ${pages + 3}`);
  const many = Array.from({ length: 200 }, (_, n) => ({ key: `${n}`, group: 'g' }));
  const cursors = [{ path: 'p', expectedEpoch: 0, body: 'b' }];
  await expect(store.admit(batch(many, { cursors }))).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' });
  expect((await store.counts()).total).toMatchObject({ ready: 0, parked: 0, running: 1 });

  db.pragma('max_page_count = 1000000');
  expect(new Set((await admit(store, many, { cursors })).map(({ result }) => result))).toEqual(
    new Set(['queued']),
  );
  expect((await turn(store, { ends: [end(claim)] })).ends).toEqual(['recorded']);
  expect((await store.counts()).total).toMatchObject({ completed: 1, ready: 190, running: 10 });
});
