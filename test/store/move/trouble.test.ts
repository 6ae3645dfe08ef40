import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { withRedis } from '../../../src/store/move/with-redis.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { completed, keysOf, type MovingOptions, movedTo, movingMachine } from './moving-machine.js';

let redis: RedisServer;

const there = (options: MovingOptions = {}) => movedTo(redis.url, options);

describe.skipIf(!hasRedis())(`a move whose Redis is${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis.stop());

  it('not reached is told of by how far it was reached', async () => {
    const why = (url: string) =>
      withRedis(url, systemClock, async () => 'reached').catch(({ message }: Error) => message);
    onTestFinished(() => redis.thaw());
    redis.freeze();
    expect(
      await Promise.all([
        why(redis.url),
        why(redis.url.replace('redis:', 'rediss:')),
        why('rediss://127.0.0.1:1/0'),
      ]),
    ).toEqual([
      expect.stringMatching(/is away: it takes the connection, but gives no answer\.$/),
      expect.stringMatching(/is away: no connection by TLS came about .*begins with redis:\/\/\.$/),
      expect.stringMatching(/is away: nothing listens there \(ECONNREFUSED\)\.$/),
    ]);
  });

  it.each([
    ['frozen', 'to Redis'],
    ['frozen', 'back to SQLite'],
    ['emptied', 'to Redis'],
    ['emptied', 'before the way back'],
    ['emptied', 'back to SQLite'],
    ['full', 'back to SQLite'],
  ])(
    '%s, %s: goes on by itself, and each job ends once',
    async (trouble, when) => {
      const isThere = when === 'to Redis';
      const count = trouble === 'emptied' && isThere ? 3_000 : 20;
      const one = isThere ? await movingMachine() : await there();
      await one.admit(keysOf(count));
      const running = await one.claim(2);
      if (!isThere) await until(async () => (await one.store.counts()).outbox?.waiting === 0);
      onTestFinished(() => redis.thaw());
      if (trouble === 'frozen') {
        redis.freeze();
        await (isThere ? one.begin(redis.url, 'cutover') : one.ask('moved', 'return'));
        await until(async () => /is away/.test((await one.move())?.problem ?? ''), { withinMs: 10_000 });
        redis.thaw();
      } else if (trouble === 'full') {
        onTestFinished(async () => void (await redis.client.config('SET', 'maxmemory', '0')));
        await redis.client.config('SET', 'maxmemory', '1kb');
        await one.ask('moved', 'return');
      } else if (isThere) {
        await one.begin(redis.url, 'cutover');
        await until(async () => (await redis.client.keys('dogged:*:k-*')).length > 0);
        await redis.client.flushall();
      } else if (when === 'before the way back') {
        await redis.client.flushall();
        await one.ask('moved', 'return');
      } else {
        // Kept from coming home by another machine; what empties Redis forgets that one, too.
        await redis.client.hset('dogged:machines', 'x', JSON.stringify({ site: 'pi', seenAtMs: 0 }));
        await one.ask('moved', 'return');
        await until(async () => /other machines/.test((await one.move())?.problem ?? ''));
        await redis.client.flushall();
      }
      const told = () => until(async () => (await one.turn(running).catch(() => null))?.ends ?? null);
      // Whose lease was lost with Redis ends without counting, and runs again. Until it has ended nothing comes home.
      const isLost = trouble === 'emptied' && !isThere;
      if (isLost) {
        await until(async () => /have lost their leases/.test((await one.move())?.problem ?? ''));
        expect(await told()).toEqual(['lost', 'lost']);
      }
      await one.untilIn(isThere ? redis.url : 'sqlite');
      if (!isLost) expect(await told()).toEqual(['recorded', 'recorded']);
      await one.work(completed(one, count), 200);
      const ends = await one.store.sqlite.look(({ db }) =>
        db
          .prepare('SELECT count(*) AS ends, count(DISTINCT job_id) AS jobs FROM attempts WHERE outcome = 0')
          .get(),
      );
      expect(ends).toEqual({ ends: count, jobs: count });
    },
    40_000,
  );
});
