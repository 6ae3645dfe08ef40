import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

let redis: RedisServer;

/** A `long` job ends once there is a file of its name. */
const LONG = 'echo "$DOGGED_KEY" >> ran; while [ ! -e "end-$DOGGED_KEY" ]; do sleep 0.05; done';
const NOTE = 'read line; echo "$DOGGED_KEY" >> ran; sleep 0.02';

interface Station extends Workplace {
  /** One line for each run of a handler. */
  readonly ran: () => string[];
  /** A worker in the foreground. */
  readonly worker: (environment?: NodeJS.ProcessEnv) => ChildProcess;
  readonly write: (titles: readonly string[]) => void;
  /** `migrate` until its end, in a process that does not block this one. */
  readonly migrate: (...args: string[]) => Promise<{ status: number | null; stdout: string; stderr: string }>;
}

function station(environment: NodeJS.ProcessEnv = {}, folder = tempFolder()): Station {
  writeFileSync(
    join(folder, 'dogged.config.yaml'),
    `
poll: 50ms
heartbeat: 200ms
slots: 4
health: { poisonAfter: 50 }
shutdownGrace: 100ms
lease: 2s
sources: { notes: { log: ./notes.ndjson, key: title, task: note } }
tasks:
  note: { run: [sh, -c, ${JSON.stringify(NOTE)}], killGrace: 100ms }
  long: { run: [sh, -c, ${JSON.stringify(LONG)}], killGrace: 100ms, retry: { backoff: 10ms..20ms } }
`,
  );
  writeFileSync(join(folder, 'notes.ndjson'), '');
  const place = workplace(folder, { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined, ...environment });
  const children: ChildProcess[] = [];
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  return {
    ...place,
    ran: () => {
      const file = join(folder, 'ran');
      return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    },
    worker: (more = {}) => {
      const child = spawn(process.execPath, [builtCli(), 'worker'], {
        cwd: folder,
        stdio: 'ignore',
        env: { ...process.env, ...environment, ...more },
      });
      children.push(child);
      return child;
    },
    write: (titles) =>
      appendFileSync(
        join(folder, 'notes.ndjson'),
        titles.map((title) => `${JSON.stringify({ title })}\n`).join(''),
      ),
    migrate: (...args) => place.runAside('migrate', '--timeout', '50s', ...args),
  };
}

