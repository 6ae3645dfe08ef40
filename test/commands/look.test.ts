import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/engine.js';
import { textWidth } from '../../src/view/text-width.js';
import { admit, claimOne, end, reject, retryAt, T0, turn } from '../conformance/given.js';
import { type Bench, bench } from './in-process.js';

const HOSTILE = '\x1b[2J\u202eevil\nname 漢字';

const JOB_FIELDS = [
  'id',
  'workspace',
  'task',
  'source',
  'key',
  'version',
  'cycle',
  'state',
  'priority',
  'group',
  'attempts',
  'maxAttempts',
  'createdAt',
  'runAt',
  'expiresAt',
  'startedAt',
  'endedAt',
  'lateByMs',
  'reason',
  'waitingFor',
  'exitCode',
  'payload',
  'payloadHash',
  'result',
  'history',
];

const STATUS_FIELDS = ['verdict', 'worker', 'monitor', 'queue', 'slots', 'sources', 'waiting', 'outages'];

/** A store as a worker owns it. */
async function owned(place: Bench): Promise<Store> {
  const store = await place.store('worker');
  await store.takeOwnership({ bootId: 'b', pid: 1, startTicks: 1, nonce: 'n' }, T0);
  const tasks = ['build', 'slow'].map((task) => ({ task, groupLimit: null, maxAttempts: 3 }));
  await store.configureTasks(['default'], tasks);
  return store;
}

describe('status', () => {
  test('says in friendly words that nothing has run yet, and exits 3', async () => {
    const { code, stdout, stderr } = await bench().run('status');
    expect(code).toBe(3);
    expect(stdout).toContain('not running. Start it with: dogged start');
    expect(stdout).toContain('Nothing has run here yet.');
    expect(stderr).toBe('');
  });

  test('of a config that is not there says so, unless there is a state folder to look into', async () => {
    const place = bench();
    await owned(place);
    rmSync(place.configFile);
    expect((await place.run('status')).code).toBe(3);
    rmSync(place.stateFolder, { recursive: true });
    for (const command of ['status', 'stop', 'logs', 'jobs']) {
      const { code, stdout, stderr } = await place.run(command);
      expect([code, stdout]).toEqual([78, '']);
      expect(stderr).toBe(
        `There is no config at ${place.configFile}.\nName the right one with -c, or write one with: dogged init\n`,
      );
    }
    // A diagnosis is for a program that knows its own exit codes.
    expect(await place.run('health')).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('❌ Config'),
    });
  });

  test('gives exactly the promised fields as one line of JSON', async () => {
    const place = bench();
    const [status, ...more] = await place.json('status');
    expect(more).toEqual([]);
    expect(Object.keys(status)).toEqual(STATUS_FIELDS);
    expect(Object.keys(status.worker)).toEqual(['pid', 'state', 'beatAgeMs', 'upMs', 'rssBytes', 'cpu']);
    expect(Object.keys((await place.json('queue'))[0])).toEqual(STATUS_FIELDS);
  });

  test('works with a config that is broken and a database that is none', async () => {
    const place = bench('sources: [what');
    const store = await owned(place);
    await store.close();
    writeFileSync(
      join(place.stateFolder, 'dogged.db'),
      'not a database, but long enough to be read as one'.repeat(99),
    );
    const { code, stdout } = await place.run('status');
    expect(code).toBe(3);
    expect(stdout).toContain('⚠️ database:');
  });

  test('counts by task, names what failed last and the command that shows it', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'good' }, { key: HOSTILE }, { key: 'waits', task: 'slow' }]);
    const good = await claimOne(store);
    const bad = await claimOne(store);
    await turn(store, {
      ends: [end(good), end(bad, { to: 'failed', reason: `exit 1: ${HOSTILE}` })],
      freeSlots: 0,
    });
    const { stdout } = await place.run('status');
    expect(stdout).toMatch(/^build +0 +0 +0 +1 +1$/m);
    expect(stdout).toMatch(/^slow +1 +0 +0 +0 +0$/m);
    expect(stdout).toContain('1 job of slow: no worker runs');
    expect(stdout).toContain('build "\\x1b[2J\\u202eevil\\nname 漢字"');
    expect(stdout).toMatch(new RegExp(`exit 1: .*  dogged job -c .* ${bad.id}$`, 'm'));
    expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  });
});

