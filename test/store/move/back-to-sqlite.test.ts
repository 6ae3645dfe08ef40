import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { BullmqStore } from '../../../src/store/bullmq/store.js';
import { retryAt } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { completed, keysOf, type MovingOptions, movedTo, movingMachine } from './moving-machine.js';

let redis: RedisServer;

const jobsInRedis = async () =>
  (await redis.client.keys('dogged:*:k-*')).filter((key) => /:k-[0-9a-f]{64}$/.test(key));
const keysLike = async (kind: RegExp) =>
  (await redis.client.keys('dogged:*')).filter((key) => kind.test(key));
const there = (options: MovingOptions = {}) => movedTo(redis.url, options);

describe.skipIf(!hasRedis())(
  `a move of jobs that run, back to SQLite${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis(['--appendonly', 'yes']);
    });
    beforeEach(async () => {
      await redis.client.flushall();
    });
    afterAll(() => redis.stop());

    it('calls home what waits; what runs goes on, each job runs once, and nothing of ours is left in Redis', async () => {
      const one = await there();
      await one.admit(keysOf(30));
      const running = await one.claim(5);
      await one.ask('moved', 'return');
      await one.untilIn('sqlite');
      expect(await one.move()).toBeNull();
      expect(await jobsInRedis()).toEqual([]);
      expect((await one.store.counts()).outbox).toBeUndefined();
      expect((await one.turn(running)).ends).toEqual(running.map(() => 'recorded'));
      await one.admit(keysOf(5, 'new'));
      const left = await one.store.sqlite.look(({ db }) =>
        db.prepare('SELECT count(*) FROM outbox').pluck().get(),
      );
      expect(left).toBe(0);
      await one.work(completed(one, 35));
      expect([...one.runs].sort()).toEqual(
        [...keysOf(30), ...keysOf(5, 'new')].map(({ key }) => `${key} 1`).sort(),
      );
      expect(await redis.client.keys('dogged:*')).not.toContainEqual(
        expect.stringMatching(/:(life|ends|machines)/),
      );
    });

    it('says as the last thing that it is gone, and not again that it is there', async () => {
      const one = await there();
      await until(async () => (await redis.client.hlen('dogged:machines')) === 1);
      const { engine } = one.store;
      if (!(engine instanceof BullmqStore)) throw new Error('not through Redis');
      const { client } = engine.remote.link;
      const multi = client.multi.bind(client);
      // Redis takes its time to answer: the worker's rhythm would go on meanwhile.
      vi.spyOn(client, 'multi').mockImplementation(((...args: Parameters<typeof multi>) => {
        const transaction = multi(...args);
        const exec = transaction.exec.bind(transaction);
        transaction.exec = (async () => {
          const answers = await exec();
          await new Promise((resolve) => setTimeout(resolve, 700));
          return answers;
        }) as typeof transaction.exec;
        return transaction;
      }) as typeof multi);
      await one.ask('moved', 'return');
      await one.untilIn('sqlite');
      await one.close();
      expect(await redis.client.keys('dogged:*')).not.toContainEqual(
        expect.stringMatching(/:(life|ends|machines)/),
      );
    });

    it('is kept over a restart, though the config says Redis, until that says the same', async () => {
      const one = await movingMachine({ configured: redis.url });
      await one.admit(keysOf(2));
      await one.begin('sqlite', 'cutover', redis.url);
      await one.untilIn('sqlite');
      await one.close();
      const next = await movingMachine({ folder: one.folder, configured: redis.url });
      expect(next.chosenStore).toBe('sqlite');
      expect(await next.current()).toBe('sqlite');
      await next.work(completed(next, 2));
      await next.close();
      const agreed = await movingMachine({ folder: one.folder });
      expect(agreed.chosenStore).toBeNull();
      await agreed.close();
      expect(await jobsInRedis()).toEqual([]);
    });

    it('claims the best while the rest comes home', async () => {
      const one = await there();
      await one.admit(keysOf(1_500).map((record, n) => ({ ...record, priority: n === 700 ? 5 : 0 })));
      await until(async () => (await one.store.counts()).outbox?.waiting === 0);
      await one.ask('moved', 'return');
      const [claim] = await one.claim(1);
      expect(claim?.key).toBe('k700');
      await one.untilIn('sqlite');
      if (claim !== undefined) expect((await one.turn([claim])).ends).toEqual(['recorded']);
      expect((await one.store.counts()).total).toMatchObject({ completed: 1, ready: 1_499, running: 0 });
    });

    it('lets what was taken home fail, be tried again and be cancelled as any other', async () => {
      const one = await there();
      await one.admit(keysOf(2));
      const [retried, cancelled] = await one.claim(2);
      if (retried === undefined || cancelled === undefined) throw new Error('claims');
      await one.ask('moved', 'return');
      await one.untilIn('sqlite');
      await one.turn([retried], 0, retryAt(Date.now()));
      const [again] = await one.claim(1);
      expect(again).toMatchObject({ id: retried.id, attempt: 2 });
      await one.store.cancel('default', [cancelled.id], Date.now());
      expect((await one.turn()).cancelRequests).toEqual([cancelled.id]);
    });

    it('is refused while another machine is registered, which is named, and goes on once that is forgotten', async () => {
      const one = await there();
      const other = await there({ site: 'pi-garage' });
      await until(async () => (await redis.client.hlen('dogged:machines')) === 2);
      await other.close();
      await one.admit(keysOf(3));
      await one.ask('moved', 'return');
      const problem = await until(async () => (await one.move())?.problem ?? null);
      // No time is in it: it is told once, however long it stands.
      expect(problem).toMatch(/^other machines run with Redis at \S+: pi-garage\. Let each/);
      const [, origin] = /HDEL dogged:machines (\S+)$/.exec(problem) ?? [];
      expect(await one.current()).toBe(redis.url);
      // The work goes on meanwhile.
      await one.admit([{ key: 'late' }]);
      await one.turn(await one.claim(1));
      await redis.client.hdel('dogged:machines', origin ?? '');
      await one.untilIn('sqlite');
      await one.work(completed(one, 4));
    });

    it('a worker that begins with SQLite, and left nothing in Redis, signs off there', async () => {
      const other = await movingMachine({ configured: redis.url, site: 'pi-garage' });
      await other.admit(keysOf(2));
      await other.work(completed(other, 2));
      await until(async () => (await keysLike(/:(machines|site)/)).length === 2);
      await other.close();
      const back = await movingMachine({ folder: other.folder, site: 'pi-garage' });
      expect(await back.current()).toBe('sqlite');
      expect(await keysLike(/:(machines|site|told|ends|life)/)).toEqual([]);
    });

    it('waits for the end of what another machine runs of ours, though that machine was forgotten', async () => {
      const one = await there();
      const other = await there({ site: 'pi-garage' });
      await one.admit(keysOf(3));
      const claims = await other.claim(1);
      // It says again that it is there, every 15 s.
      const forgetting = setInterval(() => void redis.client.del('dogged:machines'), 20);
      onTestFinished(() => clearInterval(forgetting));
      await one.ask('moved', 'return');
      await until(async () => /has not told yet/.test((await one.move())?.problem ?? ''));
      expect(await one.current()).toBe(redis.url);
      expect((await other.turn(claims)).ends).toEqual(['recorded']);
      await one.untilIn('sqlite');
      expect((await one.store.counts()).total).toMatchObject({ completed: 1, ready: 2, running: 0 });
      await one.work(completed(one, 3));
      expect([...one.runs, ...other.runs].sort()).toEqual(['k0 1', 'k1 1', 'k2 1']);
    });

    it('waits for a Redis that is away, and takes nothing for lost', async () => {
      const one = await there();
      await one.admit(keysOf(10));
      await until(async () => (await jobsInRedis()).length === 10);
      const running = await one.claim(2);
      await redis.kill();
      await one.ask('moved', 'return');
      const problem = await until(async () => (await one.move())?.problem ?? null);
      expect(problem).toMatch(/is away/);
      expect((await one.store.counts()).total).toMatchObject({ ready: 8, running: 2 });
      await redis.start();
      await one.untilIn('sqlite');
      expect((await one.turn(running)).ends).toEqual(['recorded', 'recorded']);
      await one.work(completed(one, 10));
      expect(one.runs).toHaveLength(10);
    });

    it('can be thought better of: what had come home is sent again', async () => {
      const one = await there();
      await one.admit(keysOf(10));
      const other = { origin: 'x', entry: JSON.stringify({ site: 'pi', seenAtMs: 0 }) };
      await redis.client.hset('dogged:machines', other.origin, other.entry);
      await one.store.sqlite.within(({ db }) => db.exec('DELETE FROM move'));
      await one.begin('sqlite', 'cutover', redis.url);
      await until(async () => (await one.move())?.problem ?? null);
      await one.ask('cutover', 'return');
      await one.untilIn(redis.url);
      await until(async () => (await one.move()) === null);
      await one.work(completed(one, 10));
    });
  },
);
