import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BullmqStore } from '../../../src/store/bullmq/store.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { type Machine, machine } from './machine.js';

let redis: RedisServer;

/** Claimed in Redis, and written down nowhere: as of a worker that is killed between the two. */
async function claimOnly({ store, epoch }: Machine): Promise<readonly string[]> {
  const { remote } = store as BullmqStore;
  const { jobs } = await remote.claims.claim({
    freeSlots: 1,
    eligible: [{ task: 'build', room: 1 }],
    queues: [remote.queues.get('default', 'build')],
    nowMs: Date.now(),
    holdsTimes: false,
    othersRun: true,
    epoch,
  });
  return jobs.map(({ lease }) => lease.redisId);
}

describe.skipIf(!hasRedis())(
  `what a dead worker had claimed and not begun${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis();
    });
    beforeEach(() => redis.client.flushall());
    afterAll(() => redis.stop());

    it('is put back by the next, without a death; what it had begun, and what others run, is not', async () => {
      const home = await machine(redis.url, { site: 'home' });
      const away = await machine(redis.url, { site: 'away' });
      await home.admit([{ key: 'begun' }, { key: 'away' }, { key: 'unbegun' }]);
      await until(async () => (await redis.client.zcard('dogged:default.build:prioritized')) === 3);
      const [begun] = await home.claim();
      const [guest] = await away.claim();
      expect([begun?.key, guest?.key]).toEqual(['begun', 'away']);
      expect(await claimOnly(home)).toHaveLength(1);
      expect(await redis.client.llen('dogged:default.build:active')).toBe(3);
      await home.close();

      const next = await machine(redis.url, { site: 'home', folder: home.folder });
      const orphans = await next.store.orphans();
      expect(orphans.map(({ claim }) => claim.key)).toEqual(['begun']);
      const claims = (await next.turn([], 9)).claims;
      expect(claims).toMatchObject([{ key: 'unbegun', attempt: 1, crashes: 0 }]);
      expect((await next.turn(claims)).ends).toEqual(['recorded']);
      if (guest === undefined) throw new Error('nothing was claimed');
      expect((await away.turn([guest])).ends).toEqual(['recorded']);
      expect(next.runs).toEqual(['unbegun 1']);
    });

    it('is put back as far as that can be done: a job that nobody can read, and a line that is none, harm no other', async () => {
      const home = await machine(redis.url, { site: 'home' });
      await home.admit([{ key: 'torn' }, { key: 'whole' }]);
      await until(async () => (await redis.client.zcard('dogged:default.build:prioritized')) === 2);
      const [torn = ''] = await claimOnly(home);
      await claimOnly(home);
      await redis.client.hset(`dogged:default.build:${torn}`, 'opts', 'no JSON');
      await redis.client.set('dogged:default.slow:active', 'no list');
      await home.close();

      const next = await machine(redis.url, { site: 'home', folder: home.folder });
      expect(await next.store.orphans()).toEqual([]);
      const { remote } = next.store as BullmqStore;
      expect(await remote.claims.claimable([remote.queues.get('default', 'build')])).toBe(1);
      expect(next.errors.map(String).join()).toMatch(/WRONGTYPE/);
      expect(next.errors.map(String).join()).toMatch(/JSON/);
      next.errors.splice(0);
      await redis.client.del('dogged:default.slow:active');
    });
  },
);