describe('queue --once', () => {
  test('shows slots, counts, the line and dead letters within the width of the terminal', async () => {
    const place = bench();
    const store = await owned(place);
    const records = Array.from({ length: 200 }, (_, n) => ({ key: `${HOSTILE} ${n} ${'x'.repeat(300)}` }));
    await admit(store, records);
    const claims = (await turn(store, { freeSlots: 3 })).claims;
    await turn(store, {
      ends: claims.map((claim) => end(claim, { to: 'failed', reason: 'exit 1' })),
      freeSlots: 0,
    });
    const { code, stdout } = await place.run('queue', '--once');
    expect(code).toBe(0);
    expect(stdout).toContain('197 pending · 0 running · 0 completed · 3 failed');
    expect(stdout).toContain('Next in line');
    expect(stdout).toContain('Dead letters (3)');
    for (const line of stdout.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(120);
    expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  });
});

describe('jobs', () => {
  test('gives one object a line, with exactly the promised fields', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }, { key: 'b', task: 'slow' }]);
    const jobs = await place.json('jobs');
    expect(jobs.map((job) => job.key)).toEqual(['b', 'a']);
    for (const job of jobs) expect(Object.keys(job)).toEqual(JOB_FIELDS);
    expect(jobs[0]).toMatchObject({
      workspace: 'default',
      task: 'slow',
      source: 'ideas',
      state: 'pending',
      createdAt: '2026-01-01T00:00:00.000Z',
      waitingFor: 'worker',
      history: [],
    });
  });

  test('are filtered by state, task and source, and bounded, with a word about it', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }, { key: 'b', task: 'slow' }, { key: 'c' }]);
    await turn(store, { ends: [end(await claimOne(store))], freeSlots: 0 });
    const keys = async (...args: string[]) => (await place.json('jobs', ...args)).map((job) => job.key);
    expect(await keys('--state', 'completed')).toEqual(['a']);
    expect(await keys('--task', 'slow')).toEqual(['b']);
    expect(await keys('--source', 'ideas', '--state', 'failed')).toEqual([]);
    expect(await keys('--limit', '1')).toEqual(['c']);
    expect((await place.run('jobs', '--limit', '1')).stderr).toContain(
      'This is the newest one; there may be more: --limit N',
    );
    expect((await place.run('jobs', '--task', 'slow', '--state', 'failed')).stdout).toBe('No such jobs.\n');
  });

  test('refuse a task or source that neither config nor database knows, where the config can tell', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a', task: 'of-old' }]);
    expect(await place.run('jobs', '--task', 'slwo')).toMatchObject({
      code: 64,
      stdout: '',
      stderr: expect.stringContaining('knows a task "slwo". The config has: build, slow.'),
    });
    expect((await place.run('jobs', '--source', 'idaes')).code).toBe(64);
    expect(await place.run('jobs', '--workspace', 'zz')).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('knows a workspace "zz". The config has: default.'),
    });
    expect((await place.run('jobs', '--workspace', 'default', '--state', 'failed')).code).toBe(0);
    expect((await place.run('retry', '--state', 'failed', '--task', 'slwo')).code).toBe(64);
    expect((await place.run('retry', '--state', 'failed', '--task', 'of-old')).code).toBe(0);
    // Of a task that was removed since there may be jobs, only none that failed.
    expect((await place.run('jobs', '--task', 'of-old', '--state', 'failed')).code).toBe(0);
    writeFileSync(place.configFile, 'sources: 7\n');
    expect(await place.run('jobs', '--task', 'slwo')).toMatchObject({ code: 0, stdout: 'No such jobs.\n' });
  });

  test('refuse a state that does not exist', async () => {
    const { code, stderr } = await bench().run('jobs', '--state', 'faild');
    expect(code).toBe(64);
    expect(stderr).toContain('pending, running, completed, failed, cancelled, expired');
  });

  test('say in friendly words that nothing has run yet', async () => {
    const place = bench();
    const { code, stderr } = await place.run('jobs');
    expect(code).toBe(1);
    expect(stderr).toContain(
      `nothing has run here yet.\nStart it with: dogged start -c ${place.configFile}\n`,
    );
  });
});

