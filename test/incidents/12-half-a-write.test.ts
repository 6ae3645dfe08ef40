import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Workplace, workplace } from '../support/dogged.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/** A job as two hashes and an entry in a list, each a call of its own, as it was. */
class ThreeCalls {
  readonly #redis: Redis;
  /** The call that fails; null for none. */
  failsAt: number | null = null;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async add(id: string): Promise<void> {
    const calls = [
      () => this.#redis.hset(`old:job:${id}`, 'payload', '{}'),
      () => this.#redis.hset(`old:status:${id}`, 'state', 'queued'),
      () => this.#redis.lpush('old:queue', id),
    ];
    for (const [n, call] of calls.entries()) {
      if (n === this.failsAt) throw new Error('connection lost');
      await call();
    }
  }

  /** The clean-up after a failure missed a key. */
  cleanUp(id: string): Promise<number> {
    return this.#redis.del(`old:job:${id}`);
  }
}

let redis: RedisServer;

describe.skipIf(!hasRedis())(`half a write${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis.stop());

  it('with the old logic leaves a job that says it is queued, and that nobody will ever run', async () => {
    const old = new ThreeCalls(redis.client);
    old.failsAt = 2;
    await expect(old.add('7')).rejects.toThrow('connection lost');
    await old.cleanUp('7');
    expect(await redis.client.llen('old:queue')).toBe(0);
    expect(await redis.client.hget('old:status:7', 'state')).toBe('queued');
  });

  // How often each job may have been run: at least once, and again only where its run was cut off.
  it.each([
    ['before they are sent', 'relay.before-add', 1, 1, '1s'],
    ['once Redis has them', 'relay.after-add', 1, 1, '1s'],
    // Nobody had heard of those claims: the next worker waits for no lease, and counts no death.
    [
      'once Redis has given all in one call, and nothing of it is written down',
      'remote.after-claim',
      3,
      1,
      '10m',
    ],
    ['once they are written down, and none of them is begun', 'remote.after-commit', 3, 1, '1s'],
    ['once Redis knows an end, and nothing of it is written down', 'remote.after-end', 1, 1, '1s'],
  ])(
    'of a worker that is killed %s leaves none that is lost, and none that runs twice',
    async (_, failpoint, slots, most, lease) => {
      const folder = tempFolder();
      const at = (name: string) => join(folder, name);
      const keys = Array.from({ length: 3 }, (_, n) => `k${n}`);
      writeFileSync(
        at('dogged.config.yaml'),
        `
store: ${redis.url}
lease: ${lease}
poll: 50ms
slots: ${slots}
sources: { notes: { log: ./notes.ndjson, key: title, task: note } }
tasks: { note: { run: [sh, -c, 'echo "$DOGGED_KEY" >> ran'] } }
`,
      );
      writeFileSync(at('notes.ndjson'), keys.map((title) => `${JSON.stringify({ title })}\n`).join(''));
      const quiet = { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined };
      const dying: Workplace = workplace(folder, { ...quiet, DOGGED_FAILPOINT: failpoint });
      const killed = await dying.runAside('worker', '--until-idle');
      expect(killed.stderr).toContain(`failpoint ${failpoint}`);

      const place = workplace(folder, quiet);
      expect((await place.runAside('worker', '--until-idle')).status).toBe(0);
      // What Redis still holds of it goes by the next worker, once its lease is over.
      expect(place.run('start').status).toBe(0);
      await until(async () => (await redis.client.keys('dogged:*:k-*')).length === 0);
      const jobs = place.json('jobs');
      expect(jobs.map(({ key, state }) => `${key} ${state}`).sort()).toEqual(
        keys.map((key) => `${key} completed`),
      );
      if (failpoint === 'remote.after-claim')
        expect(jobs.map(({ attempts }) => attempts)).toEqual(keys.map(() => 1));
      const ran = existsSync(at('ran')) ? readFileSync(at('ran'), 'utf8').trim().split('\n') : [];
      expect([...new Set(ran)].sort()).toEqual(keys);
      for (const key of keys) expect(ran.filter((one) => one === key).length).toBeLessThanOrEqual(most);
      expect(place.run('audit').status).toBe(0);
    },
  );
});
