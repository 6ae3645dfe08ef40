import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { mirrorKeys } from '../../src/store/mirror/keys.js';
import { startCopy, startMirror } from '../../src/store/mirror/mirroring.js';
import { MirrorWork } from '../../src/store/mirror/work.js';
import { beginMove } from '../../src/store/sqlite/move-book.js';
import { readMove } from '../../src/store/sqlite/move-row.js';
import { openSqliteStore } from '../../src/store/sqlite/open.js';
import { ownedStore, T0 } from '../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { bench } from './in-process.js';

let server: RedisServer;

/** A bench with three jobs that are mirrored; its worker's part of the mirror is at work until `stop`. */
async function mirroredBench() {
  const place = bench();
  const store = await openSqliteStore(place.stateFolder, 'worker', systemClock);
  onTestFinished(() => store.close());
  await ownedStore({ open: async () => store });
  for (const key of ['a', 'b', 'c']) expect((await place.run('add', 'build', '--key', key)).code).toBe(0);
  const mirror = await store.within(({ db }) => {
    beginMove(db, { source: 'sqlite', target: server.url, phase: 'dual', startedAtMs: T0 });
    const id = startMirror(db);
    startCopy(db);
    return id;
  });
  const work = new MirrorWork({
    sqlite: store,
    target: server.url,
    mirror,
    clock: systemClock,
    events: { onResult: () => undefined },
  });
  work.start();
  onTestFinished(() => work.stop());
  const move = () => store.look(({ db }) => readMove(db));
  const followed = () =>
    until(async () => {
      const now = await move();
      return now?.behind === 0 && now.copiedTo === now.copyUntil;
    });
  await followed();
  return { place, mirror, move, followed, keys: mirrorKeys(mirror, 'default') };
}

describe.skipIf(!hasRedis())(
  `jobs while a mirror is kept${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      server = await startRedis(['--appendonly', 'yes']);
    });
    afterAll(() => server.stop());

    it('are shown as they are without one', async () => {
      const { place } = await mirroredBench();
      const jobs = await place.json('jobs');
      expect(jobs.map(({ key, state }) => `${key} ${state}`)).toEqual([
        'c pending',
        'b pending',
        'a pending',
      ]);
      expect(await place.json('job', '2')).toEqual([jobs[1]]);
      const told = await place.run('jobs');
      expect(told).toMatchObject({ code: 0, stderr: '' });
    });

    it('whose copy differs are shown as their row is, counted, and sent to the mirror again', async () => {
      const { place, keys, move, followed } = await mirroredBench();
      const before = await place.json('job', '2');
      await server.client.hset(keys.job('2'), 'record', '{"key":"wrong"}');
      const { stdout, stderr } = await place.run('job', '2', '--json');
      expect(JSON.parse(stdout)).toEqual(before[0]);
      expect(stderr).toContain('1 job differs in the mirror from what is shown here; sent to it again');
      expect((await move())?.divergent).toBe(1);
      await followed();
      expect(await server.client.hget(keys.job('2'), 'record')).toContain('"key":"b"');
      expect((await place.run('jobs')).stderr).toBe('');
    });

    it('are shown, cancelled and tried again whether the mirror knows them or not, and whether Redis is there or not', async () => {
      const { place, keys } = await mirroredBench();
      await server.client.del(keys.job('1'));
      expect((await place.run('cancel', '1', '2')).code).toBe(0);
      expect((await place.json('jobs')).map(({ id, state }) => `${id} ${state}`)).toEqual([
        '3 pending',
        '2 cancelled',
        '1 cancelled',
      ]);
      server.freeze();
      onTestFinished(() => server.thaw());
      expect((await place.run('retry', '1')).code).toBe(0);
      expect(await place.json('job', '1')).toMatchObject([{ id: '1', state: 'pending' }]);
      expect(await place.json('add', 'build', '--key', 'a')).toMatchObject([
        { id: '1', result: 'duplicate' },
      ]);
    });
  },
);