const titles = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const isUp = (place: Station) => until(() => place.json('status')[0]?.verdict === 'running');
const stored = (place: Station): string => place.json('migrate', '--status')[0].store;
// biome-ignore lint/suspicious/noExplicitAny: the shapes are what these tests look into
const jobsOf = (place: Station): any[] => place.json('jobs', '--limit', '5000');
const jobNamed = (place: Station, key: string) => jobsOf(place).find((job) => job.key === key);
const hasDied = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;
/** Jobs, leases and records of a mirror. */
const leftInRedis = async () =>
  (await redis.client.keys('dogged:*')).filter((key) => /:k-|:mirror:|:(ends|life|machines)/.test(key));
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
    expect(await leftInRedis()).toEqual([]);
  }, 120_000);

  it('goes on wherever its worker was killed, in both directions', async () => {
    const place = station();
    const ended = (one: ChildProcess, point = 'it') =>
      until(() => hasDied(one), {
        withinMs: 20_000,
        describe: () =>
          `${point} is alive: ${place.run('migrate', '--status').stdout} ${place.run('status').stdout}`,
      });
    const runs = () => place.ran().filter((key) => key === 'long').length;
    let child = place.worker();
    await isUp(place);
    // So that there is something to move until the end.
    expect(place.run('pause', 'note').status).toBe(0);
    place.write(titles(40, 'n'));
    await until(() => jobsOf(place).length === 40);
    expect(place.json('add', 'long', '--key', 'long')[0].result).toBe('queued');
    await until(() => runs() === 1);

    const written: string[] = [];
    const moveTo = async (target: string, points: readonly string[]) => {
      let moving: ReturnType<Station['migrate']> | null = null;
      for (const point of [...points, null]) {
        child.kill('SIGKILL');
        await ended(child);
        const before = runs();
        child = place.worker(point === null ? {} : { DOGGED_FAILPOINT: point });
        // The one long job is taken up by each worker: it is to be there when the jobs are called home.
        if (moving === null || point?.startsWith('home'))
          await until(() => runs() > before || hasDied(child));
        if (moving === null) {
          await isUp(place);
          moving = place.migrate('--to', target);
        }
        written.push(`m${written.length}`);
        place.write(written.slice(-1));
        if (point === null) break;
        await ended(child, point);
        expect(`${point} ${child.signalCode}`).toBe(`${point} SIGKILL`);
      }
      expect(await moving).toMatchObject({ status: 0 });
      expect(stored(place)).toBe(target);
    };
    await moveTo(redis.url, [
      'mirror.before-send',
      'mirror.after-send',
      'cutover.before-commit',
      'cutover.after-page',
      'relay.after-add',
      'move.before-drop',
    ]);
    await moveTo('sqlite', [
      'home.after-recall',
      'home.after-mark',
      'home.after-attempt',
      'home.before-commit',
      'home.after-commit',
    ]);
    await moveTo(redis.url, ['cutover.after-commit']);
    writeFileSync(join(place.folder, 'end-long'), '');
    expect(place.run('resume', 'note').status).toBe(0);
    await until(() => jobsOf(place).length === 41 + written.length);
    expect((await place.runAside('drain', '--all', '--timeout', '40s')).status).toBe(0);
    expect(jobsOf(place).filter(({ state }) => state !== 'completed')).toEqual([]);
    const notes = place.ran().filter((key) => key !== 'long');
    expect(notes.sort()).toEqual([...titles(40, 'n'), ...written].sort());
    const [long] = place.json('job', jobNamed(place, 'long').id);
    const outcomes = long.history.map(({ outcome }: { outcome?: string }) => outcome);
    expect(outcomes.filter((outcome: string) => outcome === 'done')).toHaveLength(1);
    expect(runs()).toBeLessThanOrEqual(long.attempts);
    // A worker that died between its mark and the removal leaves that to whoever sees its lease end.
    await until(async () => !(await leftInRedis()).some((key) => /:k-|:mirror:/.test(key)), {
      withinMs: 20_000,
    });
  }, 240_000);

  it('goes on wherever the command was killed, in both directions', async () => {
    const place = station();
    expect(place.run('start').status).toBe(0);
    expect(place.run('pause', 'note').status).toBe(0);
    place.write(titles(30, 'n'));
    await until(() => jobsOf(place).length >= 30);
    const armed = (visit: number) => ({ ...process.env, DOGGED_FAILPOINT: `migrate.step:${visit}` });
    const killedAt = (visit: number, target: string) => {
      const { signal } = spawnSync(process.execPath, [builtCli(), 'migrate', '--to', target], {
        cwd: place.folder,
        env: armed(visit),
        timeout: 50_000,
      });
      expect(`${target} ${visit} ${signal}`).toBe(`${target} ${visit} SIGKILL`);
    };
    // Each kill leaves the next command a step further.
    for (const visit of [1, 2, 2, 3, 4, 1, 2]) killedAt(visit, redis.url);
    expect((await place.migrate('--to', redis.url)).status).toBe(0);
    expect(stored(place)).toBe(redis.url);
    for (const visit of [1, 2, 2]) killedAt(visit, 'sqlite');
    expect((await place.migrate('--to', 'sqlite')).status).toBe(0);
    expect(stored(place)).toBe('sqlite');
    expect(place.run('resume', 'note').status).toBe(0);
    expect((await place.runAside('drain', '--timeout', '40s')).status).toBe(0);
    expect([...new Set(place.ran())].sort()).toEqual(titles(30, 'n').sort());
    expect(place.ran()).toHaveLength(30);
  }, 240_000);

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
    const waits = await knowing.runAside('migrate', '--to', secret.url, '--timeout', '3s');
    expect(waits).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/the worker cannot log in to Redis[\s\S]*dogged restart/),
    });
    expect(knowing.run('restart').status).toBe(0);
    expect(await knowing.migrate()).toMatchObject({ status: 0 });
    expect(stored(place)).toBe(secret.url);

    // Another machine may run our jobs: it is named, and nothing is changed.
    await secret.client.hset(
      'dogged:machines',
      'x',
      JSON.stringify({ site: 'pi-garage', seenAtMs: Date.now() }),
    );
    const others = knowing.run('migrate', '--to', 'sqlite');
    expect(others).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/pi-garage \(last seen .* ago\)[\s\S]*HDEL dogged:machines x/),
    });
    expect(place.json('migrate', '--status')[0].move).toBeNull();
  }, 60_000);
});