test('a job that waits for its next attempt took as long as the last one did, and is not timed on', async () => {
  const place = bench();
  const store = await owned(place);
  await admit(store, [{ key: 'a' }]);
  const first = await claimOne(store);
  const times = { outcome: { kind: 'failed' as const, reason: 'no' }, startedAtMs: T0, endedAtMs: T0 + 8 };
  const later = Date.now() + 3_600_000;
  await turn(store, { ends: [end(first, retryAt(later), times)], freeSlots: 0 });
  const took = async () => {
    const [, line = ''] = (await place.run('jobs')).stdout.split('\n');
    const { stdout } = await place.run('job', first.id);
    return [/ ago +(\d+ ms|\d+\w+)? /.exec(line)?.[1], /^took +(.*)$/m.exec(stdout)?.[1]];
  };
  expect(await took()).toEqual([undefined, '8 ms']);
  await place.run('cancel', first.id);
  expect(await took()).toEqual([undefined, '8 ms']);
});

describe('job', () => {
  async function aStory(): Promise<{ place: Bench; id: string; store: Store }> {
    const place = bench();
    const store = await owned(place);
    await admit(store, [
      { key: 'a', content: '{"title":"a","price":1.0,"id":12345678901234567890,"x":"\u202e"}' },
    ]);
    const first = await claimOne(store);
    const output = { stdout: 'hello\n\x1b[31mworld\n', stderr: 'Error: no', exitCode: 1 };
    await turn(store, { ends: [end(first, retryAt(T0 + 1_000), output)], freeSlots: 0 });
    const second = await claimOne(store, { nowMs: T0 + 2_000 });
    const done = { kind: 'done' as const, result: '{"total":1.0}' };
    await turn(store, {
      ends: [
        end(second, { to: 'completed' }, { outcome: done, startedAtMs: T0 + 2_000, endedAtMs: T0 + 3_500 }),
      ],
      freeSlots: 0,
    });
    return { place, id: first.id, store };
  }

  test('tells the whole story, with the output of every attempt', async () => {
    const { place, id } = await aStory();
    const { code, stdout } = await place.run('job', id);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Job \d+ {2}completed {2}build {2}a$/m);
    expect(stdout).toContain('attempt 1: failed, after 5 ms, exit code 1\n');
    expect(stdout).toContain('  │ hello\n  │ \\x1b[31mworld\n');
    expect(stdout).toContain('  │ Error: no\n');
    expect(stdout).toContain('attempt 2: done, after 1.5s');
    expect(stdout).toContain('2 made, failed tries 1 of 3');
  });

  test('says what to do about poison', async () => {
    const { place, store } = await aStory();
    await admit(store, [{ key: 'b' }]);
    const claim = await claimOne(store, { nowMs: T0 + 5_000 });
    await turn(store, { ends: [end(claim, { to: 'failed', reason: 'poison' })], freeSlots: 0 });
    const { stdout } = await place.run('job', claim.id);
    expect(stdout).toMatch(/^reason +poison$/m);
    expect(stdout).toMatch(/^to do +run it by hand, mend it, then: dogged retry .*\d$/m);
  });

  test('gives its payload and result as the bytes that are stored, so no digit changes', async () => {
    const { place, id } = await aStory();
    const { stdout } = await place.run('job', id, '--json');
    expect(stdout).toContain('"payload":{"title":"a","price":1.0,"id":12345678901234567890,"x":"\\u202e"}');
    expect(stdout).toContain('"result":{"total":1.0}');
    const job = JSON.parse(stdout);
    expect(Object.keys(job)).toEqual(JOB_FIELDS);
    expect(job).toMatchObject({
      attempts: 2,
      maxAttempts: 3,
      exitCode: 0,
      state: 'completed',
      lateByMs: 1_000,
    });
    const bytes = '{"title":"a","price":1.0,"id":12345678901234567890,"x":"\u202e"}';
    expect(job.payloadHash).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(job.history).toEqual([
      {
        kind: 'attempt',
        at: '2026-01-01T00:00:00.000Z',
        attempt: 1,
        endedAt: '2026-01-01T00:00:00.005Z',
        durationMs: 5,
        outcome: 'failed',
        reason: 'exit 1',
        exitCode: 1,
        signal: null,
        stdout: 'hello\n\x1b[31mworld\n',
        stderr: 'Error: no',
      },
      expect.objectContaining({ attempt: 2, outcome: 'done', durationMs: 1_500 }),
    ]);
  });

  test('with a payload that was damaged on disk says so instead of showing it', async () => {
    const { place, id, store } = await aStory();
    await store.close();
    const { default: Sqlite } = await import('better-sqlite3');
    const db = new Sqlite(join(place.stateFolder, 'dogged.db'));
    db.prepare('UPDATE jobs SET payload = CAST(\'{"title":"evil"}\' AS BLOB)').run();
    db.close();
    expect(await place.json('job', id)).toEqual([
      expect.objectContaining({ reason: 'integrity', payload: null }),
    ]);
    const { stdout } = await place.run('job', id);
    expect(stdout).toContain('no longer match their hash');
    expect(stdout).not.toContain('evil');
    expect((await place.run('jobs')).stdout).toContain('integrity');
  });

  test('that does not exist is an error with the way to those that do', async () => {
    const { place } = await aStory();
    const { code, stdout, stderr } = await place.run('job', '99\x1b[31m');
    expect([code, stdout, stderr]).toEqual([
      1,
      '',
      `There is no job 99\\x1b[31m.\nList them with: dogged jobs -c ${place.configFile}\n`,
    ]);
  });
});

