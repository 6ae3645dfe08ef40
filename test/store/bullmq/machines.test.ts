import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../../src/store/contract.js';
import { end, retryAt } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { ALLOWED, completed, keysOf, type Machine, machine } from './machine.js';

let redis: RedisServer;

const isSent = (one: Machine) => async () => {
  await one.turn();
  return (await one.store.counts()).outbox?.waiting === 0;
};
const jobNamed = async (one: Machine, key: string) => {
  const [summary] = (await one.store.list({ limit: 1_000 })).filter((job) => job.key === key);
  return summary === undefined ? null : one.store.get(null, summary.id);
};

describe.skipIf(!hasRedis())(
  `machines that share a Redis${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    // As a user that is let at nothing but our own keys: whatever is done here, that one may do.
    beforeAll(async () => {
      redis = await startRedis(['--appendonly', 'yes']);
      await redis.client.acl('SETUSER', 'dogged', 'on', '>only-for-dogged', ...ALLOWED);
      await redis.client.acl('SETUSER', 'default', 'resetpass', '>for-us');
      process.env['DOGGED_REDIS_USERNAME'] = 'dogged';
      process.env['DOGGED_REDIS_PASSWORD'] = 'only-for-dogged';
    });
    afterEach(async () => {
      const refused = (await redis.client.acl('LOG')) as unknown as unknown[][];
      // It asks how the file is flushed, to warn where it may know.
      expect(refused.map((entry) => entry[entry.indexOf('object') + 1])).toEqual(
        refused.map(() => 'config|get'),
      );
    });
    afterAll(() => {
      delete process.env['DOGGED_REDIS_USERNAME'];
      delete process.env['DOGGED_REDIS_PASSWORD'];
    });
    beforeEach(async () => {
      await redis.client.flushall();
    });
    afterAll(() => redis.stop());

    it('run each other’s jobs, and the one that owns a job knows how it ended, by whom, and what it printed', async () => {
      const [home, away] = [
        await machine(redis.url, { site: 'home' }),
        await machine(redis.url, { site: 'away' }),
      ];
      await home.admit([{ key: 'a', content: '{"n":1.0}' }]);
      await until(isSent(home));
      const [claim] = await away.claim();
      expect(claim).toMatchObject({ key: 'a', attempt: 1, source: 'ideas', task: 'build' });
      expect(claim?.id).toMatch(/^k-[0-9a-f]{64}$/);
      expect(claim?.payload.bytes.toString()).toBe('{"n":1.0}');
      await until(async () => (await jobNamed(home, 'a'))?.place === 'running');
      expect((await home.store.counts()).outbox).toMatchObject({ elsewhere: 1 });
      expect((await away.turn([claim as Claim])).ends).toEqual(['recorded']);
      const done = await until(async () => {
        const job = await jobNamed(home, 'a');
        return job?.place === 'completed' ? job : null;
      });
      expect(done).toMatchObject({
        attempts: 1,
        history: [
          { kind: 'event', event: 'taken', detail: 'by away, attempt 1' },
          { kind: 'attempt', attempt: 1, outcome: 'done' },
        ],
      });
      expect((await away.store.counts()).total.completed).toBe(0);
      expect((await home.admit([{ key: 'a', content: '{"n":1.0}' }]))[0]?.result).toBe('already-done');
    });

    it('know which others are there, by their sites', async () => {
      const away = await machine(redis.url, { site: 'away' });
      await until(async () => (await redis.client.hlen('dogged:machines')) === 1);
      expect((await away.store.counts()).outbox?.machines).toEqual([]);
      const home = await machine(redis.url, { site: 'home' });
      const seen = await until(async () => {
        const { machines = [] } = (await home.store.counts()).outbox ?? {};
        return machines.length === 0 ? null : machines;
      });
      expect(seen.map(({ site }) => site)).toEqual(['away']);
      expect(seen[0]?.seenMsAgo).toBeGreaterThanOrEqual(0);
    });

    it('settle what others ended while the owner was off, once it is back, each of it once', async () => {
      const home = await machine(redis.url, { site: 'home' });
      await home.admit(keysOf(20));
      await until(isSent(home));
      await home.close();
      const away = await machine(redis.url, { site: 'away' });
      await away.work(() => away.runs.length === 20);
      const back = await machine(redis.url, { site: 'home', folder: home.folder });
      await until(completed(back, 20));
      await back.turn([], 10);
      expect(back.runs).toEqual([]);
      expect(away.runs).toHaveLength(20);
      const jobs = await back.store.list({ limit: 99 });
      expect(new Set(jobs.map(({ attempts }) => attempts))).toEqual(new Set([1]));
      // When it was taken, not when its owner heard of that.
      const [taken, attempt] = (await back.store.get(null, jobs[0]?.id ?? ''))?.history ?? [];
      expect(taken).toMatchObject({ kind: 'event', event: 'taken', atMs: attempt?.atMs });
      await back.close();
      // Read twice, nothing more comes of it.
      const again = await machine(redis.url, { site: 'home', folder: home.folder });
      await again.turn([], 10);
      expect((await again.store.counts()).total).toMatchObject({ completed: 20, ready: 0, running: 0 });
    });

    it('make one dead letter of a job that fails everywhere, with each machine’s attempt in its history', async () => {
      const [home, away] = [
        await machine(redis.url, { site: 'home' }),
        await machine(redis.url, { site: 'away' }),
      ];
      await home.admit([{ key: 'a' }]);
      const first = await home.claim();
      await home.turn(first, 0, retryAt(Date.now()));
      await until(isSent(home));
      const second = await away.claim();
      expect(second[0]).toMatchObject({ attempt: 2, charged: 1 });
      await away.turn(second, 0, retryAt(Date.now()));
      await until(async () => (await jobNamed(home, 'a'))?.place === 'ready');
      await until(isSent(home));
      const third = await away.claim();
      expect(third[0]).toMatchObject({ attempt: 3, charged: 2 });
      await away.turn(third, 0, { to: 'failed', reason: 'budget used up' });
      await until(async () => (await home.store.counts()).total.failed === 1);
      const letters = await home.store.list({ states: ['failed'], limit: 9 });
      expect(letters).toMatchObject([{ key: 'a', attempts: 3, charged: 3, reason: 'budget used up' }]);
      const attempts = (await jobNamed(home, 'a'))?.history.filter(({ kind }) => kind === 'attempt');
      expect(attempts).toMatchObject([
        { attempt: 1, outcome: 'failed' },
        { attempt: 2, outcome: 'failed' },
        { attempt: 3, outcome: 'failed' },
      ]);
    });

    it('keep the limit of a group together, and none of its jobs is forgotten', async () => {
      const machines = [
        await machine(redis.url, { site: 'a', groupLimit: 2 }),
        await machine(redis.url, { site: 'b', groupLimit: 2 }),
      ];
      for (const [n, one] of machines.entries()) {
        await one.admit(keysOf(8, `m${n}-`).map((record) => ({ ...record, group: 'g' })));
      }
      const running = new Map<Machine, readonly Claim[]>(machines.map((one) => [one, []]));
      let most = 0;
      await until(
        async () => {
          for (const one of machines) {
            const now = running.get(one) ?? [];
            const { claims } = await one.turn(now.slice(0, 1), 10);
            running.set(one, [...now.slice(1), ...claims]);
            most = Math.max(most, [...running.values()].flat().length);
          }
          const done = await Promise.all(machines.map((one) => completed(one, 8)()));
          return done.every((isDone) => isDone);
        },
        { withinMs: 30_000 },
      );
      expect(most).toBe(2);
      expect(machines.flatMap(({ runs }) => runs)).toHaveLength(16);
    });

    it('keep the concurrency of a task together', async () => {
      const fleetConcurrency = [{ task: 'slow', limit: 3 }];
      const machines = [
        await machine(redis.url, { site: 'a', fleetConcurrency }),
        await machine(redis.url, { site: 'b', fleetConcurrency }),
      ];
      for (const [n, one] of machines.entries()) {
        await one.admit(keysOf(5, `m${n}-`).map((record) => ({ ...record, task: 'slow' })));
        await until(isSent(one));
      }
      const [a, b] = machines as [Machine, Machine];
      const first = await a.claim(2);
      const second = await b.claim(10);
      expect(first.length + second.length).toBe(3);
      expect((await a.turn([], 10)).claims).toEqual([]);
      const { claims } = await b.turn(second, 10);
      expect(claims).toHaveLength(second.length);
    });

    it('take jobs of a task in the order of their rank, whoever sent them', async () => {
      const [a, b] = [await machine(redis.url, { site: 'a' }), await machine(redis.url, { site: 'b' })];
      const nowMs = Date.now();
      await a.admit([
        { key: 'plain', runAtMs: nowMs - 5 },
        { key: 'low', runAtMs: nowMs, priority: -5 },
        { key: 'older', runAtMs: nowMs - 9 },
      ]);
      await b.admit([
        { key: 'high', runAtMs: nowMs, priority: 5 },
        { key: 'between', runAtMs: nowMs - 7 },
      ]);
      await until(isSent(a));
      await until(isSent(b));
      const order: (string | undefined)[] = [];
      for (const one of [a, b, a, b, a]) order.push((await one.turn([], 1)).claims[0]?.key);
      expect(order).toEqual(['high', 'older', 'between', 'plain', 'low']);
    });

    it('take over what a machine ran that gives no sign of life, whose end does not count any more', async () => {
      const home = await machine(redis.url, { site: 'home', leaseMs: 1_000 });
      await home.admit([{ key: 'a' }]);
      await until(isSent(home));
      const away = await machine(redis.url, { site: 'away', leaseMs: 1_000 });
      const claims = await away.claim();
      const silentSince = performance.now();
      await away.close();
      const [taken] = await home.claim();
      // The lease and two checks of half a lease each, and what this machine is busy with.
      expect(performance.now() - silentSince).toBeLessThan(2_000 + 1_500);
      expect(taken).toMatchObject({ key: 'a', attempt: 2, crashes: 1, charged: 0 });

      const back = await machine(redis.url, { site: 'away', leaseMs: 1_000, folder: away.folder });
      const orphans = await back.store.orphans();
      expect(orphans.map(({ claim }) => [claim.key, claim.attempt])).toEqual([['a', 1]]);
      const late = claims.map((claim) => ({
        claim,
        report: {
          outcome: { kind: 'done', result: null } as const,
          startedAtMs: 1,
          endedAtMs: 2,
          exitCode: 0,
          signal: null,
          stdout: null,
          stderr: null,
        },
        next: { to: 'completed' } as const,
      }));
      expect(await back.store.rescue(late, Date.now())).toEqual(['lost']);
      expect(await back.store.orphans()).toEqual([]);

      await home.turn([taken as Claim]);
      const job = await jobNamed(home, 'a');
      expect(job?.history).toMatchObject([
        { kind: 'event', event: 'taken' },
        { kind: 'attempt', attempt: 1, outcome: 'crashed' },
        { kind: 'attempt', attempt: 2, outcome: 'done' },
      ]);
    });

    it('run nothing again whose end had come to Redis when its machine died, though that had not heard of it', async () => {
      const home = await machine(redis.url, { site: 'home' });
      await home.admit([{ key: 'a' }]);
      await until(isSent(home));
      const away = await machine(redis.url, { site: 'away' });
      const [claim] = await away.claim();
      const ended = {
        claim: claim as Claim,
        report: end(claim as Claim).report,
        next: { to: 'completed' },
      } as const;
      // Nothing of it can be written down there.
      const { default: SqliteDatabase } = await import('better-sqlite3');
      const db = new SqliteDatabase(`${away.folder}/dogged.db`);
      db.exec("CREATE TRIGGER no BEFORE DELETE ON foreign_claims BEGIN SELECT RAISE (ABORT, 'no room'); END");
      await expect(away.turn([ended.claim])).rejects.toThrow('no room');
      await away.close();
      db.exec('DROP TRIGGER no');
      db.close();
      const next = await machine(redis.url, { site: 'away', folder: away.folder });
      const orphans = await next.store.orphans();
      expect(orphans.map((orphan) => orphan.claim.key)).toEqual(['a']);
      expect(await next.store.rescue([ended], Date.now())).toEqual(['lost']);
      expect(await next.store.orphans()).toEqual([]);
      await home.work(completed(home, 1));
      expect([home.runs, next.runs]).toEqual([[], []]);
    });

    it('make a dead letter of a job under which machine after machine dies', async () => {
      const options = { leaseMs: 1_000, poisonAfter: 2 };
      const home = await machine(redis.url, { site: 'home', ...options });
      await home.admit([{ key: 'a' }]);
      await until(isSent(home));
      for (let deaths = 0; deaths < 2; deaths += 1) {
        const away = await machine(redis.url, { site: `away-${deaths}`, ...options });
        const [claim] = await away.claim();
        expect(claim?.crashes).toBe(deaths);
        await away.close();
      }
      await until(
        async () => {
          await home.turn([], 1);
          return (await home.store.counts()).total.failed === 1;
        },
        { withinMs: 15_000 },
      );
      expect(home.runs).toEqual([]);
      expect(await jobNamed(home, 'a')).toMatchObject({ reason: 'poison: 2 machines died while it ran' });
    });

    it('stop a job at another machine when its owner cancels it, and take one back that waits there', async () => {
      const [home, away] = [
        await machine(redis.url, { site: 'home' }),
        await machine(redis.url, { site: 'away' }),
      ];
      const [a, b] = await home.admit([{ key: 'a', priority: 9 }, { key: 'b' }]);
      await until(isSent(home));
      const [claim] = await away.claim();
      expect(claim?.key).toBe('a');
      await until(async () => (await jobNamed(home, 'a'))?.place === 'running');
      const ids = [a?.id ?? '', b?.id ?? ''];
      expect(await home.store.cancel('default', ids, Date.now())).toEqual(['requested', 'cancelled']);
      const told = await until(async () => {
        const { cancelRequests } = await away.turn();
        return cancelRequests.length > 0 ? cancelRequests : null;
      });
      expect(told).toEqual([claim?.id]);
      await away.turn([claim as Claim], 0, { to: 'cancelled', reason: 'cancelled while it ran' });
      await until(async () => (await home.store.counts()).total.cancelled === 2);
      expect((await away.turn([], 10)).claims).toEqual([]);
    });

    it('never run an older version beside a newer one', async () => {
      const [home, away] = [
        await machine(redis.url, { site: 'home' }),
        await machine(redis.url, { site: 'away' }),
      ];
      const version = (content: string) => [{ key: 'a', content, onChange: 'rerun' as const }];
      await home.admit(version('1'));
      await until(isSent(home));
      expect((await home.admit(version('2')))[0]?.result).toBe('superseded');
      await until(isSent(home));
      const [claim] = await away.claim();
      expect(claim?.payload.bytes.toString()).toBe('2');
      expect((await home.admit(version('3')))[0]?.result).toBe('queued');
      expect((await away.turn([], 10)).claims).toEqual([]);
      await away.turn([claim as Claim]);
      const [newest] = await away.claim();
      expect(newest?.payload.bytes.toString()).toBe('3');
      await away.turn([newest as Claim]);
      await until(completed(home, 2));
      expect(away.runs).toHaveLength(2);
    });

    it('are told when they go by one name, and both their records are run all the same', async () => {
      const one = await machine(redis.url, { site: 'raspberrypi', reconcileMs: 1_000 });
      await one.admit([{ key: 'same' }]);
      await until(isSent(one));
      const other = await machine(redis.url, { site: 'raspberrypi', reconcileMs: 1_000 });
      await other.admit([{ key: 'same' }]);
      await until(() =>
        other.warnings.some((text) => text.includes('another machine goes by site "raspberrypi"')),
      );
      await one.work(completed(one, 1));
      await other.work(completed(other, 1));
      expect([...one.runs, ...other.runs]).toEqual(['same 1', 'same 1']);
      expect(one.warnings.filter((text) => text.includes('another machine'))).toEqual([]);
    });

    it('hold equal records of a source that they share for one job, which both know to have ended', async () => {
      const sharedSources = ['ideas'];
      const [a, b] = [
        await machine(redis.url, { site: 'a', sharedSources }),
        await machine(redis.url, { site: 'b', sharedSources }),
      ];
      await a.admit(keysOf(10));
      await b.admit(keysOf(10));
      await until(isSent(a));
      await until(isSent(b));
      const [failing] = await a.claim(1);
      await a.turn([failing as Claim], 0, retryAt(Date.now()));
      await b.work(completed(b, 10));
      await a.work(completed(a, 10));
      const runs = [...a.runs, ...b.runs];
      expect(new Set(runs).size).toBe(runs.length);
      expect(runs).toHaveLength(11);
      // One that comes to it later finds it done, and runs nothing.
      const late = await machine(redis.url, { site: 'late', sharedSources });
      await late.admit(keysOf(10));
      await late.work(completed(late, 10));
      expect(late.runs).toEqual([]);
      expect(await redis.client.keys('dogged:*:owners')).toEqual([]);
    });

    it('hold equal records of two machines for two jobs', async () => {
      const [a, b] = [await machine(redis.url, { site: 'a' }), await machine(redis.url, { site: 'b' })];
      await a.admit([{ key: 'same' }]);
      await b.admit([{ key: 'same' }]);
      await until(isSent(a));
      await until(isSent(b));
      await a.work(() => a.runs.length === 2);
      await until(completed(a, 1));
      await until(completed(b, 1));
    });
  },
);
