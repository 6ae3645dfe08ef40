import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readTally } from '../../src/health/tally.js';
import { readRecoveries } from '../../src/heartbeat/recovery-log.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

let redis: RedisServer;

function place(): Workplace & { store(store: string): void } {
  const folder = tempFolder();
  const store = (name: string) =>
    writeFileSync(
      join(folder, 'dogged.config.yaml'),
      `store: ${name}\nsite: here\ntasks: { note: { run: [cat], concurrency: 1 } }\n`,
    );
  store(redis.url);
  return { ...workplace(folder), store };
}

const stateOf = ({ folder }: Workplace) => join(folder, 'state');
const atWork = (one: Workplace) =>
  until(() => readTally(stateOf(one))?.phase === 'watching', { withinMs: 30_000 });

describe.skipIf(!hasRedis())(`a Redis in trouble${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });
  afterAll(() => redis.stop());

  it('that is refused is told with its reason and no config is blamed, nor for jobs that stand there; mended, it starts by itself', async () => {
    const here = place();
    await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const start = here.run('start');
    expect(start.status).toBe(1);
    expect(start.stderr).toContain('its maxmemory-policy is allkeys-lru');
    expect(start.stderr).not.toMatch(/config is refused|no first beat/);
    const diagnosis = here.run('health');
    expect(diagnosis.status).toBe(2);
    expect(diagnosis.stdout).toMatch(
      /❌ worker .*its maxmemory-policy is allkeys-lru.*tried again every 10s/,
    );
    expect(diagnosis.stdout).not.toMatch(/config is refused|dogged check|intake goes on/);
    expect(here.run('worker').status).toBe(69);

    // It is tried again: here at once, since the config was written anew.
    const before = readTally(stateOf(here))?.retryAtMs;
    here.store(redis.url);
    await until(() => (readTally(stateOf(here))?.retryAtMs ?? before) !== before, { withinMs: 30_000 });
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
    here.store(redis.url);
    await atWork(here);
    // However often it was tried, it is one recovery.
    const recoveries = () =>
      readRecoveries(stateOf(here))
        .map(({ cause, outcome }) => `${cause} ${outcome}`)
        .join(', ');
    await until(() => recoveries() === 'redis waiting, redis recovered', { describe: recoveries });

    here.run('pause', 'note');
    here.run('add', 'note', '--key', 'a');
    await until(async () => (await redis.client.keys('dogged:*:k-*')).length === 1);
    here.store('sqlite');
    const restart = here.run('restart');
    expect(restart.status).toBe(1);
    expect(restart.stderr).toContain('the config says store: sqlite');
    const { stdout } = here.run('health');
    expect(stdout).toMatch(/❌ worker .*Jobs of .* stand in Redis at .*dogged logs/);
    expect(stdout).toMatch(/✅ Config/);
    expect(stdout).not.toMatch(/config is refused|dogged restart/);
    expect(readFileSync(join(stateOf(here), 'health_monitor.log'), 'utf8')).toContain('stand in Redis at');
    here.store(redis.url);
    await atWork(here);
  }, 90_000);

  it('that is away leaves no ended job told as running, and takes its end when it is back', async () => {
    const gone = await startRedis(['--appendonly', 'yes']);
    onTestFinished(() => gone.stop());
    const folder = tempFolder();
    const hold = 'until [ -e go ]; do sleep 0.1; done';
    writeFileSync(
      join(folder, 'dogged.config.yaml'),
      `store: ${gone.url}\nsite: here\nslots: 3\ntasks: { hold: { run: [sh, -c, "${hold}"] } }\n`,
    );
    const here = workplace(folder);
    expect(here.run('start').status).toBe(0);
    for (const key of ['a', 'b']) here.run('add', 'hold', '--key', key);
    const beat = () => JSON.parse(readFileSync(join(stateOf(here), 'heartbeat.json'), 'utf8'));
    await until(() => beat().queue.running === 2);
    await gone.kill();
    writeFileSync(join(folder, 'go'), '');
    await until(() => beat().endsKept?.length === 2, { withinMs: 20_000 });
    expect(beat().queue.running).toBe(0);
    const { stdout: status } = here.run('status');
    expect(status).toMatch(/0 running · 2 ends are kept until Redis is back/);
    expect(status).toContain('0 of 3 busy');
    expect(here.run('trace', '1').stdout).toMatch(/RECORDED .*attempt 1 is over, and its end is kept/);
    const { stdout: metrics } = here.run('metrics');
    expect(metrics).toMatch(/^dogged_ends_kept 2$/m);
    expect(metrics).toMatch(/^dogged_jobs\{.*state="running".*\} 0$/m);
    await gone.start();
    await until(() => beat().queue.completed === 2, { withinMs: 20_000 });
    expect(beat()).not.toHaveProperty('endsKept');
  }, 60_000);

  it('that is frozen keeps no stop waiting, and what that cuts off is not blamed', async () => {
    const frozen = await startRedis(['--appendonly', 'yes']);
    onTestFinished(() => frozen.stop());
    const folder = tempFolder();
    writeFileSync(
      join(folder, 'dogged.config.yaml'),
      `store: ${frozen.url}\nsite: here\nshutdownGrace: 100ms\ntasks: { nap: { run: [sleep, "60"] } }\n`,
    );
    const here = workplace(folder);
    expect(here.run('start').status).toBe(0);
    onTestFinished(() => void here.run('stop', '--timeout', '100ms'));
    here.run('add', 'nap', '--key', 'a');
    const state = () => here.json('jobs')[0]?.state;
    await until(() => state() === 'running');
    frozen.freeze();
    const stop = here.run('stop');
    frozen.thaw();
    expect(stop.stdout).toMatch(/Stopped: worker PID \d+\n/);
    expect(stop.stdout).toMatch(/1 job cut off; .*uncharged/);
    expect(here.run('start').status).toBe(0);
    await until(() => here.json('job', '1')[0].attempts === 2);
    const [{ history }] = here.json('job', '1');
    expect(history[0]).toMatchObject({ outcome: 'crashed', reason: expect.stringContaining('was ended') });
  }, 60_000);
});