describe('rejects', () => {
  test('stand with place, reason and remedy, for people and for machines', async () => {
    const place = bench();
    const store = await owned(place);
    const refused = reject({
      path: `/data/${HOSTILE}.json`,
      line: 7,
      offset: 120,
      lengthBytes: 33,
      key: 'k',
    });
    await admit(store, [], { rejects: [refused] });
    const { stdout } = await place.run('rejects');
    expect(stdout).toContain(
      'ideas: /data/\\x1b[2J\\u202eevil\\nname 漢字.json:7 "k"\n  schema: title is missing\n  add title',
    );
    const [line] = await place.json('rejects', '--source', 'ideas');
    expect(line).toMatchObject({
      source: 'ideas',
      line: 7,
      offset: 120,
      length: 33,
      key: 'k',
      reason: 'schema',
    });
    expect(Object.keys(line)).toEqual(
      expect.arrayContaining(['source', 'path', 'line', 'offset', 'length', 'key', 'reason', 'remedy', 'at']),
    );
    expect(await place.run('rejects', '--source', 'other')).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('knows a source "other". The config has: ideas.'),
    });
    await admit(store, [{ key: 'k' }], { rereadPaths: [refused.path] });
    expect((await place.run('rejects', '--source', 'ideas')).stdout).toBe('No record is refused.\n');
  });

  test('that stand in one line differ by their byte and by what the worker kept of them', async () => {
    const place = bench();
    const store = await owned(place);
    const at = (offset: number, digest: Buffer) =>
      reject({ path: '/data/ideas.json', line: 1, offset, lengthBytes: 9, digest });
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    await admit(store, [], { rejects: [at(1, first), at(40, second)] });
    mkdirSync(join(place.stateFolder, 'rejects'));
    const copy = join(place.stateFolder, 'rejects', `ideas-${second.toString('hex', 0, 8)}.txt`);
    writeFileSync(copy, `{"titel":\n  "\u202e${'x'.repeat(300)}"}`);
    const { stdout } = await place.run('rejects');
    expect(stdout).toContain('ideas: /data/ideas.json:1 at byte 1\n  schema:');
    expect(stdout).toMatch(
      /ideas: \/data\/ideas\.json:1 at byte 40\n {2}│ \{"titel": "\\u202ex+…\n {2}schema:/,
    );
    for (const line of stdout.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(120);
  });
});
