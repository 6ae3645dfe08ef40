import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { freePort, hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

let redis: RedisServer;

interface Station extends Workplace {
  /** What its handlers have written: one line for each run. */
  readonly ran: () => string[];
  readonly log: () => string;
  readonly worker: () => ChildProcess;
}

/** One machine: its own folder, files and state, and a worker in the foreground. */
function station(site: string, handler: string, settings = ''): Station {
  const folder = tempFolder();
  writeFileSync(
    join(folder, 'dogged.config.yaml'),
    `
store: ${redis.url}
site: ${site}
poll: 50ms
heartbeat: 200ms
lease: 2s
slots: 2
${settings}
sources: { notes: { log: ./notes.ndjson, key: title, task: note } }
tasks: { note: { run: [sh, -c, ${JSON.stringify(handler)}], killGrace: 100ms } }
`,
  );
  writeFileSync(join(folder, 'notes.ndjson'), '');
  const place = workplace(folder, { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined });
  let child: ChildProcess | null = null;
  onTestFinished(() => {
    child?.kill('SIGCONT');
    child?.kill('SIGKILL');
  });
  return {
    ...place,
    ran: () => {
      const file = join(folder, 'ran');
      return existsSync(file) ? linesOf(file) : [];
    },
    log: () => readFileSync(join(folder, 'state', 'worker.log'), 'utf8'),
    worker: () => {
      child ??= spawn(process.execPath, [builtCli(), 'worker'], { cwd: folder, stdio: 'ignore' });
      return child;
    },
  };
}

const write = (place: Station, titles: readonly string[]) =>
  appendFileSync(
    join(place.folder, 'notes.ndjson'),
    titles.map((title) => `${JSON.stringify({ title })}\n`).join(''),
  );
const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n').filter(Boolean);
const titles = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const states = (place: Station) =>
  place.json('jobs', '--limit', '1000').map(({ key, state, attempts }) => `${key} ${state} ${attempts}`);
const RECORD = 'read line; sleep 0.1; echo "$DOGGED_KEY" >> ran';

describe.skipIf(!hasRedis())(`workers on one Redis${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis.stop());

  it('share the work of one, each job run once, and the owner’s commands tell of all of it', async () => {
    const [home, away] = [station('home', RECORD), station('away', RECORD)];
    home.worker();
    away.worker();
    await until(() =>
      [home, away].every(({ folder }) => existsSync(join(folder, 'state', 'heartbeat.json'))),
    );
    write(home, titles(16, 'h'));
    write(away, titles(3, 'a'));
    await until(() => home.ran().length + away.ran().length === 19, { withinMs: 20_000 });
    expect([...home.ran(), ...away.ran()].sort()).toEqual([...titles(16, 'h'), ...titles(3, 'a')].sort());
    expect(away.ran().filter((key) => key.startsWith('h')).length).toBeGreaterThan(0);
    expect((await home.runAside('drain', '--timeout', '10s')).status).toBe(0);
    expect(states(home).sort()).toEqual(
      titles(16, 'h')
        .map((key) => `${key} completed 1`)
        .sort(),
    );
    const [status] = home.json('status');
    expect(status.queue).toMatchObject({ pending: 0, running: 0, completed: 16, outbox: 0 });
    const [elsewhere] = home
      .json('jobs', '--limit', '100')
      .map(({ id }) => home.json('job', id)[0])
      .filter((job) => JSON.stringify(job.history).includes('by away'));
    expect(elsewhere).toMatchObject({ state: 'completed', exitCode: 0 });
    expect(home.run('audit').status).toBe(0);
  }, 60_000);

  it('fence one that was frozen past its lease: another runs its job, and its own end does not count', async () => {
    // The first run waits for a word that never comes; any other ends at once.
    const handler = 'echo "$DOGGED_ATTEMPT" >> ran; test "$DOGGED_ATTEMPT" -gt 1 || sleep 3';
    const [home, away] = [station('home', handler), station('away', handler)];
    const frozen = away.worker();
    await until(() => existsSync(join(away.folder, 'state', 'heartbeat.json')));
    write(away, ['slow']);
    await until(() => away.ran().length === 1, { withinMs: 10_000 });
    home.worker();
    frozen.kill('SIGSTOP');
    const since = performance.now();
    await until(() => home.ran().length === 1, { withinMs: 10_000 });
    // The lease, and two checks of half a lease.
    expect(performance.now() - since).toBeLessThan(4_000 + 1_500);
    expect(home.ran()).toEqual(['2']);
    frozen.kill('SIGCONT');
    await until(() => away.log().includes('Lost: attempt 1'), { withinMs: 10_000 });
    await until(() => states(away).includes('slow completed 2'), { withinMs: 10_000 });
    const [job] = away.json('jobs').map(({ id }) => away.json('job', id)[0]);
    expect(job.history.map((entry: { outcome?: string }) => entry.outcome).filter(Boolean)).toEqual([
      'crashed',
      'done',
    ]);
  }, 60_000);

  it('go on polling and beating while Redis is away, are not restarted for it, and say so', async () => {
    const health =
      'health: { fresh: 1s, stuck: 2500ms, idleStuckAfter: 2500ms, restarts: { limit: 5, within: 10m, backoff: 50ms..100ms } }';
    const place = station('home', RECORD, health);
    expect(place.run('start').status).toBe(0);
    const pid = place.workerPid();
    await redis.kill();
    write(place, titles(5, 'h'));
    await until(() => place.json('status')[0].queue.outbox === 5, { withinMs: 10_000 });
    // Long enough for a worker that stood still to be given up.
    const beatAt = () => place.json('status')[0].worker.upMs;
    const before = beatAt();
    await until(() => beatAt() > before + 4_000, { withinMs: 10_000, everyMs: 500 });
    expect(place.workerPid()).toBe(pid);
    expect(place.run('status').stdout).toMatch(/Redis {4}redis:\/\/127.*ECONNREFUSED.*jobs wait here/);
    const { stdout, status } = place.run('health', '--diagnose');
    expect(stdout).toMatch(/Redis.*ECONNREFUSED.*5 jobs wait here for it/);
    expect(status).not.toBe(0);
    expect(place.json('add', 'note', '--payload', '{"title":"by hand"}', '--key', 'x')[0].result).toBe(
      'queued',
    );
    await redis.start();
    await until(() => place.ran().length === 6, { withinMs: 10_000 });
    expect(place.workerPid()).toBe(pid);
    expect((await place.runAside('drain', '--timeout', '10s')).status).toBe(0);
    expect(place.run('status').stdout).not.toMatch(/ECONNREFUSED/);
  }, 60_000);

  it('are not idle while their jobs cannot be sent', async () => {
    const place = station('home', RECORD);
    write(place, titles(3, 'h'));
    await redis.kill();
    const idle = place.runAside('worker', '--until-idle');
    await until(() => place.json('status')[0]?.queue?.outbox === 3, { withinMs: 10_000 });
    await redis.start();
    expect((await idle).status).toBe(0);
    expect(place.ran().sort()).toEqual(titles(3, 'h'));
  }, 60_000);

  it('obey retry, cancel, pause, resume, add and drain, whether a worker runs or not', async () => {
    const place = station('home', 'echo "$DOGGED_KEY" >> ran; test -e mended', 'shutdownGrace: 100ms');
    const idOf = (key: string) => place.json('jobs').find((job) => job.key === key)?.id ?? '';
    const stateOf = (key: string) => place.json('jobs').find((job) => job.key === key)?.state;
    const worker = place.worker();
    expect(place.json('add', 'note', '--payload', '{}', '--key', 'by hand')[0].result).toBe('queued');
    await until(() => place.ran().length === 1);
    // Its retry waits: nothing of it stands in Redis.
    expect(place.run('cancel', idOf('by hand')).status).toBe(0);
    expect(stateOf('by hand')).toBe('cancelled');

    expect(place.run('pause', 'note').status).toBe(0);
    write(place, ['paused', 'unwanted']);
    await until(async () => (await redis.client.keys('dogged:*:k-*')).length === 2);
    expect(place.run('cancel', idOf('unwanted')).status).toBe(0);
    await until(() => stateOf('unwanted') === 'cancelled');
    expect(place.run('queue', '--once').stdout).toMatch(/paused/);
    expect(place.ran()).toEqual(['by hand']);
    worker.kill('SIGTERM');
    await until(() => worker.exitCode !== null);

    // Nobody is there to ask Redis: it is done by the next worker.
    expect(place.run('retry', idOf('by hand'), idOf('unwanted')).status).toBe(0);
    expect(place.run('cancel', idOf('unwanted')).status).toBe(0);
    expect(place.run('cancel', idOf('paused')).status).toBe(0);
    expect(place.run('resume', 'note').status).toBe(0);
    writeFileSync(join(place.folder, 'mended'), '');
    expect((await place.runAside('worker', '--until-idle')).status).toBe(0);
    expect(['by hand', 'unwanted', 'paused'].map(stateOf)).toEqual(['completed', 'cancelled', 'cancelled']);
    expect(place.ran()).toEqual(['by hand', 'by hand']);
    expect(await redis.client.keys('dogged:*:k-*')).toEqual([]);
  }, 60_000);

  it.skipIf(spawnSync('openssl', ['version']).status !== 0)(
    'speak TLS, with a user and a password that stand in no file and no log',
    async () => {
      const folder = tempFolder();
      const at = (name: string) => join(folder, name);
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
        ].concat([
          '-subj',
          '/CN=dogged',
          '-addext',
          'subjectAltName=IP:127.0.0.1',
          '-keyout',
          at('key'),
          '-out',
          at('cert'),
        ]),
        { stdio: 'ignore' },
      );
      const secure = await startRedis([
        '--tls-cert-file',
        at('cert'),
        '--tls-key-file',
        at('key'),
        '--tls-auth-clients',
        'no',
      ]);
      onTestFinished(() => secure.stop());
      const tlsPort = await freePort();
      await secure.client.config('SET', 'tls-port', `${tlsPort}`);
      await secure.client.acl(
        'SETUSER',
        'dogged',
        'on',
        '>the-password',
        '~dogged:*',
        '+@all',
        '-@admin',
        '-@dangerous',
        '+info',
      );
      const place = station('home', RECORD);
      const settings = {
        ...process.env,
        DOGGED__STORE: `rediss://127.0.0.1:${tlsPort}/0`,
        DOGGED_REDIS_USERNAME: 'dogged',
        NODE_EXTRA_CA_CERTS: at('cert'),
      };
      const worker = (password: string) =>
        spawn(process.execPath, [builtCli(), 'worker'], {
          cwd: place.folder,
          stdio: 'ignore',
          env: { ...settings, DOGGED_REDIS_PASSWORD: password },
        });
      write(place, titles(3, 'h'));
      const refused = worker('not-the-password');
      await until(() => place.log().includes('WRONGPASS'));
      refused.kill('SIGKILL');
      const right = worker('the-password');
      onTestFinished(() => void right.kill('SIGKILL'));
      await until(() => place.ran().length === 3);
      // Its files stay as they are while they are read.
      right.kill('SIGSTOP');
      const written = readdirSync(join(place.folder, 'state'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
      right.kill('SIGCONT');
      expect(written.length).toBeGreaterThan(3);
      expect(written.filter((text) => text.includes('the-password'))).toEqual([]);
      expect(place.run('status').stdout).toContain(`rediss://127.0.0.1:${tlsPort}/0`);
    },
    60_000,
  );

  it('come about by the quick start of docs/scale-out.md, as it is written', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/scale-out.md'), 'utf8');
    const section = page.slice(page.indexOf('## From one Pi'), page.indexOf('## What is the same'));
    const blocks = (kind: string) =>
      [...section.matchAll(new RegExp(`\\n\`\`\`${kind}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
        ([, text = '']) => text,
      );
    const rules = join(tempFolder(), 'redis.conf');
    writeFileSync(rules, 'maxmemory-policy allkeys-lru\n');
    const server = await startRedis([rules]);
    onTestFinished(() => server.stop());
    const first = station('home', RECORD);
    mkdirSync(join(first.folder, 'handlers'));
    const further = tempFolder();
    /** As it is written, but for what is on other machines. */
    const run = (block: string, cwd: string) => {
      const here = block
        .replace(/^sudo apt-get .*\n/m, '')
        .replaceAll('redis-cli ', `redis-cli -e -p ${server.port} `)
        .replaceAll("'127.0.0.1 192.168.1.10'", '127.0.0.1')
        .replaceAll('scp ', 'cp ')
        .replaceAll('192.168.1.20:ideas', first.folder);
      const dogged = `dogged() { '${process.execPath}' '${builtCli()}' "$@"; }\n`;
      execFileSync('bash', ['-ec', dogged + here], { cwd, stdio: 'pipe' });
    };

    const [onRedis = '', onThePi = '', onEachFurther = ''] = blocks('sh');
    run(onRedis, first.folder);
    expect(readFileSync(rules, 'utf8')).toMatch(/(?=[\s\S]*noeviction)(?=[\s\S]*appendonly yes)/);
    const config = join(first.folder, 'dogged.config.yaml');
    const [written = ''] = blocks('yaml');
    const lines = written.replace(/redis:\/\/[^/]+/, `redis://127.0.0.1:${server.port}`);
    const kept = readFileSync(config, 'utf8').replace(/^(store|site): .*\n/gm, '');
    writeFileSync(config, lines + kept);
    onTestFinished(() => void first.run('stop', '--timeout', '100ms'));
    run(onThePi, first.folder);
    write(first, titles(3, 'h'));
    await until(() => first.ran().length === 3);
    expect(first.run('status').stdout).toContain(`redis://127.0.0.1:${server.port}/0`);

    expect(first.run('pause').status).toBe(0);
    const second = workplace(further);
    onTestFinished(() => void second.run('stop', '--timeout', '100ms'));
    writeFileSync(join(further, 'notes.ndjson'), '');
    run(onEachFurther, further);
    // What the one finds the other runs.
    write(first, titles(3, 'i'));
    await until(() => existsSync(join(further, 'ran')) && linesOf(join(further, 'ran')).length === 3);
    expect(first.run('resume').status).toBe(0);
    await until(() => states(first).every((state) => state.includes(' completed ')));
    expect(first.run('job', '4').stdout).toContain('pi-attic');
  }, 90_000);

  it('take nothing back to SQLite while Redis may hold it', async () => {
    const place = station('home', RECORD);
    const away = place.worker();
    write(place, ['a']);
    await until(() => place.ran().length === 1, { withinMs: 10_000 });
    expect(place.run('pause').status).toBe(0);
    write(place, ['b']);
    await until(() => place.json('status')[0].queue.pending === 1, { withinMs: 5_000 });
    await until(async () => (await redis.client.keys('dogged:*:k-*')).length === 1);
    away.kill('SIGTERM');
    await until(() => away.exitCode !== null);
    const config = join(place.folder, 'dogged.config.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace(/store: .*/, 'store: sqlite'));
    const refused = place.run('worker', '--until-idle');
    expect(refused.status).toBe(78);
    expect(refused.stderr).toMatch(/stand in Redis at redis:\/\/127.*store: sqlite/);
  }, 60_000);
});
