import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../../src/store/contract.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { completed, keysOf, type Machine, machine } from './machine.js';

let redis: RedisServer;

describe.skipIf(!hasRedis())(
  `jobs that a machine claims of its own${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis();
    });
    beforeEach(() => redis.client.flushall());
    afterAll(() => redis.stop());

    it('are read from their rows: what Redis holds of them is for others', async () => {
      const home = await machine(redis.url, { site: 'home' });
      await home.admit([
        { key: 'a', content: 'of a', priority: 5 },
        { key: 'b', content: 'of b' },
      ]);
      await sent(home);
      const jobs = await redis.client.keys('dogged:default.build:k-*');
      expect(jobs).toHaveLength(2);
      const data = await redis.client.hget(jobs[0] ?? '', 'data');
      for (const job of jobs) await redis.client.hset(job, 'data', 'torn');
      const claims = await home.claim(2);
      expect(claims.map(plain)).toEqual([
        { key: 'a', text: 'of a', attempt: 1, crashes: 0, source: 'ideas', priority: 5 },
        { key: 'b', text: 'of b', attempt: 1, crashes: 0, source: 'ideas', priority: 0 },
      ]);
      expect(data).toContain('"text":"of ');
      await home.turn(claims);
      await until(completed(home, 2));
      expect(await redis.client.exists(...jobs)).toBe(0);
    });

    it('are read from Redis once another has died under them, or where others have a part in them', async () => {
      const home = await machine(redis.url, { site: 'home', groupLimit: 1 });
      await home.admit([{ key: 'grouped', group: 'g' }]);
      await home.admit([{ key: 'plain' }]);
      await sent(home);
      const jobs = await redis.client.keys('dogged:default.build:k-*');
      const marks = await Promise.all(
        jobs.map(async (job) => [
          JSON.parse((await redis.client.hget(job, 'data')) ?? '').key,
          (await redis.client.hget(job, 'dogged:own'))?.split('/')[1] ?? null,
        ]),
      );
      expect(marks.sort()).toEqual([
        ['grouped', null],
        ['plain', '0'],
      ]);
      // As BullMQ's check notes a death.
      for (const job of jobs) await redis.client.hset(job, 'stc', '1');
      const claims = [...(await home.claim(1)), ...(await home.claim(1))];
      expect(claims.map(({ key, attempt, crashes }) => `${key} ${attempt} ${crashes}`).sort()).toEqual([
        'grouped 2 1',
        'plain 2 1',
      ]);
      await home.turn(claims);
      await until(completed(home, 2));
    });

    it('of an attempt that failed are sent and claimed anew, and count on', async () => {
      const home = await machine(redis.url, { site: 'home' });
      await home.admit(keysOf(1));
      await sent(home);
      for (const attempt of [1, 2]) {
        const [claim] = await home.claim();
        expect(claim).toMatchObject({ attempt, charged: attempt - 1 });
        const retry = {
          to: 'pending',
          runAtMs: Date.now(),
          charged: true,
          crashed: false,
          reason: 'no',
        } as const;
        await home.turn([claim as Claim], 0, retry);
      }
      expect((await home.claim())[0]).toMatchObject({ attempt: 3 });
    });
  },
);

async function sent(one: Machine): Promise<void> {
  await until(async () => (await one.store.counts()).outbox?.waiting === 0);
}

function plain({ key, payload, attempt, crashes, source, priority }: Claim) {
  return { key, text: payload.bytes.toString(), attempt, crashes, source, priority };
}
