import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { jobNamed, jobsOf, leftIn, type Station, station, stored, titles } from './moving-station.js';

let redis: RedisServer;

/** Appends a record every few milliseconds until it is told to stop; resolves with what it has written. */
function writer(place: Station): () => Promise<string[]> {
  const written: string[] = [];
  let isOver = false;
  const work = (async () => {
    for (let n = 0; !isOver; n += 1) {
      place.write([`w${n}`]);
      written.push(`w${n}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return async () => {
    isOver = true;
    await work;
    return written;
  };
}

describe.skipIf(!hasRedis())(`dogged migrate${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis.stop());

  it('moves there and back while a writer keeps adding and jobs run: none is lost, none runs twice', async () => {
    const place = station();
    place.write(titles(100, 'before'));
    expect(place.run('start').status).toBe(0);
    const pid = place.workerPid();
    const addOnce = () => place.json('add', 'long', '--key', 'there')[0];
    expect(addOnce().result).toBe('queued');
    await until(() => place.ran().includes('there'));
    const stop = writer(place);

    const plan = place.run('migrate', '--to', redis.url, '--dry-run');
    expect(plan.stdout).toMatch(/dual[\s\S]*cutover[\s\S]*finish/);
    expect(place.json('migrate', '--status')[0]).toEqual({ store: 'sqlite', chosenStore: null, move: null });
    expect((await place.migrate('--to', redis.url, '--until', 'dual')).status).toBe(0);
    expect(addOnce()).toMatchObject({ result: 'duplicate', state: 'running' });
    const there = await place.migrate('--until', 'cutover');
    expect(there).toMatchObject({ status: 0, stderr: '' });
    expect(there.stdout).toMatch(
      /jobs? equal on both sides[\s\S]*none is gone, ids and payload hashes are equal/,
    );
    expect(stored(place)).toBe(redis.url);
    expect(addOnce()).toMatchObject({ result: 'duplicate', state: 'running' });
    writeFileSync(join(place.folder, 'end-there'), '');
    await until(() => jobNamed(place, 'there')?.state === 'completed');
    // Written once more, records are what they were.
    place.write(titles(20, 'before'));
    expect((await place.migrate()).stdout).toContain(`Write this line into the config: store: ${redis.url}`);
    expect(await redis.client.keys('dogged:mirror:*')).toEqual([]);
    expect(place.run('check').stdout).toContain(`store: ${redis.url}`);
    expect(place.run('status').stdout).toMatch(/Store.*write this line into it: store: redis/);
    expect(place.run('health', '--diagnose').stdout).toMatch(/Store.*write this line into it: store: redis/);

    expect(place.json('add', 'long', '--key', 'back')[0].result).toBe('queued');
    await until(() => place.ran().includes('back'), { withinMs: 20_000 });
    const back = await place.migrate('--to', 'sqlite');
    expect(back).toMatchObject({ status: 0, stderr: '' });
    expect(back.stdout).toMatch(
      /none is gone, ids and payload hashes are equal[\s\S]*The config says so already/,
    );
    expect(stored(place)).toBe('sqlite');
    expect(jobNamed(place, 'back').state).toBe('running');
    expect(place.json('add', 'long', '--key', 'back')[0].result).toBe('duplicate');
    writeFileSync(join(place.folder, 'end-back'), '');
    const written = await stop();
    await until(() => jobsOf(place).length === written.length + 102, { withinMs: 20_000, everyMs: 200 });
    expect((await place.runAside('drain', '--timeout', '40s')).status).toBe(0);
    const all = [...titles(100, 'before'), 'there', 'back', ...written].sort();
    expect(place.ran().sort()).toEqual(all);
    const jobs = jobsOf(place);
    expect(jobs.map(({ key, state, attempts }) => `${key} ${state} ${attempts}`).sort()).toEqual(
      all.map((key) => `${key} completed 1`),
    );
    expect(place.run('audit').status).toBe(0);
    expect(place.workerPid()).toBe(pid);
    expect(await leftIn(redis.client)).toEqual([]);
  }, 120_000);

  it('takes user and password from the environment alone, and says who lacks them', async () => {
    const secret = await startRedis(['--appendonly', 'yes']);
    onTestFinished(() => secret.stop());
    await secret.client.config('SET', 'requirepass', 'the-password');
    const place = station();
    const knowing = station({ DOGGED_REDIS_PASSWORD: 'the-password' }, place.folder);
    expect(place.run('start').status).toBe(0);
    const written = place.run('migrate', '--to', secret.url.replace('//', '//me:the-password@'));
    expect(written.status).toBe(64);
    expect(written.stderr).toContain('DOGGED_REDIS_PASSWORD in the environment');
    expect(written.stderr).not.toContain('the-password');
    const refused = place.run('migrate', '--to', secret.url);
    expect(refused).toMatchObject({
      status: 78,
      stderr: expect.stringMatching(/NOAUTH[\s\S]*DOGGED_REDIS_PASSWORD/),
    });
    // The worker does not know it: nobody waits for that for ever.
    expect(await knowing.migrate('--to', secret.url)).toMatchObject({
      status: 78,
      stderr: expect.stringMatching(
        /The move cannot go on: the worker cannot log in to Redis.*dogged restart\..*go on with: dogged migrate\n$/s,
      ),
    });
    expect(place.json('migrate', '--status')[0].move).toMatchObject({
      phase: 'dual',
      mirrorProblem: expect.stringContaining('NOAUTH'),
    });
    expect(knowing.run('restart').status).toBe(0);
    expect(await knowing.migrate()).toMatchObject({ status: 0 });
    expect(stored(place)).toBe(secret.url);
  }, 60_000);
});
