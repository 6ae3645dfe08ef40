import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Job, type Queue, type Worker } from 'bullmq';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { redisAddress } from '../../../src/store/bullmq/address.js';
import {
  type AskedOfRedis,
  BULK_SCRIPTS,
  type ClaimedInRedis,
  type EndsInRedis,
} from '../../../src/store/bullmq/bulk-scripts.js';
import { Queues, type TaskQueue } from '../../../src/store/bullmq/queues.js';
import { RedisLink } from '../../../src/store/bullmq/redis-link.js';
import { SETTLED } from '../../../src/store/bullmq/scripts.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

/** The version whose keys our scripts have been held against. With another, run all of this file and of the conformance suite first. */
const KNOWN = '6.7.0';
const manifest = (path: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../..', path, 'package.json'), 'utf8'));

it(`BullMQ is ${KNOWN} to the letter, for whoever installs dogged: its keys are no interface of it`, () => {
  expect(manifest('.').dependencies.bullmq).toBe(KNOWN);
  expect(manifest('node_modules/bullmq').version).toBe(KNOWN);
});

let redis: RedisServer;

/** A queue as dogged makes it, with BullMQ's own classes over the same keys. */
async function both(lockMs = 30_000) {
  const quiet = { onBack: () => undefined, onProblem: () => undefined, onWarning: () => undefined };
  const address = redisAddress(redis.url, {});
  const link = new RedisLink({ address, clock: systemClock, ...quiet });
  link.define(BULK_SCRIPTS);
  await link.settled();
  const queues = new Queues(link, lockMs, 2);
  onTestFinished(async () => {
    await queues.close();
    link.close();
  });
  const line = queues.get('default', 'build');
  const { keys } = line;
  // More of BullMQ than dogged uses.
  const { queue, worker } = line as TaskQueue & { readonly queue: Queue; readonly worker: Worker };
  let number = 0;
  return {
    link,
    queue,
    worker,
    keys,
    async add(...ids: string[]) {
      const opts = { priority: 1, attempts: 1, removeOnComplete: true, removeOnFail: true };
      await queue.addBulk(ids.map((jobId) => ({ name: 'build', data: {}, opts: { ...opts, jobId } })));
    },
    async claim(
      free: number,
    ): Promise<readonly { readonly id: string; readonly token: string; readonly stalls: string }[]> {
      const asked: AskedOfRedis = {
        lockMs,
        free,
        othersRun: false,
        aloneFrom: 99,
        settled: SETTLED,
        token: 'o/1/',
        number: number + 1,
        own: 'o/',
        queues: [{ index: 0, prefix: keys.prefix, task: 'build' }],
        rooms: { build: free },
        trials: {},
      };
      number += free;
      const [, found, own] = await link.run<ClaimedInRedis>('claim', [JSON.stringify(asked)]);
      expect(own).toEqual([]);
      return found.map(([, nth, id, , stalls]) => ({ id, token: `o/1/${nth}`, stalls }));
    },
    end(...ended: readonly { readonly id: string; readonly token: string }[]): Promise<number[]> {
      const asked: EndsInRedis = {
        told: '',
        isSure: false,
        settled: SETTLED,
        by: '',
        home: 'dogged:home:o',
        queues: [keys.prefix],
        ends: ended.map(({ id, token }) => [0, id, token, '', '', '']),
      };
      return link.run<number[]>('end', [JSON.stringify(asked), ...ended.map(() => '')]);
    },
  };
}

describe.skipIf(!hasRedis())(
  `our scripts and BullMQ's keys${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis(['--appendonly', 'yes']);
    });
    beforeEach(() => redis.client.flushall());
    afterAll(() => redis.stop());

    it('what we claim runs in the eyes of BullMQ, which can end it with our token, and with no other', async () => {
      const { queue, add, claim, link } = await both();
      await add('a', 'b', 'c');
      const [a, b] = await claim(2);
      expect(await queue.getJobCounts('active', 'prioritized', 'wait')).toEqual({
        active: 2,
        prioritized: 1,
        wait: 0,
      });
      const job = await Job.fromId(queue, 'a');
      expect(await job?.getState()).toBe('active');
      await expect(job?.moveToCompleted(null, 'other', false)).rejects.toThrow(/lock/i);
      await job?.moveToCompleted(null, a?.token ?? '', false);
      const waiting = await queue.getJob('b');
      await waiting?.moveToWait(b?.token);
      expect(await queue.getJobCounts('active', 'prioritized', 'wait')).toEqual({
        active: 0,
        prioritized: 2,
        wait: 0,
      });
      expect(link.isUp).toBe(true);
    });

    it('what BullMQ claims can be ended and renewed by us with its token, and with no other', async () => {
      const { queue, worker, keys, link, add, end } = await both();
      await add('a');
      const job = await worker.getNextJob('theirs', { block: false });
      expect(job?.id).toBe('a');
      expect(await link.run('renew', [1_000, keys.prefix, 'a', 'other'])).toEqual([0]);
      expect(await link.run('renew', [1_000, keys.prefix, 'a', 'theirs'])).toEqual([1]);
      expect(await end({ id: 'a', token: 'other' })).toEqual([0]);
      expect(await end({ id: 'a', token: 'theirs' })).toEqual([1]);
      expect(await queue.getJobCounts('active', 'prioritized', 'wait')).toEqual({
        active: 0,
        prioritized: 0,
        wait: 0,
      });
    });

    it('what we claimed and gave no sign of is back in the line by BullMQ’s own check, counted, and first', async () => {
      const { add, claim, queue } = await both(500);
      await add('a', 'b');
      expect(await claim(1)).toMatchObject([{ id: 'a', stalls: '0' }]);
      await until(async () => (await queue.getJobCounts('wait')).wait === 1);
      expect(await claim(2)).toMatchObject([
        { id: 'a', stalls: '1' },
        { id: 'b', stalls: '0' },
      ]);
    });

    it('a queue that is paused, or full by its limit for all machines, gives us nothing', async () => {
      const { add, claim, end, queue } = await both();
      await add('a', 'b');
      await queue.pause();
      expect(await claim(2)).toEqual([]);
      await queue.resume();
      await queue.setGlobalConcurrency(1);
      const [a] = await claim(2);
      expect(a?.id).toBe('a');
      expect(await claim(2)).toEqual([]);
      await end({ id: 'a', token: a?.token ?? '' });
      expect(await claim(2)).toMatchObject([{ id: 'b' }]);
    });

    it('a key that is not what it should be is said so, and nothing is taken from the line', async () => {
      const { add, claim, queue, keys } = await both();
      await add('a', 'b');
      await redis.client.set(`${keys.prefix}active`, 'not ours');
      await expect(claim(2)).rejects.toThrow('WRONGTYPE');
      await redis.client.del(`${keys.prefix}active`);
      expect(await queue.getJobCounts('prioritized')).toEqual({ prioritized: 2 });
      expect(await claim(2)).toHaveLength(2);
    });

    it('leave no key behind but those of the queue itself', async () => {
      const { add, claim, end, keys } = await both();
      await add(...Array.from({ length: 20 }, (_, n) => `k-${n}`));
      const claims = await claim(20);
      expect(await end(...claims)).toEqual(claims.map(() => 1));
      const left = (await redis.client.keys('*')).map((key) => key.replace(keys.prefix, ''));
      expect(left.filter((key) => key !== 'stalled-check').sort()).toEqual([
        'events',
        'id',
        'marker',
        'meta',
        'pc',
      ]);
    });
  },
);
