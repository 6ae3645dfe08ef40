import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { redisAddress } from '../../../src/store/bullmq/address.js';
import { type LinkOptions, RedisLink } from '../../../src/store/bullmq/redis-link.js';
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

function linkTo(url: string, options: Partial<LinkOptions> = {}): RedisLink {
  const quiet = { onBack: () => undefined, onProblem: () => undefined, onWarning: () => undefined };
  const link = new RedisLink({
    address: redisAddress(url, {}),
    clock: systemClock,
    ...quiet,
    ...options,
  });
  onTestFinished(() => link.close());
  return link;
}

describe.skipIf(!hasRedis())(`the way to Redis${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  it('gives a call up after two seconds, refuses the next at once, and hears what was done after all', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const told: (string | null)[] = [];
    const link = linkTo(server.url, { onProblem: (problem) => told.push(problem) });
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
    const next = vi.fn(() => link.client.incr('n'));
    await expect(link.call(next)).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    expect(next).not.toHaveBeenCalled();
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
    const link = linkTo(server.url, { callWithinMs: 200, onProblem: (problem) => told.push(problem) });
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

  it('does not know what became of a pipeline whose connection ended, and says so for all of it', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const link = linkTo(server.url, { callWithinMs: 20_000 });
    await link.settled();
    server.freeze();
    await until(() => readFileSync(`/proc/${server.pid}/stat`, 'utf8').includes(') T '));
    const answers = link.exec(link.client.pipeline().incr('n').incr('n'));
    const asked = expect(answers).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    await server.kill();
    await asked;
    await server.start();
    await until(() => link.isUp);
    const [done, refused] = await link.exec(link.client.pipeline().incr('n').lpop('n'));
    expect(done).toEqual([null, 1]);
    expect(String(refused?.[0])).toContain('WRONGTYPE');
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
    const link = linkTo(url.replace('HERE', `127.0.0.1:${server.port}`), { callWithinMs: 5_000 });
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
    const link = linkTo(server.url, {
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs },
      onWarning: (text) => warnings.push(text),
    });
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
