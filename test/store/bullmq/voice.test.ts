import { cpSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { DoggedError } from '../../../src/job/errors.js';
import { systemClock } from '../../../src/platform/clock.js';
import { redisAddress } from '../../../src/store/bullmq/address.js';
import { RedisLink } from '../../../src/store/bullmq/redis-link.js';
import type { BullmqStore } from '../../../src/store/bullmq/store.js';
import { Voice } from '../../../src/store/bullmq/voice.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';
import { completed, keysOf, type Machine, machine } from './machine.js';

/* A state folder that was copied, as machines have it that were set up from one image: both speak under one id. */

let redis: RedisServer;

/** As an image of a card is: taken while nothing runs. */
async function copied(): Promise<{ readonly original: string; readonly copy: string }> {
  const first = await machine(redis.url);
  const copy = tempFolder();
  await first.close();
  cpSync(first.folder, copy, { recursive: true });
  return { original: first.folder, copy };
}

/** Of those who spoke: 30 s have gone by. */
const silence = async () => {
  const keys = await redis.client.keys('dogged:worker:*');
  if (keys.length > 0) await redis.client.del(...keys);
};

const problemOf = async (one: Machine) => (await one.store.counts()).outbox?.problem ?? null;

describe.skipIf(!hasRedis())(
  `a state folder that was copied${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis(['--appendonly', 'yes']);
    });
    beforeEach(async () => {
      await redis.client.flushall();
    });
    afterAll(() => redis.stop());

    it('is spoken for by one worker, and the other waits, says why, and takes nothing of the first', async () => {
      const { original, copy } = await copied();
      const first = await machine(redis.url, { folder: original, site: 'kitchen' });
      await first.admit(keysOf(30));
      const second = await machine(redis.url, { folder: copy, site: 'attic' });
      await until(async () => (await problemOf(second)) !== null);
      expect(await problemOf(second)).toMatch(
        /^the last to speak there for this state folder was site "kitchen", \S+:\/\S+, and this one waits until it is known to be gone/,
      );
      await second.admit([{ key: 'its own' }]);
      await first.work(completed(first, 30));
      for (let n = 0; n < 20; n += 1) expect((await second.turn([], 64)).claims).toEqual([]);
      expect(first.runs).toHaveLength(30);
      expect(await problemOf(first)).toBeNull();
      // What came to the second is kept, and begun once it may.
      expect((await second.store.counts()).total).toMatchObject({ ready: 1, completed: 0 });
      await first.close();
      await silence();
      await second.work(completed(second, 1));
      expect(second.runs).toEqual(['its own 1']);
      expect(await problemOf(second)).toBeNull();
    });

    it('is never taken by one that knows the other to be at work: it would do its jobs again', async () => {
      const { original, copy } = await copied();
      let passedMs = 0;
      const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs };
      const first = await machine(redis.url, { folder: original, site: 'kitchen' });
      const second = await machine(redis.url, { folder: copy, site: 'attic', clock });
      await until(async () => (await problemOf(second)) !== null);
      passedMs = 36_000;
      await until(async () => (await problemOf(second))?.includes('is at work there') ?? false);
      expect(await problemOf(second)).toMatch(
        /^a copy of this state folder is at work there: site "kitchen", .* move state\/ away, another site, dogged start; if that is the other one, then dogged restart here$/,
      );
      await first.close();
      await silence();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(await redis.client.keys('dogged:worker:*')).toEqual([]);
      expect(await problemOf(second)).toContain('is at work there');
      await second.close();
      // As its last line says.
      const again = await machine(redis.url, { folder: copy, site: 'attic' });
      expect(await problemOf(again)).toBeNull();
    });

    it('is not taken by a copy that was made while the first spoke, nor is what runs there', async () => {
      const first = await machine(redis.url, { site: 'kitchen' });
      await first.admit(keysOf(2));
      const [claim] = await first.claim();
      const copy = tempFolder();
      cpSync(first.folder, copy, { recursive: true });
      const second = await machine(redis.url, { folder: copy, site: 'attic' });
      await until(async () => (await problemOf(second)) !== null);
      expect((await second.turn([], 9)).claims).toEqual([]);
      if (claim === undefined) throw new Error('nothing was claimed');
      expect((await first.turn([claim])).ends).toEqual(['recorded']);
      expect(await problemOf(first)).toBeNull();
    });

    it('is spoken for also in a Redis that is full, which is worked off', async () => {
      const home = await machine(redis.url);
      await home.admit(keysOf(3));
      await until(async () => (await redis.client.zcard('dogged:default.build:prioritized')) === 3);
      await home.close();
      await redis.client.config('SET', 'maxmemory', '1');
      onTestFinished(async () => void (await redis.client.config('SET', 'maxmemory', '0')));
      const next = await machine(redis.url, { folder: home.folder });
      await next.work(completed(next, 3));
      expect(next.runs).toHaveLength(3);
    });

    it('tells of ends also while a Redis that is full has no room for the list of machines', async () => {
      let passedMs = 0;
      const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs };
      const home = await machine(redis.url, { clock, site: 'home' });
      const away = await machine(redis.url, { site: 'away' });
      await home.admit(keysOf(1));
      await until(async () => (await redis.client.zcard('dogged:default.build:prioritized')) === 1);
      const claims = await away.claim();
      await redis.client.config('SET', 'maxmemory', '1');
      onTestFinished(async () => void (await redis.client.config('SET', 'maxmemory', '0')));
      passedMs = 16_000;
      await until(async () => home.problems.some((problem) => problem?.includes('full')));
      expect((await away.turn(claims)).ends).toEqual(['recorded']);
      await until(completed(home, 1));
    });

    it('is asked for again where the database could not be written meanwhile', async () => {
      const folder = tempFolder();
      const first = await machine(redis.url, { folder });
      await first.close();
      const sqlite = await openSqliteStore(folder, 'worker', systemClock);
      onTestFinished(() => sqlite.close());
      const within = sqlite.within.bind(sqlite);
      let refusals = 2;
      sqlite.within = async (work) => {
        refusals -= 1;
        if (refusals >= 0) throw new DoggedError('STORE_BUSY', { file: folder, detail: 'held' });
        return within(work);
      };
      const voice = new Voice({ sqlite, origin: 'one', site: 'here', clock: systemClock });
      const quiet = { onBack: () => undefined, onProblem: () => undefined, onWarning: () => undefined };
      const link = new RedisLink({
        address: redisAddress(redis.url, {}),
        clock: systemClock,
        mayUse: (asked) => voice.raise(asked),
        ...quiet,
      });
      onTestFinished(() => link.close());
      await until(() => link.isUp);
      expect(refusals).toBeLessThan(0);
    });

    it('is heard of while a long backlog is sent', async () => {
      let passedMs = 0;
      const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs };
      const one = await machine(redis.url, { clock });
      const [key = ''] = await until(async () => {
        const keys = await redis.client.keys('dogged:worker:*');
        return keys.length === 0 ? null : keys;
      });
      const { remote } = one.store as BullmqStore;
      let isOver = false;
      onTestFinished(() => {
        isOver = true;
      });
      // Whatever goes one after the other is at it for long.
      void remote.exclusively(async () => {
        await until(() => isOver, { withinMs: 20_000 });
      });
      await redis.client.pexpire(key, 5_000);
      passedMs = 10_000;
      await until(async () => (await redis.client.pttl(key)) > 20_000);
      isOver = true;
    });

    it('is left to whoever took it while the first was not heard of', async () => {
      const { original, copy } = await copied();
      let passedMs = 0;
      const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs };
      const first = await machine(redis.url, { folder: original, site: 'kitchen', clock });
      await until(async () => (await redis.client.keys('dogged:worker:*')).length === 1);
      const [key = ''] = await redis.client.keys('dogged:worker:*');
      expect(await redis.client.pttl(key)).toBeGreaterThan(20_000);
      // What is left of it after 30 s of silence.
      await redis.client.del(key);
      const second = await machine(redis.url, { folder: copy, site: 'attic' });
      expect(await redis.client.get(key)).toContain('site "attic"');
      passedMs = 10_000;
      await until(async () => (await problemOf(first)) !== null);
      expect(await problemOf(first)).toContain(
        'the last to speak there for this state folder was site "attic"',
      );
      expect(await problemOf(second)).toBeNull();
      await second.close();
      await silence();
      await until(async () => (await problemOf(first)) === null);
    });

    it('is taken up at once by the next worker of the same folder, also after one that was killed', async () => {
      const first = await machine(redis.url);
      const [key = ''] = await until(async () => {
        const keys = await redis.client.keys('dogged:worker:*');
        return keys.length === 0 ? null : keys;
      });
      const name = await redis.client.get(key);
      await first.close();
      // A restart must not be the moment of somebody else.
      expect(await redis.client.get(key)).toBe(name);
      const next = await machine(redis.url, { folder: first.folder });
      expect(await redis.client.get(key)).not.toBe(name);
      expect(await problemOf(next)).toBeNull();
    });
  },
);
