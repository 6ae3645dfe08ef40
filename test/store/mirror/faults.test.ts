import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { pause, systemClock } from '../../../src/platform/clock.js';
import { markKey, mirrorKeys } from '../../../src/store/mirror/keys.js';
import { MirrorRelay } from '../../../src/store/mirror/relay.js';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { admit, claimOne, end, T0, turn } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { keysOf } from '../bullmq/machine.js';
import {
  BadLine,
  beginCopy,
  caughtUp,
  counting,
  expectSame,
  inRedis,
  mirrored,
  mirrorIn,
  sendAll,
  WHOLE,
  working,
} from './rig.js';

let server: RedisServer;

describe.skipIf(!hasRedis())(`a mirror in trouble${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  });
  beforeEach(async () => {
    await server.client.flushall();
  });
  afterAll(() => server.stop());

  it.each([
    ['every third call fails before it is made', (call: number) => (call % 3 === 0 ? 'before' : null)],
    [
      'every second call succeeds, and nobody hears of it',
      (call: number) => (call % 2 === 0 ? 'after' : null),
    ],
    [
      'the first ten calls fail, whether they were made or not',
      (call: number) => (call > 10 ? null : call % 2 === 0 ? 'after' : 'before'),
    ],
  ] as const)('is the same in the end when %s; adds stay what they are', async (_, fault) => {
    const place = await mirrored(server);
    const line = new BadLine(await mirrorIn(server, place));
    line.fault = fault;
    const { results, onResult } = counting();
    const relay = new MirrorRelay({ sqlite: place.store, mirror: line, onResult });
    for (let round = 0; round < 6; round += 1) {
      expect(await admit(place.store, [{ key: `k${round}` }])).toMatchObject([{ result: 'queued' }]);
      // The same again, whatever became of the first in the mirror.
      expect(await admit(place.store, [{ key: `k${round}` }])).toMatchObject([{ result: 'already-queued' }]);
      await relay.send('fresh');
      const claim = await claimOne(place.store);
      await relay.send('fresh');
      await turn(place.store, { ends: [end(claim, { to: 'completed' })], freeSlots: 0 });
      await relay.send('fresh');
    }
    expect((await place.store.counts()).total).toMatchObject({ completed: 6, ready: 0, running: 0 });
    await until(() => sendAll(relay).then(() => true));
    await expectSame(server, place);
    expect(results.get('default failed')).toBeGreaterThan(0);
  });

  it('hears late of a call that was done: what it sends again is known there, and does no harm', async () => {
    const place = await mirrored(server);
    const line = new BadLine(await mirrorIn(server, place));
    line.fault = (call) => (call === 1 ? 'after' : null);
    const { results, onResult } = counting();
    const relay = new MirrorRelay({ sqlite: place.store, mirror: line, onResult });
    await admit(place.store, [{ key: 'a' }]);
    await relay.send('fresh');
    const there = await inRedis(server, place, '1');
    expect(there?.names).toEqual(WHOLE);
    await relay.send('failed');
    expect(await inRedis(server, place, '1')).toEqual(there);
    expect(results).toEqual(
      new Map([
        ['default failed', 1],
        ['default repeated', 1],
      ]),
    );
  });

  it('is not thrown back by a write that comes after a later one', async () => {
    const place = await mirrored(server);
    const side = await mirrorIn(server, place);
    const held: Parameters<typeof side.write>[0][] = [];
    const keeping = {
      write(changes: (typeof held)[number]) {
        held.push(changes);
        return side.write(changes);
      },
    };
    const relay = new MirrorRelay({ sqlite: place.store, mirror: keeping, onResult: () => undefined });
    await admit(place.store, [{ key: 'a' }]);
    await sendAll(relay);
    await place.store.cancel('default', ['1'], T0);
    await sendAll(relay);
    expect(await side.write(held[0] ?? [])).toEqual([{ kind: 'outdated', revision: held[1]?.[0]?.revision }]);
    expect((await inRedis(server, place, '1'))?.states).toEqual(['cancelled']);
    await place.store.prune(T0 + 1e12, 10);
    await sendAll(relay);
    // Not even one that is no more is brought back.
    expect(await side.write(held[0] ?? [])).toMatchObject([{ kind: 'outdated' }]);
    expect(await inRedis(server, place, '1')).toBeNull();
  });

  it('that is ahead of a database that was put back is overwritten by it: what stands here is the truth', async () => {
    const place = await mirrored(server);
    const relay = new MirrorRelay({
      sqlite: place.store,
      mirror: await mirrorIn(server, place),
      onResult: () => undefined,
    });
    await admit(place.store, [{ key: 'a' }]);
    await sendAll(relay);
    // Another past: there the job was changed a hundred times since.
    const key = mirrorKeys(place.mirror, 'default').job('1');
    await server.client.hset(key, 'revision', '100', 'record', '{"key":"of another past"}');
    await place.store.cancel('default', ['1'], T0);
    await sendAll(relay);
    expect(Number(await server.client.hget(key, 'revision'))).toBeGreaterThan(100);
    await expectSame(server, place);
  });

  it('that is frozen holds nobody up, is told of, and follows once it goes on', async () => {
    const place = await mirrored(server);
    const { problems } = working(server, place);
    await admit(place.store, [{ key: 'a' }]);
    await caughtUp(place);
    server.freeze();
    await admit(place.store, [{ key: 'b' }]);
    await until(() => readMove(place.db)?.mirrorProblem !== null);
    expect(readMove(place.db)).toMatchObject({
      mirrorProblem: expect.stringContaining('no answer'),
      behind: 1,
    });
    // While nothing comes back, jobs are claimed and end as ever.
    const claim = await claimOne(place.store);
    expect((await turn(place.store, { ends: [end(claim, { to: 'completed' })], freeSlots: 0 })).ends).toEqual(
      ['recorded'],
    );
    server.thaw();
    await caughtUp(place);
    await until(() => problems.at(-1) === null);
    await expectSame(server, place);
    expect(readMove(place.db)?.mirrorProblem).toBeNull();
  });

  it('that is killed follows once it is there again, and has no problem from the first write on', async () => {
    const place = await mirrored(server);
    const { behindWhenOver } = working(server, place);
    await admit(place.store, keysOf(20));
    await caughtUp(place);
    await server.kill();
    await admit(place.store, keysOf(1_200, 'later'));
    await until(() => /ECONN|closed/.test(readMove(place.db)?.mirrorProblem ?? ''));
    await server.start();
    await caughtUp(place);
    expect(behindWhenOver[0]).toBeGreaterThan(0);
    await expectSame(server, place);
  });

  it.each([
    ['emptied', () => server.client.flushall()],
    [
      'restarted without what it held',
      async () => {
        await server.client.flushall();
        await server.kill();
        await server.start();
      },
    ],
  ])('that is %s is filled anew', async (_, lose) => {
    const place = await mirrored(server, (store) => admit(store, keysOf(600)));
    working(server, place);
    await beginCopy(place);
    await caughtUp(place);
    await lose();
    // The first change after it finds out.
    await admit(place.store, [{ key: 'after' }]);
    await until(async () => (await server.client.exists(markKey(place.mirror))) === 1);
    await until(async () => (await inRedis(server, place, '1')) !== null);
    await caughtUp(place);
    expect((await expectSame(server, place)).jobs).toBe(601);
  });

  it('that is full takes what is removed, and the rest when it has room', async () => {
    const place = await mirrored(server);
    const { results } = working(server, place);
    await admit(place.store, keysOf(3));
    await caughtUp(place);
    await place.store.cancel('default', ['1'], T0);
    await caughtUp(place);
    await server.client.config('SET', 'maxmemory', '1mb');
    await admit(place.store, [{ key: 'more' }]);
    await until(() => (results.get('default failed') ?? 0) > 0);
    await place.store.prune(T0 + 1e12, 10);
    await until(async () => (await inRedis(server, place, '1')) === null);
    await server.client.config('SET', 'maxmemory', '0');
    await caughtUp(place);
    await expectSame(server, place);
  });

  it('that is set so that it evicts is sent nothing more until that is mended, and says so', async () => {
    const place = await mirrored(server);
    const { problems } = working(server, place);
    await admit(place.store, [{ key: 'a' }]);
    await caughtUp(place);
    const set = async (policy: string) => {
      await server.client.config('SET', 'maxmemory-policy', policy);
      // A new connection is looked at, at once.
      await server.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    };
    onTestFinished(() => void server.client.config('SET', 'maxmemory-policy', 'noeviction'));
    await set('allkeys-lru');
    await until(() => problems.at(-1)?.includes('its maxmemory-policy is allkeys-lru') ?? false);
    await admit(place.store, [{ key: 'b' }]);
    // Several looks later there is still nothing of it.
    await pause(systemClock, 1_000);
    expect(await inRedis(server, place, '2')).toBeNull();
    await set('noeviction');
    await caughtUp(place);
    await expectSame(server, place);
    await until(() => problems.at(-1) === null);
  });
});
