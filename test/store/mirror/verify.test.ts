import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { mirrorKeys } from '../../../src/store/mirror/keys.js';
import { ReadThroughMirror } from '../../../src/store/mirror/reader.js';
import { RedisMirror } from '../../../src/store/mirror/redis-mirror.js';
import { verifyMirror } from '../../../src/store/mirror/verify.js';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { admit, claimOne, end, T0, turn } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { keysOf } from '../bullmq/machine.js';
import {
  beginCopy,
  caughtUp,
  expectSame,
  inRedis,
  linkTo,
  type Mirrored,
  mirrored,
  mirrorIn,
  working,
} from './rig.js';

let server: RedisServer;

async function verify({ store: sqlite, mirror }: Mirrored, waitMs = 10_000) {
  return verifyMirror({ sqlite, link: await linkTo(server), mirror, clock: systemClock, waitMs });
}

/** What may be wrong in the mirror, and how it is told. */
const WRONGS: readonly (readonly [
  string,
  (keys: ReturnType<typeof mirrorKeys>) => Promise<unknown>,
  object,
])[] = [
  [
    'a job that is not there',
    (keys) =>
      server.client
        .multi()
        .del(keys.job('3'))
        .srem(keys.states[0] ?? '', '3')
        .exec(),
    { id: '3', kind: 'missing' },
  ],
  [
    'a payload with one other byte',
    (keys) => server.client.hset(keys.job('3'), 'payload', '{"title":"k3"}'),
    { id: '3', kind: 'differs', detail: 'its payload' },
  ],
  [
    'a record with another field',
    async (keys) => {
      const record = JSON.parse((await server.client.hget(keys.job('3'), 'record')) ?? '');
      await server.client.hset(
        keys.job('3'),
        'record',
        JSON.stringify({ ...record, priority: 7, reason: 'x' }),
      );
    },
    { id: '3', kind: 'differs', detail: 'priority, reason' },
  ],
  [
    'a record that is none',
    (keys) => server.client.hset(keys.job('3'), 'record', 'x'),
    { id: '3', kind: 'differs', detail: 'its record is no JSON' },
  ],
  [
    'a job in two states',
    (keys) => server.client.sadd(keys.states[2] ?? '', '3'),
    { id: '3', kind: 'differs', detail: 'it stands among: pending, completed' },
  ],
  [
    'a job in no state',
    (keys) => server.client.srem(keys.states[0] ?? '', '3'),
    { id: '3', kind: 'differs', detail: 'it stands among: none' },
  ],
  [
    'half a record',
    (keys) => server.client.hdel(keys.job('3'), 'payload', 'digest'),
    { id: '3', kind: 'differs' },
  ],
  [
    'a job that is none',
    (keys) => server.client.hset(keys.job('99'), 'revision', '5', 'state', 'pending', 'record', '{}'),
    { id: '99', kind: 'extra' },
  ],
  [
    'an id that has no job',
    (keys) => server.client.sadd(keys.states[0] ?? '', '98'),
    { id: '98', kind: 'extra' },
  ],
];

