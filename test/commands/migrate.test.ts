import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { nameThisProcess, writePidFile } from '../../src/heartbeat/pid-file.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { systemClock } from '../../src/platform/clock.js';
import { MoveDesk } from '../../src/store/move/desk.js';
import { openSqliteStore } from '../../src/store/sqlite/open.js';
import { keysOf, type MovingMachine, movingMachine } from '../store/move/moving-machine.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { type Bench, bench } from './in-process.js';

let redis: RedisServer;

interface Place extends Bench {
  readonly one: MovingMachine;
}

/** A bench beside a worker's store that follows the row of a move. */
async function place(jobs: number): Promise<Place> {
  const bed = bench();
  const one = await movingMachine({ folder: bed.stateFolder });
  writePidFile(stateFiles(bed.stateFolder).workerPid, nameThisProcess());
  await one.admit(keysOf(jobs));
  return { ...bed, one };
}

const home = { store: 'sqlite', chosenStore: null, move: null };
const ours = async () => (await redis.client.keys('dogged:*')).filter((key) => /:mirror:|:k-/.test(key));
const status = async (bed: Bench) => (await bed.json('migrate', '--status'))[0];

describe.skipIf(!hasRedis())(`dogged migrate${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis.stop());

  it('tells each step to programs, stops where it is told to, and goes on from there', async () => {
    const bed = await place(20);
    const [claim] = await bed.one.claim(1);
    const [plan] = await bed.json('migrate', '--to', redis.url, '--until', 'plan');
    expect(plan).toMatchObject({
      step: 'plan',
      source: 'sqlite',
      target: redis.url,
      jobs: { pending: 19, running: 1 },
      ready: 19,
      machines: [],
      hindrances: [],
      warnings: [],
    });
    expect(plan.needsBytes).toBeGreaterThan(20_000);
    expect(await status(bed)).toEqual(home);
    expect(await ours()).toEqual([]);

    const [, dual] = await bed.json('migrate', '--to', redis.url, '--until', 'dual');
    expect(dual).toEqual({ step: 'dual', done: true });
    expect(await status(bed)).toMatchObject({
      store: 'sqlite',
      move: { phase: 'dual', source: 'sqlite', target: redis.url, copyUntil: null, problem: null },
    });
    expect(await bed.json('migrate', '--until', 'copy')).toEqual([{ step: 'copy', done: true }]);
    expect((await status(bed)).move).toMatchObject({ copiedTo: 20, copyUntil: 20 });
    expect((await bed.run('migrate', '--status')).stdout).toMatch(
      /^Jobs move from sqlite to redis:\S+: sqlite runs the jobs, and all of them are mirrored · mirror: \d+ changes? behind/,
    );
    expect(await bed.json('migrate', '--until', 'verify')).toEqual([
      { step: 'verify', jobs: 20, divergent: 0 },
      { step: 'verify', done: true },
    ]);
    expect((await status(bed)).move).toMatchObject({ phase: 'dual', divergent: 0 });
    expect((await bed.run('migrate', '--until', 'dual')).stdout).toMatch(
      /^The move is past dual already: both sides were compared\. Go on with: dogged migrate\./,
    );
    expect(await bed.json('migrate', '--until', 'cutover')).toEqual([
      { step: 'verify', jobs: 20, divergent: 0 },
      { step: 'cutover', store: redis.url, before: 20, open: 20, ended: 0, compared: 19, wrong: [] },
      { step: 'cutover', done: true },
    ]);
    expect(await status(bed)).toMatchObject({
      store: redis.url,
      chosenStore: redis.url,
      move: { phase: 'moved' },
    });
    expect(await bed.json('migrate')).toEqual([
      { step: 'cutover', store: redis.url, before: null, open: 0, ended: 0, compared: 19, wrong: [] },
      { step: 'finish', done: true, store: redis.url, chosenStore: redis.url },
    ]);
    expect(await status(bed)).toEqual({ store: redis.url, chosenStore: redis.url, move: null });
    expect((await bed.run('check')).stdout).toContain(`write this line into it: store: ${redis.url}\n`);
    expect((await bed.run('migrate', '--to', redis.url)).stdout).toBe(
      `Nothing is to be moved: jobs run from ${redis.url}.\n`,
    );

    expect((await bed.json('migrate', '--to', 'sqlite', '--until', 'cutover')).slice(1)).toEqual([
      { step: 'cutover', store: 'sqlite', before: 20, open: 20, ended: 0, compared: 19, wrong: [] },
      { step: 'cutover', done: true },
    ]);
    expect(await ours()).toEqual([]);
    // The way home has no mirror, and nobody knows any more what was open before: both are said plainly.
    const { code, stdout } = await bed.run('migrate');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^cutover: done, but the open jobs were not held against those from before.*dogged audit$[\s\S]*^Done: jobs run from sqlite\./m,
    );
    expect(stdout).not.toContain('mirror');
    expect(await status(bed)).toEqual(home);
    if (claim !== undefined) expect((await bed.one.turn([claim])).ends).toEqual(['recorded']);
    await bed.one.work(async () => (await bed.one.store.counts()).total.completed === 20);
    expect(bed.one.runs.sort()).toEqual(
      keysOf(20)
        .map(({ key }) => `${key} 1`)
        .sort(),
    );
  }, 30_000);

  it('is taken back from each step, in both directions, with nothing left behind', async () => {
    const bed = await place(10);
    for (const step of ['dual', 'copy', 'verify', 'cutover']) {
      expect((await bed.run('migrate', '--to', redis.url, '--until', step)).code).toBe(0);
      expect(await bed.run('migrate', '--rollback')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('Done: jobs run from sqlite. The config says so already.'),
        stderr: '',
      });
      expect(await status(bed)).toEqual(home);
      expect(await ours()).toEqual([]);
    }
    expect((await bed.run('migrate', '--to', redis.url)).code).toBe(0);
    expect((await bed.run('migrate', '--to', 'sqlite', '--until', 'cutover')).code).toBe(0);
    expect(await bed.one.current()).toBe('sqlite');
    expect((await bed.run('migrate', '--rollback')).stdout).toContain(`Done: jobs run from ${redis.url}.`);
    expect(await status(bed)).toEqual({ store: redis.url, chosenStore: redis.url, move: null });
    await bed.one.work(async () => (await bed.one.store.counts()).total.completed === 10);
    expect(bed.one.runs).toHaveLength(10);
  }, 30_000);

  it('refuses what cannot be, and says what to do', async () => {
    const bed = await place(3);
    for (const [line, code, words] of [
      ['migrate', 64, /Say where the jobs are to go: --to STORE/],
      ['migrate --to postgres://x', 64, /The store must be sqlite, or an address/],
      ['migrate --to sqlite --until verify', 64, /no step verify on the way to SQLite/],
      ['migrate --status --rollback', 64, /--status goes alone: with no --to/],
      [`migrate --rollback --to ${redis.url}`, 64, /--rollback goes alone: with no --to/],
      [`migrate --to ${redis.url} --until there`, 64, /one of plan, dual, copy, verify, cutover, finish/],
      [
        'migrate --rollback',
        1,
        /Nothing is being moved: the jobs run from sqlite[\s\S]*go back from Redis: dogged migrate .*--to sqlite/,
      ],
      ['migrate --to redis://127.0.0.1:1/0', 69, /redis:\/\/127\.0\.0\.1:1\/0 is away: .*ECONNREFUSED/],
    ] as const) {
      expect(await bed.run(...line.split(' '))).toMatchObject({ code, stderr: expect.stringMatching(words) });
    }
    expect((await bed.run('migrate', '--to', redis.url, '--until', 'dual')).code).toBe(0);
    expect(await bed.run('migrate', '--to', 'sqlite')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /moving from sqlite to redis:.*already[\s\S]*dogged migrate .*--rollback/,
      ),
    });
    expect((await bed.run('migrate', '--rollback')).code).toBe(0);
    const nobody = await bench();
    expect(await nobody.run('migrate', '--to', redis.url)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('dogged start'),
    });
    const store = await nobody.store('command');
    await store.close();
    expect(await nobody.run('migrate', '--to', redis.url)).toMatchObject({
      code: 69,
      stdout: expect.stringContaining('From sqlite to redis:'),
      stderr: expect.stringMatching(/only a worker can move jobs[\s\S]*dogged start/),
    });
  }, 20_000);

  it('goes from one Redis to another by way of SQLite alone, and says so before it begins', async () => {
    const bed = await place(3);
    await bed.one.begin(redis.url, 'cutover');
    await bed.one.untilIn(redis.url);
    await bed.one.ask('moved', 'ending');
    await until(async () => (await bed.one.move()) === null);
    const byAnotherName = redis.url.replace('127.0.0.1', 'localhost');
    for (const target of ['redis://127.0.0.1:1/0', byAnotherName]) {
      for (const dryRun of [['--dry-run'], []]) {
        expect(await bed.run('migrate', '--to', target, ...dryRun)).toMatchObject({
          code: 1,
          stdout: '',
          stderr: expect.stringMatching(/the same by another name.*First: dogged migrate --to sqlite/),
        });
      }
    }
    const desk = new MoveDesk(await openSqliteStore(bed.stateFolder, 'command', systemClock), systemClock);
    onTestFinished(() => desk.close());
    await expect(desk.begin(byAnotherName)).rejects.toMatchObject({ code: 'MOVE_REFUSED' });
    expect((await status(bed)).move).toBeNull();

    // One that an older program has left is told of, and taken back.
    await bed.one.begin(byAnotherName, 'cutover', redis.url);
    const move = await until(async () => {
      const { move } = await status(bed);
      return move.problem === null ? null : move;
    });
    expect(move.problem).toMatch(/from one Redis to another.*dogged migrate --rollback/);
    expect((await bed.run('migrate', '--rollback')).code).toBe(0);
    expect(await status(bed)).toEqual({ store: redis.url, chosenStore: redis.url, move: null });
  }, 20_000);

  it('finds nothing left to do where the move that it met ends while it looks', async () => {
    const bed = await place(3);
    const { look } = MoveDesk.prototype;
    const there = [redis.url, 'sqlite'] as const;
    for (const [index, target] of there.entries()) {
      await bed.one.begin(target, 'cutover', there[1 - index]);
      await until(async () => (await bed.one.move())?.phase === 'moved');
      vi.spyOn(MoveDesk.prototype, 'look').mockImplementationOnce(async function (this: MoveDesk) {
        const seen = await look.call(this);
        await bed.one.ask('moved', 'ending');
        await until(async () => (await bed.one.move()) === null);
        return seen;
      });
      const named = target === 'sqlite' ? [] : ['--to', target];
      expect(await bed.run('migrate', ...named)).toMatchObject({
        code: 0,
        stdout: `Nothing is to be moved: jobs run from ${target}.\n`,
      });
      expect(await status(bed)).toMatchObject({ store: target, move: null });
    }
    const desk = new MoveDesk(await openSqliteStore(bed.stateFolder, 'command', systemClock), systemClock);
    onTestFinished(() => desk.close());
    await desk.begin('sqlite');
    expect(await bed.one.move()).toBeNull();
  });

  it('looks at Redis before it begins: its settings, its room, its rights, who else is there', async () => {
    const bed = await place(50);
    const config = async (name: string, value: string, back: string) => {
      await redis.client.config('SET', name, value);
      onTestFinished(async () => void (await redis.client.config('SET', name, back)));
    };
    const look = () => bed.run('migrate', '--to', redis.url, '--dry-run');

    await config('maxmemory-policy', 'allkeys-lru', 'noeviction');
    expect(await look()).toMatchObject({ code: 69, stderr: expect.stringContaining('allkeys-lru') });
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction');

    const used = Number(/used_memory:(\d+)/.exec(await redis.client.info('memory'))?.[1]);
    await config('maxmemory', String(used + 100_000), '0');
    expect(await look()).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/the move needs about \d+ KB more/),
      stderr: expect.stringMatching(/it has \d+ KB free.*CONFIG SET maxmemory/),
    });
    await redis.client.config('SET', 'maxmemory', '100kb');
    const { code, stdout, stderr } = await look();
    expect(code).toBe(1);
    const needed = /the move needs about (\d+ KB) more/.exec(stdout)?.[1];
    expect(stderr).toContain(`: it is full, and the move needs about ${needed}: give it more`);
    expect(stdout + stderr).not.toMatch(/may not do|OOM|is full[\s\S]*is full/);
    await redis.client.config('SET', 'maxmemory', '0');

    await config('appendonly', 'no', 'yes');
    expect(await look()).toMatchObject({ code: 0, stdout: expect.stringMatching(/⚠️ .*append-only file/) });

    await redis.client.hset('dogged:machines', 'x', JSON.stringify({ site: 'pi-garage', seenAtMs: 0 }));
    expect((await look()).stdout).toMatch(
      /machines {2}pi-garage \(seen .* ago\)[\s\S]*after the cutover there is no way back while other machines/,
    );

    await redis.client.call('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~other:*', '+@all');
    vi.stubEnv('DOGGED_REDIS_USERNAME', 'narrow');
    vi.stubEnv('DOGGED_REDIS_PASSWORD', 'secret');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await look()).toMatchObject({
      code: expect.toSatisfy((code) => code === 1 || code === 78),
      stderr: expect.stringMatching(/NOPERM|may not/),
    });
    vi.stubEnv('DOGGED_REDIS_PASSWORD', 'wrong');
    expect(await look()).toMatchObject({ code: 78, stderr: expect.stringMatching(/WRONGPASS/) });
    expect(await status(bed)).toEqual(home);
  }, 20_000);

  it('says what it waits for, and gives up waiting when it is told to; the worker goes on by itself', async () => {
    const bed = await place(5);
    expect((await bed.run('migrate', '--to', redis.url, '--until', 'verify')).code).toBe(0);
    // Another machine keeps a way back from being taken, and nothing is changed by asking for it.
    expect((await bed.run('migrate', '--until', 'cutover')).code).toBe(0);
    const seenAtMs = Date.now() - 65_000;
    await redis.client.hset('dogged:machines', 'x', JSON.stringify({ site: 'pi-garage', seenAtMs }));
    expect(await bed.run('migrate', '--rollback')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /cannot move from redis:\S+ to sqlite: other machines run .*pi-garage \(last seen .* ago\).*HDEL/,
      ),
    });
    expect((await status(bed)).move).toMatchObject({ phase: 'moved', problem: null });
    // One that comes when the way back has begun is waited for.
    await bed.one.ask('moved', 'return');
    expect(await bed.run('migrate', '--rollback', '--timeout', '2s')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^finish: other machines run .*: pi-garage\. Let.*\n.*did not come about within 2s/,
      ),
    });
    expect((await status(bed)).move).toMatchObject({
      phase: 'return',
      problem: expect.stringContaining('pi-garage'),
    });
    expect((await bed.run('status')).stdout).toMatch(/Move.*⚠️ for \S+: other machines run .*pi-garage/);
    await redis.client.hdel('dogged:machines', 'x');
    await until(async () => (await bed.one.move()) === null, { withinMs: 10_000 });
    expect(await status(bed)).toEqual(home);
  }, 20_000);
});
