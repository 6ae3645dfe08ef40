import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { retryAt } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { completed, jobNamed, keysOf, type MovingOptions, movedTo, movingMachine } from './moving-machine.js';

let redis: RedisServer;

const jobsInRedis = async () =>
  (await redis.client.keys('dogged:*:k-*')).filter((key) => /:k-[0-9a-f]{64}$/.test(key));
const there = (options: MovingOptions = {}) => movedTo(redis.url, options);

describe.skipIf(!hasRedis())(
  `a move of jobs that run, to Redis${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis(['--appendonly', 'yes']);
    });
    beforeEach(async () => {
      await redis.client.flushall();
    });
    afterAll(() => redis.stop());

    it('hands over what is ready; what runs ends where it is, and each job runs once', async () => {
      const one = await movingMachine();
      await one.admit(keysOf(30));
      const running = await one.claim(5);
      await one.begin(redis.url, 'cutover');
      await one.untilIn(redis.url);
      expect(await one.move()).toMatchObject({ phase: 'moved', problem: null });
      expect(await jobsInRedis()).toHaveLength(25);
      expect((await one.turn(running)).ends).toEqual(running.map(() => 'recorded'));
      await one.admit(keysOf(5, 'new'));
      await one.work(completed(one, 35));
      expect([...one.runs].sort()).toEqual(
        [...keysOf(30), ...keysOf(5, 'new')].map(({ key }) => `${key} 1`).sort(),
      );
    });

    it('lets an attempt from before be tried again there, be cancelled, and end while Redis is away', async () => {
      const one = await movingMachine();
      await one.admit(keysOf(3));
      const [retried, cancelled, alone] = await one.claim(3);
      if (retried === undefined || cancelled === undefined || alone === undefined) throw new Error('claims');
      await one.begin(redis.url, 'cutover');
      await one.untilIn(redis.url);
      await one.turn([retried], 0, retryAt(Date.now()));
      const [again] = await one.claim();
      expect(again).toMatchObject({ id: retried.id, attempt: 2, charged: 1 });
      expect(await one.store.cancel('default', [cancelled.id], Date.now())).toEqual(['requested']);
      expect((await one.turn()).cancelRequests).toEqual([cancelled.id]);
      await one.turn([cancelled], 0, { to: 'cancelled', reason: 'cancelled while it ran' });
      await redis.kill();
      // Together with one that Redis has to be asked about: each is told once.
      const ends = again === undefined ? [] : [again, alone];
      await expect(one.turn(ends)).rejects.toMatchObject({ code: 'REDIS_AWAY' });
      expect((await jobNamed(one, alone.key)).place).toBe('completed');
      await redis.start();
      const answers = await until(async () => (await one.turn(ends).catch(() => null))?.ends ?? null);
      expect(answers).toEqual(['recorded', 'recorded']);
      expect((await one.store.counts()).total).toMatchObject({ completed: 2, cancelled: 1, running: 0 });
    });

    it('keeps the limit of a group, and a job that must run alone waits for what runs from before', async () => {
      const one = await movingMachine({ groupLimit: 2 });
      await one.admit(keysOf(4).map((record) => ({ ...record, group: 'g' })));
      const running = await one.claim(2);
      await one.begin(redis.url, 'cutover');
      await one.untilIn(redis.url);
      expect((await one.turn([], 10)).claims).toEqual([]);
      await one.turn(running.slice(0, 1));
      const next = await one.claim(10);
      expect(next).toHaveLength(1);
      await one.store.sqlite.within(({ db }) => db.exec("UPDATE jobs SET crashes = 2 WHERE key = 'k3'"));
      await one.turn(next);
      const waiting = await until(async () => {
        const result = await one.turn([], 10);
        return result.alone === null ? null : result;
      });
      expect(waiting.claims).toEqual([]);
      await one.turn(running.slice(1));
      expect((await one.claim(10)).map(({ key }) => key)).toEqual(['k3']);
    });

    it('waits for a Redis that is away, says so, changes nothing meanwhile, and goes on by itself', async () => {
      const one = await movingMachine();
      await one.admit(keysOf(3));
      await redis.kill();
      await one.begin(redis.url, 'cutover');
      const row = await until(async () => {
        const found = await one.move();
        return found?.problem ? found : null;
      });
      expect(row.problem).toMatch(/Redis at redis:.* is away: .*ECONNREFUSED/);
      expect(await one.current()).toBe('sqlite');
      const claims = await one.claim(1);
      await one.turn(claims);
      await redis.start();
      await one.untilIn(redis.url);
      expect(await one.move()).toMatchObject({ problem: null });
      await one.work(completed(one, 3));
    });

    it('is refused by a Redis that throws jobs away, or that does not know the worker', async () => {
      const one = await movingMachine();
      const problem = () => until(async () => (await one.move())?.problem ?? null);
      await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
      await one.begin(redis.url, 'cutover');
      expect(await problem()).toMatch(/cannot be trusted with jobs: its maxmemory-policy is allkeys-lru/);
      await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
      await one.untilIn(redis.url);
    });

    it('is what the next worker begins with, whatever the config says, until it says the same', async () => {
      const one = await there();
      await one.admit(keysOf(3));
      await one.close();
      const next = await movingMachine({ folder: one.folder });
      expect(next.chosenStore).toBe(redis.url);
      expect(await next.current()).toBe(redis.url);
      await next.work(completed(next, 3));
      await next.close();
      const agreed = await movingMachine({ folder: one.folder, configured: redis.url });
      expect(agreed.chosenStore).toBeNull();
      await agreed.close();
      const refused = movingMachine({ folder: one.folder });
      expect((await refused).chosenStore).toBeNull();
      expect(await (await refused).current()).toBe('sqlite');
    });
  },
);
