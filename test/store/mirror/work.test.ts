import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { admit, claimOne, end, T0, turn } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { keysOf } from '../bullmq/machine.js';
import { beginCopy, caughtUp, inRedis, mirrored, WHOLE, working } from './rig.js';

let server: RedisServer;

describe.skipIf(!hasRedis())(`the mirror of a worker${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  });
  afterAll(() => server.stop());

  it('has each job, byte for byte, and follows each change of its state', async () => {
    const place = await mirrored(server);
    const { results, problems } = working(server, place);
    const content = '{"title":"naïve 🎬","size":1.0}';
    await admit(place.store, [{ key: 'a', content }]);
    await caughtUp(place);
    const added = await inRedis(server, place, '1');
    expect(added).toMatchObject({
      names: WHOLE,
      states: ['pending'],
      fields: { payload: content, state: 'pending' },
    });
    expect(JSON.parse(added?.fields['record'] ?? '')).toMatchObject({ id: '1', key: 'a', place: 'ready' });

    const claim = await claimOne(place.store);
    await caughtUp(place);
    expect((await inRedis(server, place, '1'))?.states).toEqual(['running']);

    await turn(place.store, { ends: [end(claim, { to: 'completed' })], freeSlots: 0 });
    await caughtUp(place);
    expect(await inRedis(server, place, '1')).toMatchObject({ names: WHOLE, states: ['completed'] });

    await place.store.prune(T0 + 1e12, 10);
    await caughtUp(place);
    expect(await inRedis(server, place, '1')).toBeNull();
    expect([...results.keys()]).toEqual(['default written']);
    expect(problems).toEqual([]);
  });

  it('gets the jobs that were there before it once a copy is asked for, and goes on with it in another worker', async () => {
    const place = await mirrored(server, (store) => admit(store, keysOf(1_200)));
    const first = working(server, place);
    await admit(place.store, [{ key: 'later' }]);
    await caughtUp(place);
    expect(await inRedis(server, place, '1')).toBeNull();
    await beginCopy(place);
    await until(() => (readMove(place.db)?.copiedTo ?? 0) > 0);
    await first.work.stop();
    working(server, place);
    await caughtUp(place);
    for (const id of ['1', '500', '1200', '1201']) {
      expect(await inRedis(server, place, id)).toMatchObject({ names: WHOLE, states: ['pending'] });
    }
  });
});
