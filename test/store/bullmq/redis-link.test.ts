import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { redisAddress } from '../../../src/store/bullmq/address.js';
import { RedisLink } from '../../../src/store/bullmq/redis-link.js';
import { hasRedis, NO_REDIS, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

describe('an address', () => {
  it.each([
    ['redis://127.0.0.1:6380/2', { host: '127.0.0.1', port: 6380, db: 2, tls: false }],
    ['rediss://pi.lan', { host: 'pi.lan', port: 6379, db: 0, tls: true, shown: 'rediss://pi.lan:6379/0' }],
    ['redis://[::1]:7000', { host: '::1', port: 7000, shown: 'redis://[::1]:7000/0' }],
  ])('%s is taken apart, and shown without user and password', (text, parts) => {
    const address = redisAddress(text, { DOGGED_REDIS_USERNAME: 'me', DOGGED_REDIS_PASSWORD: 'secret' });
    expect(address).toMatchObject({ ...parts, username: 'me', password: 'secret' });
    expect(address.shown).not.toMatch(/me|secret/);
  });
});

describe.skipIf(!hasRedis())(`the way to Redis${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  it('gives a call up after two seconds, refuses the next at once, and hears what was done after all', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const told: (string | null)[] = [];
    const link = new RedisLink({
      address: redisAddress(server.url, {}),
      clock: systemClock,
      onBack: () => undefined,
      onProblem: (problem) => told.push(problem),
      onWarning: () => undefined,
    });
    onTestFinished(() => link.close());
    await link.settled();
    server.freeze();
    let late: number | null = null;
    const asked = performance.now();
    await expect(
      link.call(
        () => link.client.incr('n'),
        (value) => {
          late = value;
        },
      ),
    ).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    expect(performance.now() - asked).toBeLessThan(3_000);
    const again = performance.now();
    await expect(link.call(() => link.client.incr('n'))).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    expect(performance.now() - again).toBeLessThan(50);
    server.thaw();
    await until(() => link.isUp);
    await until(() => late !== null);
    expect(late).toBe(1);
    expect(await link.call(() => link.client.get('n'))).toBe('1');
    expect(told).toEqual([null, 'no answer within 2 s', null]);
  });

  it('comes back after a Redis that was killed while it was frozen, and leaves no question without an answer', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const told: (string | null)[] = [];
    const link = new RedisLink({
      address: redisAddress(server.url, {}),
      clock: systemClock,
      callWithinMs: 200,
      onBack: () => undefined,
      onProblem: (problem) => told.push(problem),
      onWarning: () => undefined,
    });
    onTestFinished(() => link.close());
    await link.settled();
    server.freeze();
    await until(() => readFileSync(`/proc/${server.pid}/stat`, 'utf8').includes(') T '));
    // As BullMQ asks, which has no time limit of its own.
    const beside = link.client.ping().catch((error: Error) => error);
    await expect(link.call(() => link.client.ping())).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    // By now the link asks whether Redis is there again.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await server.kill();
    expect(await beside).toBeInstanceOf(Error);
    await server.start();
    await until(() => link.isUp);
    expect(await link.call(() => link.client.ping())).toBe('PONG');
    expect(told.at(0)).toBeNull();
    expect(told.at(-1)).toBeNull();
    expect(told.join()).not.toContain('max retries');
  });

  it.each([
    ['has no such database', 'redis://HERE/99', 'it has no database of this number'],
    [
      'speaks no TLS there',
      'rediss://HERE/0',
      'no connection by TLS came about (not reached yet); without TLS its address begins with redis://',
    ],
    ['is frozen from the beginning', 'redis://HERE/0', 'it takes the connection, but gives no answer'],
  ])('says that Redis %s', async (what, url, why) => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    if (what.includes('frozen')) server.freeze();
    const link = new RedisLink({
      address: redisAddress(url.replace('HERE', `127.0.0.1:${server.port}`), {}),
      clock: systemClock,
      callWithinMs: 5_000,
      onBack: () => undefined,
      onProblem: () => undefined,
      onWarning: () => undefined,
    });
    onTestFinished(() => link.close());
    await until(() => link.why === why, { describe: () => link.why });
    expect(link.isUp).toBe(false);
    await expect(link.call(() => link.client.set('n', 1))).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    server.thaw();
    expect(await server.client.dbsize()).toBe(0);
  });

  it('sees that Redis is set otherwise while it is used, and that it is mended', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    let passedMs = 0;
    const warnings: string[] = [];
    const link = new RedisLink({
      address: redisAddress(server.url, {}),
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs },
      onBack: () => undefined,
      onProblem: () => undefined,
      onWarning: (text) => warnings.push(text),
    });
    onTestFinished(() => link.close());
    await link.settled();
    const lookLater = async () => {
      passedMs += 10_000;
      await link.look();
      return link.unsafe;
    };
    expect(await lookLater()).toBeNull();
    await server.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await lookLater()).toContain('its maxmemory-policy is allkeys-lru');
    expect(link.isUp).toBe(true);
    await server.client.config('SET', 'maxmemory-policy', 'noeviction');
    expect(await lookLater()).toBeNull();
    // What is still so is told once.
    expect(warnings).toHaveLength(2);
  });
});
