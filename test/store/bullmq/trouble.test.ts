import { describe, expect, it, onTestFinished } from 'vitest';
import { hasRedis, NO_REDIS, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { ALLOWED, completed, keysOf, type Machine, machine } from './machine.js';

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];

async function redis(settings: readonly string[] = DURABLE) {
  const server = await startRedis(settings);
  onTestFinished(() => server.stop());
  return server;
}

/** Longest time for which the event loop stood still while `work` ran. */
async function longestStandstill(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  await work();
  clearInterval(timer);
  return longest;
}

/** Each key was begun, and none again after its end. */
function expectOnce(one: Machine, count: number): void {
  expect(new Set(one.runs.map((run) => run.split(' ')[0])).size).toBe(count);
  expect(one.runs).toHaveLength(count);
}

const attemptsOf = async (one: Machine) => {
  const jobs = await one.store.list({ limit: 10_000 });
  return jobs.map(({ place, attempts, charged, crashes }) => `${place} ${attempts} ${charged} ${crashes}`);
};

describe.skipIf(!hasRedis())(`a Redis in trouble${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  it('that is away when a worker starts takes its jobs once it is there; intake goes on meanwhile', async () => {
    const server = await redis();
    await server.kill();
    const one = await machine(server.url);
    await one.admit(keysOf(50));
    expect((await one.turn([], 10)).claims).toEqual([]);
    const { outbox, total } = await one.store.counts();
    expect(outbox).toMatchObject({ waiting: 50, address: server.url });
    expect(outbox?.problem).toMatch(/ECONNREFUSED/);
    expect(total.ready).toBe(50);
    await server.start();
    await one.work(completed(one, 50));
    expectOnce(one, 50);
    expect((await one.store.counts()).outbox).toMatchObject({
      waiting: 0,
      problem: null,
      problemSinceMs: null,
    });
  });

  it.each([
    ['frozen', async (server: Awaited<ReturnType<typeof redis>>) => server.freeze()],
    [
      'paused',
      async (server: Awaited<ReturnType<typeof redis>>) => {
        await server.client.client('PAUSE', 4_000);
      },
    ],
  ])(
    'that is %s holds up neither intake nor the loop, and what it did meanwhile is not lost',
    async (_, stop) => {
      const server = await redis();
      const one = await machine(server.url);
      await one.admit(keysOf(20));
      const running = await one.claim(5);
      await stop(server);
      const longest = await longestStandstill(async () => {
        // The first call finds out; no later one waits.
        await one.turn([], 10);
        const before = performance.now();
        await one.admit(keysOf(20, 'later'));
        await one.turn([], 10);
        expect(performance.now() - before).toBeLessThan(1_000);
      });
      expect(longest).toBeLessThan(500);
      expect((await one.store.counts()).outbox?.problem).toMatch(/no answer/);
      await expect(one.turn(running)).rejects.toMatchObject({ code: 'REDIS_AWAY' });
      server.thaw();
      // Told again, with the same tokens, until Redis has taken them.
      await until(() => one.turn(running).then(() => true));
      await one.work(completed(one, 40));
      expectOnce(one, 40);
      expect(new Set(await attemptsOf(one))).toEqual(new Set(['completed 1 0 0']));
    },
  );

  it('gives those who ask again the answer that they have not heard', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit(keysOf(10));
    const running = await one.claim(5);
    expect(running).toHaveLength(5);
    // Redis takes these ends once the caller has given up.
    await server.client.client('PAUSE', 3_000);
    await expect(one.turn(running)).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    const { ends } = await until(() => one.turn(running));
    expect(ends).toEqual(Array.from({ length: 5 }, () => 'recorded'));
    await one.work(completed(one, 10));
    expectOnce(one, 10);
    expect(new Set(await attemptsOf(one))).toEqual(new Set(['completed 1 0 0']));
  });

  it('that is killed and comes back with its file has every job, and takes the ends that were kept', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit(keysOf(30));
    const running = await one.claim(5);
    await server.kill();
    await expect(one.turn(running)).rejects.toMatchObject({ code: 'REDIS_AWAY' });
    await one.admit(keysOf(10, 'later'));
    await server.start();
    await until(() => one.turn(running).then(() => true));
    await one.work(completed(one, 40));
    expectOnce(one, 40);
  });

  it('that is emptied is sent all of it again, and what was running is stopped and runs again', async () => {
    const server = await redis();
    const one = await machine(server.url, { leaseMs: 1_500 });
    await one.admit(keysOf(30));
    const running = await one.claim(3);
    // What is new is held against Redis once; the next turn comes after that.
    await until(async () => (await server.client.keys('dogged:life:*')).length === 1);
    await one.turn();
    await server.client.flushall();
    const stopped = await until(async () => {
      const { cancelRequests } = await one.turn();
      return cancelRequests.length > 0 ? cancelRequests : null;
    });
    expect([...stopped].sort()).toEqual(running.map(({ id }) => id).sort());
    expect((await one.turn(running)).ends).toEqual(['lost', 'lost', 'lost']);
    await one.work(completed(one, 30));
    const again = one.runs.filter((run) => !run.endsWith(' 1')).map((run) => run.split(' ')[0]);
    expect(again.sort()).toEqual(running.map(({ key }) => key).sort());
    expect(one.runs).toHaveLength(33);
    expect((await one.store.counts()).total).toMatchObject({ completed: 30, ready: 0, running: 0 });
  });

  it('that is restarted without what it held is sent all of it again', async () => {
    const server = await redis(['--appendonly', 'no']);
    const one = await machine(server.url);
    await one.admit(keysOf(25));
    await until(async () => {
      await one.turn();
      return (await one.store.counts()).outbox?.waiting === 0;
    });
    expect(await server.client.keys('dogged:*:k-*')).toHaveLength(25);
    await server.kill();
    await server.start();
    await one.work(completed(one, 25));
    expectOnce(one, 25);
  });

  it('that is full in the middle of a batch keeps what it took, and gets the rest when it has room', async () => {
    const server = await redis();
    const one = await machine(server.url);
    const used = Number(/used_memory:(\d+)/.exec(await server.client.info('memory'))?.[1]);
    await server.client.config('SET', 'maxmemory', `${used + 400_000}`);
    const content = JSON.stringify('x'.repeat(4_000));
    await one.admit(keysOf(200).map((record) => ({ ...record, content })));
    await until(async () => {
      await one.turn();
      const { outbox } = await one.store.counts();
      return /full/.test(outbox?.problem ?? '') && (outbox?.waiting ?? 0) > 0;
    });
    const taken = (await server.client.keys('dogged:*:k-*')).length;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(200);
    await one.admit(keysOf(5, 'later'));
    await server.client.config('SET', 'maxmemory', '0');
    await one.work(completed(one, 205));
    expectOnce(one, 205);
    expect((await one.store.counts()).outbox?.problem).toBeNull();
  });

  it('that is full keeps the leases of what runs, takes its ends, and is worked off', async () => {
    const server = await redis();
    const one = await machine(server.url, { leaseMs: 1_000 });
    const content = JSON.stringify('x'.repeat(4_000));
    await one.admit(keysOf(150).map((record) => ({ ...record, content })));
    const running = await one.claim(3);
    await until(async () => {
      await one.turn();
      return (await one.store.counts()).outbox?.waiting === 0;
    });
    const used = Number(/used_memory:(\d+)/.exec(await server.client.info('memory'))?.[1]);
    await server.client.config('SET', 'maxmemory', `${used - 10_000}`);
    const endsAtMs = Date.now() + 2_500;
    await until(() => Date.now() > endsAtMs);
    expect((await one.turn(running)).ends).toEqual(['recorded', 'recorded', 'recorded']);
    await one.work(completed(one, 150));
    expectOnce(one, 150);
  });

  it('that lets us at nothing but our own keys is enough, and its password is shown nowhere', async () => {
    const server = await redis();
    const password = 'only-for-dogged';
    await server.client.acl('SETUSER', 'dogged', 'on', `>${password}`, ...ALLOWED);
    await server.client.acl('SETUSER', 'default', 'resetpass', '>for-us');
    process.env['DOGGED_REDIS_USERNAME'] = 'dogged';
    process.env['DOGGED_REDIS_PASSWORD'] = password;
    onTestFinished(() => {
      delete process.env['DOGGED_REDIS_USERNAME'];
      delete process.env['DOGGED_REDIS_PASSWORD'];
    });
    const one = await machine(server.url, { groupLimit: 1, fleetConcurrency: [{ task: 'build', limit: 2 }] });
    await one.admit(keysOf(10).map((record, n) => ({ ...record, group: n % 2 === 0 ? 'g' : null })));
    await one.work(completed(one, 10));
    expectOnce(one, 10);
    expect(one.problems.filter((problem) => problem !== null)).toEqual([]);

    process.env['DOGGED_REDIS_PASSWORD'] = 'wrong-secret';
    const other = await machine(server.url);
    await until(async () => /WRONGPASS/.test((await other.store.counts()).outbox?.problem ?? ''));
    const told = JSON.stringify([await other.store.counts(), other.problems]);
    expect(told).not.toMatch(/wrong-secret|only-for-dogged/);
    await other.close();

    delete process.env['DOGGED_REDIS_USERNAME'];
    delete process.env['DOGGED_REDIS_PASSWORD'];
    const nameless = await machine(server.url, { folder: other.folder });
    await until(async () =>
      /NOAUTH.*DOGGED_REDIS_PASSWORD/.test((await nameless.store.counts()).outbox?.problem ?? ''),
    );
    await nameless.close();

    process.env['DOGGED_REDIS_USERNAME'] = 'dogged';
    process.env['DOGGED_REDIS_PASSWORD'] = password;
    const right = await machine(server.url, { folder: other.folder });
    await until(async () => (await right.store.counts()).outbox?.problem === null);
    // Nobody was told that it is back: for this worker it was never away.
    expect(right.problems).toEqual([]);
  });

  it('that is part of a cluster is refused at the start', async () => {
    const server = await redis(['--cluster-enabled', 'yes']);
    await expect(machine(server.url)).rejects.toMatchObject({
      code: 'REDIS_UNSAFE',
      message: expect.stringContaining('it is a node of a cluster'),
    });
  });

  it('that evicts is refused at the start, with the command that mends it', async () => {
    const server = await redis(['--maxmemory-policy', 'allkeys-lru']);
    await expect(machine(server.url)).rejects.toMatchObject({
      code: 'REDIS_UNSAFE',
      message: expect.stringContaining('redis-cli CONFIG SET maxmemory-policy noeviction'),
    });
  });

  it('that is set so that it evicts under a running worker is given nothing more, and what it holds is run', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit(keysOf(2));
    const running = await one.claim(1);
    const set = async (policy: string) => {
      await server.client.config('SET', 'maxmemory-policy', policy);
      // A new connection is looked at, at once.
      await server.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    };
    await set('allkeys-lru');
    await until(() => one.problems.at(-1)?.includes('its maxmemory-policy is allkeys-lru') ?? false);
    await one.admit(keysOf(3, 'later'));
    expect((await one.turn(running)).ends).toEqual(['recorded']);
    await one.work(completed(one, 2));
    expect((await one.store.counts()).outbox).toMatchObject({ waiting: 3 });
    expect((await one.turn([], 5)).claims).toEqual([]);
    await set('noeviction');
    await one.work(completed(one, 5));
    expectOnce(one, 5);
    await until(() => one.problems.at(-1) === null);
  });

  it('takes an end once, also when it could not be written down here at first', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit([{ key: 'a' }]);
    const running = await one.claim();
    const { default: SqliteDatabase } = await import('better-sqlite3');
    const db = new SqliteDatabase(`${one.folder}/dogged.db`);
    db.exec("CREATE TRIGGER no BEFORE INSERT ON attempts BEGIN SELECT RAISE (ABORT, 'no room'); END");
    await expect(one.turn(running)).rejects.toThrow('no room');
    expect(await server.client.keys('dogged:*:k-*')).toEqual([]);
    db.exec('DROP TRIGGER no');
    db.close();
    expect((await one.turn(running)).ends).toEqual(['recorded']);
    expect((await one.store.counts()).total).toMatchObject({ completed: 1, running: 0 });
  });

  it('knows the ends of a call still for the next worker, when this one could never write them down', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit(keysOf(4));
    const running = await one.claim(3);
    expect(running).toHaveLength(3);
    const { default: SqliteDatabase } = await import('better-sqlite3');
    const db = new SqliteDatabase(`${one.folder}/dogged.db`);
    db.exec("CREATE TRIGGER no BEFORE INSERT ON attempts BEGIN SELECT RAISE (ABORT, 'no room'); END");
    await expect(one.turn(running, 5)).rejects.toThrow('no room');
    // It reads its mail meanwhile, in which it finds its own ends.
    const reads = async () =>
      Number(/cmdstat_xread:calls=(\d+)/.exec(await server.client.info('commandstats'))?.[1] ?? 0);
    const before = await reads();
    await until(async () => (await reads()) >= before + 3);
    expect(one.errors.splice(0).map(String)).toEqual([expect.stringContaining('no room')]);
    await one.close();
    db.exec('DROP TRIGGER no');
    db.close();
    const next = await machine(server.url, { folder: one.folder });
    expect(await next.store.orphans()).toEqual([]);
    expect((await next.store.counts()).total).toMatchObject({ completed: 3, running: 0 });
    await next.work(completed(next, 4));
    expect(next.runs).toEqual(['k3 1']);
  });

  it('that has forgotten our scripts is taught them again', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit(keysOf(6));
    const running = await one.claim(3);
    await server.client.script('FLUSH');
    expect((await one.turn(running)).ends).toEqual(['recorded', 'recorded', 'recorded']);
    await one.admit(keysOf(6, 'later'));
    await server.client.script('FLUSH');
    await one.work(completed(one, 12));
    expectOnce(one, 12);
    expect(one.problems.filter((problem) => problem !== null)).toEqual([]);
  });

  it('keeps the ends of a turn whose claims could not be written down, and gives those back as they were', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit([{ key: 'a' }, { key: 'b' }]);
    const running = await one.claim();
    const { default: SqliteDatabase } = await import('better-sqlite3');
    const db = new SqliteDatabase(`${one.folder}/dogged.db`);
    db.exec("CREATE TRIGGER no BEFORE UPDATE OF attempt ON jobs BEGIN SELECT RAISE (ABORT, 'no room'); END");
    expect(await one.turn(running, 5)).toMatchObject({ ends: ['recorded'], claims: [] });
    db.exec('DROP TRIGGER no');
    db.close();
    expect(one.errors.splice(0).map(String)).toEqual([expect.stringContaining('no room')]);
    expect(await one.claim()).toMatchObject([{ key: 'b', attempt: 1, crashes: 0 }]);
  });

  it('that holds a job after all, when nobody could tell, runs it once', async () => {
    const server = await redis();
    const one = await machine(server.url);
    await one.admit(keysOf(10));
    await until(async () => {
      await one.turn();
      return (await one.store.counts()).outbox?.waiting === 0;
    });
    await one.close();
    // As a worker leaves it that was killed between the sending and the writing down.
    const { default: SqliteDatabase } = await import('better-sqlite3');
    const db = new SqliteDatabase(`${one.folder}/dogged.db`);
    expect(db.prepare('UPDATE outbox SET state = 1').run().changes).toBe(10);
    db.close();
    const next = await machine(server.url, { folder: one.folder });
    await next.work(completed(next, 10));
    expectOnce(next, 10);
  });
});