describe.skipIf(!hasRedis())(`both sides of a mirror${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  });
  beforeEach(async () => {
    await server.client.flushall();
  });
  afterAll(() => server.stop());

  it('are equal by count and hash for each workspace and state, in every state that there is', async () => {
    const place = await mirrored(server, async (store) => {
      await admit(store, keysOf(6));
      await admit(store, keysOf(2, 'x'), { scope: { workspace: 'other', kind: 'source', name: 'ideas' } });
    });
    working(server, place);
    await beginCopy(place);
    const claim = await claimOne(place.store);
    await turn(place.store, { ends: [end(claim, { to: 'completed' })], freeSlots: 0 });
    await claimOne(place.store);
    await place.store.cancel('default', ['4'], T0);
    const report = await expectSame(server, place);
    const lines = report.states.map(({ workspace, state, here, mirror }) => {
      expect(mirror).toEqual(here);
      return `${workspace} ${state} ${here.jobs}`;
    });
    expect(lines).toEqual([
      'default pending 3',
      'default running 1',
      'default completed 1',
      'default cancelled 1',
      'other pending 2',
    ]);
    expect(readMove(place.db)).toMatchObject({ divergent: 0, verifiedAtMs: expect.any(Number) });
  });

  it.each(WRONGS)('that differ by %s are told apart and put right', async (_, spoil, difference) => {
    const place = await mirrored(server);
    working(server, place);
    await admit(place.store, keysOf(5));
    await caughtUp(place);
    await spoil(mirrorKeys(place.mirror, 'default'));
    const report = await verify(place);
    expect(report).toMatchObject({ isEqual: false, divergent: 1, inMotion: 0, waiting: 0 });
    expect(report.differences).toEqual([expect.objectContaining({ workspace: 'default', ...difference })]);
    expect(report.states.filter(({ here, mirror }) => here.hash !== mirror.hash)).not.toEqual([]);
    expect(readMove(place.db)).toMatchObject({ divergent: 1, verifiedAtMs: null });
    await caughtUp(place);
    await expectSame(server, place);
    expect(readMove(place.db)?.divergent).toBe(0);
  });

  it('are found equal while jobs are added, run and end all the time', async () => {
    const place = await mirrored(server, (store) => admit(store, keysOf(300)));
    working(server, place);
    await beginCopy(place);
    let goesOn = true;
    const busy = (async () => {
      for (let n = 0; goesOn; n += 1) {
        await admit(place.store, [{ key: `busy${n}` }]);
        const { claims } = await turn(place.store, { freeSlots: 2 });
        await turn(place.store, {
          ends: claims.map((claim) => end(claim, { to: 'completed' })),
          freeSlots: 0,
        });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    const reports = [];
    for (let look = 0; look < 3; look += 1) reports.push(await verify(place, 20_000));
    goesOn = false;
    await busy;
    for (const report of reports) {
      expect(report).toMatchObject({ isEqual: true, divergent: 0 });
      expect(report.jobs).toBeGreaterThan(300);
    }
  });

  it('are not compared while the mirror has not followed: what is missing then is no difference', async () => {
    const place = await mirrored(server, (store) => admit(store, keysOf(3)));
    await mirrorIn(server, place);
    await admit(place.store, [{ key: 'later' }]);
    expect(await verify(place, 0)).toMatchObject({ isEqual: false, waiting: 2, divergent: 0, jobs: 0 });
    expect(readMove(place.db)?.verifiedAtMs).toBeNull();
  });

  it('differ for a reader too, who shows the row and says which', async () => {
    const place = await mirrored(server);
    working(server, place);
    await admit(place.store, keysOf(3));
    await caughtUp(place);
    await server.client.hset(mirrorKeys(place.mirror, 'default').job('2'), 'payload', '{}');
    const reads = new ReadThroughMirror({
      sqlite: place.store,
      link: await linkTo(server),
      mirror: place.mirror,
    });
    expect(await reads.list({ limit: 10 })).toEqual(await place.store.list({ limit: 10 }));
    expect([...reads.divergent]).toEqual(['2']);
    expect(reads.from).toEqual({ mirror: 2, rows: 1 });
  });

  it('have nothing in common any more once the mirror was dropped, and other keys are left alone', async () => {
    const place = await mirrored(server);
    const { work } = working(server, place);
    await admit(place.store, keysOf(1_500));
    await caughtUp(place);
    await work.stop();
    await server.client.set('dogged:mirror:of-another:mark', '1');
    await server.client.set('else', '1');
    const pages: number[] = [];
    const side = new RedisMirror(await linkTo(server), place.mirror);
    expect(await side.drop((keys) => pages.push(keys))).toBeGreaterThan(1_500);
    expect(pages.length).toBeGreaterThan(1);
    expect((await server.client.keys('*')).sort()).toEqual(['dogged:mirror:of-another:mark', 'else']);
    // Nobody who still writes makes a part of it anew.
    await admit(place.store, [{ key: 'late' }]);
    const changes = [{ jobId: 1, workspace: 'default', revision: 1e9, record: null }];
    expect(await side.write(changes)).toEqual([{ kind: 'lost' }]);
    expect(await inRedis(server, place, '1501')).toBeNull();
  });
});
