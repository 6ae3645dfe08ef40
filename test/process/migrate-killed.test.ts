import { type ChildProcess, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { isUp, jobNamed, jobsOf, leftIn, type Station, station, stored, titles } from './moving-station.js';

let redis: RedisServer;

const hasDied = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

describe.skipIf(!hasRedis())(`a move that is killed${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis.stop());

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

    // The config is told of until it says the same, and that is all that is to be done.
    const line = `write this line into it: store: ${redis.url}`;
    const log = readFileSync(join(place.folder, 'state', 'worker.log'), 'utf8');
    expect(log).toContain(line);
    expect(place.run('check').stdout).toContain(line);
    child.kill('SIGKILL');
    await ended(child);
    const config = join(place.folder, 'dogged.config.yaml');
    writeFileSync(config, `store: ${redis.url}\n${readFileSync(config, 'utf8')}`);
    expect(place.run('check').stdout).not.toContain(line);
    child = place.worker();
    await until(() => place.json('migrate', '--status')[0].chosenStore === null);
    expect(stored(place)).toBe(redis.url);
    await isUp(place);
    expect(place.run('status').stdout).not.toContain(line);
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
    await until(async () => !(await leftIn(redis.client)).some((key) => /:k-|:mirror:/.test(key)), {
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
    expect(await place.migrate('--to', redis.url)).toMatchObject({ status: 0 });
    expect(stored(place)).toBe(redis.url);
    for (const visit of [1, 2, 2]) killedAt(visit, 'sqlite');
    expect(await place.migrate('--to', 'sqlite')).toMatchObject({ status: 0 });
    expect(stored(place)).toBe('sqlite');
    expect(place.run('resume', 'note').status).toBe(0);
    expect((await place.runAside('drain', '--timeout', '40s')).status).toBe(0);
    expect([...new Set(place.ran())].sort()).toEqual(titles(30, 'n').sort());
    expect(place.ran()).toHaveLength(30);
  }, 240_000);
});
