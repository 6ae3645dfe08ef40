import type { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DoggedError } from '../../../src/job/errors.js';
import { systemClock } from '../../../src/platform/clock.js';
import { redisAddress } from '../../../src/store/bullmq/address.js';
import { BULK_SCRIPTS } from '../../../src/store/bullmq/bulk-scripts.js';
import { Ends } from '../../../src/store/bullmq/ends.js';
import type { Ending } from '../../../src/store/bullmq/lease.js';
import { Queues } from '../../../src/store/bullmq/queues.js';
import { RedisLink } from '../../../src/store/bullmq/redis-link.js';
import type { ScriptName } from '../../../src/store/bullmq/scripts.js';
import { hasRedis, NO_REDIS, startRedis } from '../../support/redis-server.js';

const REPORT = {
  outcome: { kind: 'done', result: null },
  startedAtMs: 1,
  endedAtMs: 2,
  exitCode: 0,
  signal: null,
  stdout: null,
  stderr: null,
} as const;

async function ends() {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const quiet = { onBack: () => undefined, onProblem: () => undefined, onWarning: () => undefined };
  const address = redisAddress(server.url, {});
  const link = new RedisLink({ address, clock: systemClock, ...quiet });
  onTestFinished(() => link.close());
  link.define(BULK_SCRIPTS);
  await link.settled();
  const queues = new Queues(link, 30_000, 2);
  onTestFinished(() => queues.close());
  const queue = queues.get('default', 'build');
  let isDeaf = false;
  let hasUnwritten = false;
  /** What is asked is done, and nobody hears of it. */
  const deaf = {
    client: link.client,
    run: link.run.bind(link),
    script: (name: ScriptName, ...args: string[]) => deaf.call(() => link.run(name, args)),
    async call(work: () => Promise<unknown>) {
      const answer = await link.call(work);
      if (!isDeaf) return answer;
      isDeaf = false;
      throw new DoggedError('REDIS_AWAY', { address: 'here', detail: 'no answer' });
    },
  } as unknown as RedisLink;
  return {
    client: server.client,
    ends: new Ends({
      link: deaf,
      origin: 'o',
      site: 'here',
      mail: () => ({ hasReadTold: true, readTold: () => Promise.resolve(0) }),
      hasUnwritten: () => hasUnwritten,
    }),
    write: (isWritten: boolean) => {
      hasUnwritten = !isWritten;
    },
    missNext: () => {
      isDeaf = true;
    },
    async running(id: string): Promise<Ending> {
      await server.client.set(queue.keys.lock(id), `token-${id}`);
      await server.client.hset(queue.keys.job(id), 'data', '{}');
      await server.client.lpush(`${queue.keys.prefix}active`, id);
      const rest = { origin: 'o', group: null, attempt: 1, isShared: false };
      return { queue, redisId: id, token: `token-${id}`, ...rest };
    },
    /** What stands there for the next worker. */
    told: async () => Object.entries(await server.client.hgetall('dogged:told:o')),
  };
}

async function letters(client: Redis, origin: string): Promise<readonly (readonly string[])[]> {
  const found = await client.xrange(`dogged:ends:${origin}`, '-', '+');
  return found.map(([, fields]) =>
    fields.filter((_, n) => fields[n - 1] === 'm').map((text) => JSON.parse(text).id),
  );
}

describe.skipIf(!hasRedis())(
  `ends as Redis is told of them${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    it('are answered alike to one who did not hear it, whatever else was ended meanwhile, and told once', async () => {
      const { ends: its, client, missNext, running } = await ends();
      const told = (ending: Ending) => ({ ending, report: REPORT, next: { to: 'completed' } as const });
      const guest = async (id: string) => ({ ...(await running(id)), origin: 'other' });
      const [a, b, c, d] = [await guest('a'), await running('b'), await running('c'), await running('d')];
      missNext();
      await expect(its.tell([told(a), told(b)], 'o/1', 1)).rejects.toMatchObject({ code: 'REDIS_AWAY' });
      await its.drop([c]);
      await its.leave([told(d)], 'o/1/door', 1);
      expect(await its.tell([told(a), told(b)], 'o/1', 1)).toEqual(['recorded', 'recorded']);
      // By now it was heard, and nothing need be kept of it.
      expect(await its.tell([told(a), told(c)], 'o/1', 1)).toEqual(['lost', 'lost']);
      // Of its own the worker hears in the answer.
      expect(await letters(client, 'other')).toEqual([['a']]);
      expect(await letters(client, 'o')).toEqual([['d']]);
      expect(await client.exists('dogged:default.build:active', 'dogged:told:o')).toBe(0);
    });

    it('stand there with all that was said of them until they are written down, if they are of jobs of its own', async () => {
      const { ends: its, running, write, told: kept } = await ends();
      const told = (ending: Ending) => ({ ending, report: REPORT, next: { to: 'completed' } as const });
      const [a, b, c] = [await running('a'), await running('b'), await running('c')];
      expect(await its.tell([told(a)], 'o/1', 1)).toEqual(['recorded']);
      write(false);
      expect(await its.tell([told(b)], 'o/1', 1)).toEqual(['recorded']);
      const messages = (await kept()).map(([id, text]) => {
        const [token, ...rest] = text.split(' ');
        return [id, token, JSON.parse(rest.join(' ')).report];
      });
      expect(messages.sort()).toEqual([
        ['a', 'token-a', REPORT],
        ['b', 'token-b', REPORT],
      ]);
      write(true);
      await its.tell([told(c)], 'o/1', 1);
      expect((await kept()).map(([id]) => id)).toEqual(['c']);
    });

    it('of what was taken home count for whoever asks, until that is written down', async () => {
      const { ends: its, client, missNext, running } = await ends();
      const told = (ending: Ending) => ({ ending, report: REPORT, next: { to: 'completed' } as const });
      const [a, b] = [await running('a'), await running('b')];
      missNext();
      await expect(its.takeHome(a)).rejects.toMatchObject({ code: 'REDIS_AWAY' });
      expect(await its.takeHome(a)).toBe(true);
      expect(await its.takeHome({ ...b, token: 'of-another' })).toBe(false);
      expect(await client.lrange('dogged:default.build:active', 0, -1)).toEqual(['b']);
      // The next worker, which finds it in the books, and knows nothing of a move.
      expect(await its.tell([told(a)], 'o/2', 1)).toEqual(['recorded']);
      expect(await client.exists('dogged:ends:o')).toBe(0);
      await its.leaveHome();
      expect(await its.tell([told(a), told(b)], 'o/2', 1)).toEqual(['lost', 'recorded']);
    });
  },
);
