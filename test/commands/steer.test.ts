import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/engine.js';
import { admit, claimOne, end, retryAt, turn } from '../conformance/given.js';
import { until } from '../support/until.js';
import { type Bench, bench } from './in-process.js';

/** A store as a worker owns it, on the real clock: these commands compare with now. */
async function owned(place: Bench): Promise<Store> {
  const store = await place.store('worker');
  await store.takeOwnership({ bootId: 'b', pid: 1, startTicks: 1, nonce: 'n' }, Date.now());
  await store.configureTasks(['default'], [{ task: 'build', groupLimit: null, maxAttempts: 3 }]);
  return store;
}

async function failOne(store: Store): Promise<string> {
  const claim = await claimOne(store);
  await turn(store, { ends: [end(claim, { to: 'failed', reason: 'exit 1' })], freeSlots: 0 });
  return claim.id;
}

const state = async (store: Store, id: string) => (await store.get(null, id))?.place;

describe('add', () => {
  test('without a key makes a job each time', async () => {
    const place = bench();
    const [first] = await place.json('add', 'build', '--payload', '{"title":"x"}');
    const [second] = await place.json('add', 'build', '--payload', '{"title":"x"}');
    expect(first).toEqual({ id: expect.any(String), result: 'queued', state: 'pending' });
    expect(second.result).toBe('queued');
    expect(second.id).not.toBe(first.id);
  });

  test('with a key makes one, and exits 0 for the duplicate, too', async () => {
    const place = bench();
    const [first] = await place.json('add', 'build', '--key', 'k');
    const again = await place.run('add', 'build', '--key', 'k', '--payload', '{"other":1}');
    expect(again.code).toBe(0);
    expect(again.stdout).toBe(`duplicate of job ${first.id}, which is pending: nothing was added\n`);
    expect(await place.json('add', 'build', '--key', 'k')).toEqual([
      { id: first.id, result: 'duplicate', state: 'pending' },
    ]);
    expect((await place.json('add', 'slow', '--key', 'k'))[0].result).toBe('queued');
    expect((await place.json('add', 'build', '--key', 'k', '--workspace', 'other'))[0].result).toBe('queued');
  });

  test('takes priority, time and group; a time from now, or a date', async () => {
    const place = bench();
    const before = Date.now();
    const payload = '{ "project": "p1", "n": 1.0 }';
    const [soon] = await place.json(
      'add',
      'build',
      '--payload',
      payload,
      '--priority',
      '-5',
      '--run-at',
      '+10m',
    );
    const [later] = await place.json('add', 'slow', '--run-at', '2099-01-01T00:00:00Z', '--group', 'g');
    const [job] = await place.json('job', soon.id);
    expect(job).toMatchObject({
      priority: -5,
      group: 'p1',
      state: 'pending',
      waitingFor: 'time',
      maxAttempts: 3,
    });
    expect(Date.parse(job.runAt) - before).toBeGreaterThanOrEqual(600_000);
    expect(Date.parse(job.runAt) - before).toBeLessThan(660_000);
    expect((await place.run('job', soon.id, '--json')).stdout).toContain(
      '"payload":{"project":"p1","n":1.0}',
    );
    expect((await place.json('job', later.id))[0]).toMatchObject({
      runAt: '2099-01-01T00:00:00.000Z',
      group: 'g',
    });
  });

  test.each([
    [['add', 'biuld'], 'The config has no task "biuld". It has: build, slow.'],
    [['add', 'build', '--payload', '{x}'], 'The payload is refused:'],
    [['add', 'build', '--payload', '{} {}'], 'The payload is refused:'],
    [['add', 'build', '--workspace', 'Not One'], '"Not One" is not a workspace id.'],
    [['add', 'build', '--priority', '5000'], 'It must be a whole number from -1000 to 1000.'],
    [['add', 'build', '--run-at', 'tomorrow'], 'It must be a time such as'],
    [['add', 'build', '--run-at', '+10'], 'It must be a duration'],
    [['add', 'build', '--key', ''], 'It must not be empty. Leave the option out where you mean none.'],
    [['add', 'build', '--group', ''], 'It must not be empty.'],
    [['add'], "missing required argument 'task'"],
    [['add', 'build', 'extra'], 'too many arguments'],
  ])('refuses %j with exit code 64, and leaves nothing', async (args, message) => {
    const place = bench();
    const { code, stdout, stderr } = await place.run(...args);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain(message);
    expect(existsSync(join(place.stateFolder, 'dogged.db')) ? await place.json('jobs') : []).toEqual([]);
  });
});

describe('retry', () => {
  test('runs named jobs again, and says for each other why not', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }, { key: 'b' }]);
    const failed = await failOne(store);
    const [waiting] = (await store.list({ states: ['pending'], limit: 1 })).map((job) => job.id);
    const { code, stdout, stderr } = await place.run('retry', failed, waiting ?? '', '99');
    expect(code).toBe(1);
    expect(stdout).toBe('1 job queued again, 2 refused\n');
    expect(stderr.split('\n')).toEqual([
      '99: there is no such job',
      `${waiting}: it waits or runs already`,
      '',
    ]);
    expect(await state(store, failed)).toBe('ready');
  });

  test('of a completed job says that it is completed', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }]);
    const { id, ...claim } = await claimOne(store);
    await turn(store, { ends: [end({ id, ...claim })], freeSlots: 0 });
    expect((await place.run('retry', id)).stderr).toBe(
      `${id}: it is completed; only failed and cancelled jobs can run again\n`,
    );
  });

  test('--state failed takes all of them, in batches, and a second time finds none', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(
      store,
      Array.from({ length: 1_200 }, (_, n) => ({ key: `k${n}` })),
    );
    const { claims } = await turn(store, { freeSlots: 1_200, eligible: [{ task: 'build', room: 1_200 }] });
    await turn(store, { ends: claims.map((c) => end(c, { to: 'failed', reason: 'exit 1' })), freeSlots: 0 });
    expect(await place.json('retry', '--state', 'failed', '--task', 'slow')).toEqual([
      { queued: 0, refused: [] },
    ]);
    expect(await place.json('retry', '--state', 'failed')).toEqual([{ queued: 1_200, refused: [] }]);
    expect((await place.run('retry', '--state', 'failed')).stdout).toBe('0 jobs queued again\n');
  });

  test('--state failed ends, and tells, where jobs may not run again', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a', content: '{"v":1}' }]);
    const old = await failOne(store);
    await admit(store, [{ key: 'a', content: '{"v":2}', onChange: 'rerun' }]);
    expect(await place.json('retry', '--state', 'failed')).toEqual([
      { queued: 0, refused: [{ id: old, reason: 'not-allowed' }] },
    ]);
  });

  test.each([
    [['retry']],
    [['retry', '1', '--state', 'failed']],
    [['retry', '1', '--task', 'build']],
    [['retry', '1', '--outage', '1']],
    [['retry', '--outage', '1', '--state', 'failed']],
    [['retry', '--outage', '1', '--task', 'build']],
  ])('refuses %j with exit code 64', async (args) => {
    const { code, stderr } = await bench().run(...args);
    expect(code).toBe(64);
    expect(stderr).toBe(
      'Name either jobs, or --state failed with or without --task, or --outage ID.\nSee: dogged retry --help\n',
    );
  });

  test('does not make a database where there is none', async () => {
    const place = bench();
    expect((await place.run('retry', '--state', 'failed')).code).toBe(1);
    expect(existsSync(place.stateFolder)).toBe(false);
  });
});

test('cancel tells what became of each, and is no failure the second time', async () => {
  const place = bench();
  const store = await owned(place);
  await admit(store, [{ key: 'runs' }, { key: 'done' }, { key: 'waits' }]);
  const running = (await claimOne(store)).id;
  const done = await claimOne(store);
  await turn(store, { ends: [end(done)], freeSlots: 0 });
  const waiting = (await store.list({ states: ['pending'], limit: 1 }))[0]?.id ?? '';

  const first = await place.run('cancel', running, waiting);
  expect(first.code).toBe(0);
  expect(first.stdout).toBe(`${running}: it runs: the worker was asked to end it\n${waiting}: cancelled\n`);
  expect((await place.run('cancel', waiting)).code).toBe(0);
  expect(await place.json('cancel', done.id, '99')).toEqual([
    { id: '99', result: 'unknown', state: null },
    { id: done.id, result: 'ended', state: 'completed' },
  ]);
  expect((await place.run('cancel', done.id)).code).toBe(1);
});

test('pause holds back a task or everything, resume lets it go on, and saying it twice is no failure', async () => {
  const place = bench();
  const store = await owned(place);
  await admit(store, [{ key: 'a' }]);
  const line = (command: string, ...args: string[]) =>
    place.run(command, ...args).then(({ stdout }) => stdout.replaceAll(` -c ${place.configFile}`, ''));
  expect(await line('pause', 'build')).toBe('build is paused\nLet it go on with: dogged resume build\n');
  expect(await line('pause', 'build')).toMatch(/^build is paused already\n/);
  expect((await turn(store)).claims).toEqual([]);
  expect(await line('status')).toContain('paused. Let it go on with: dogged resume build\n');
  expect(await place.json('resume', 'build')).toEqual([{ task: 'build', paused: false, changed: true }]);
  expect(await line('pause')).toBe('everything is paused\nLet it go on with: dogged resume\n');
  expect((await turn(store)).claims).toEqual([]);
  expect(await line('status')).toContain(
    '1 job of build: everything is paused. Let it go on with: dogged resume\n',
  );
  expect(await line('resume', 'build')).toBe(
    'build is not paused by its name, but everything is. Let all go on with: dogged resume\n',
  );
  expect(await line('resume')).toBe('everything goes on\n');
  expect(await line('resume')).toBe('everything goes on already\n');
  expect((await turn(store)).claims).toHaveLength(1);
  expect((await place.run('pause', 'biuld')).code).toBe(64);
  expect((await place.run('pause', '--workspace', 'zz')).stderr).toContain('knows a workspace "zz"');
});

describe('wait', () => {
  test('sees each job end, and exits 0 when all of them completed', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }, { key: 'b' }]);
    const [a, b] = [await claimOne(store), await claimOne(store)];
    const { written, ended } = place.begin('wait', a.id, b.id);
    await turn(store, { ends: [end(b)], freeSlots: 0 });
    await until(() => written.stdout === `${b.id} completed\n`);
    await turn(store, { ends: [end(a)], freeSlots: 0 });
    expect(await ended).toMatchObject({ code: 0, stdout: `${b.id} completed\n${a.id} completed\n` });
  });

  test('exits 1 when one ended otherwise, and says how', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }]);
    const id = await failOne(store);
    expect(await place.run('wait', id)).toMatchObject({ code: 1, stdout: `${id} failed: exit 1\n` });
    expect(await place.json('wait', id)).toEqual([expect.objectContaining({ id, state: 'failed' })]);
  });

  test('gives up after its time-out, naming what has not ended', async () => {
    const place = bench();
    const store = await owned(place);
    const [a] = await admit(store, [{ key: 'a' }]);
    const { code, stderr } = await place.run('wait', a?.id ?? '', '--timeout', '80ms');
    expect(code).toBe(1);
    expect(stderr).toContain(`The end of 1 job did not come about within 80 ms. Still to end: ${a?.id}.`);
  });

  test('refuses a job that does not exist', async () => {
    const place = bench();
    await owned(place);
    expect(await place.run('wait', '7')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no job 7.'),
    });
  });
});

describe('drain', () => {
  test('is idle only when nothing is due and nothing runs', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }]);
    const claim = await claimOne(store);
    const { written, ended } = place.begin('drain');
    await until(() => written.stdout === '0 pending, 1 running\n');
    await turn(store, { ends: [end(claim)], freeSlots: 0 });
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    expect(stdout).toBe('0 pending, 1 running\nIdle: nothing is due, nothing runs.\n');
    expect(stderr).toContain('No worker runs, so nothing moves.');
  });

  test('names retries that back off, and waits for them with --all', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }]);
    const claim = await claimOne(store);
    await turn(store, { ends: [end(claim, retryAt(Date.now() + 3_600_000))], freeSlots: 0 });
    const { code, stdout } = await place.run('drain');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /1 job waits for its time, the next is due in (1h|59m \d+s) \(20.*Z\)\. Wait for that too with --all\.\n$/,
    );
    expect(await place.json('drain')).toEqual([expect.objectContaining({ idle: true, scheduled: 1 })]);
    const all = await place.run('drain', '--all', '--timeout', '50ms');
    expect(all.code).toBe(1);
    expect(all.stderr).toContain(
      'An idle queue did not come about within 50 ms. Left: 0 pending, 0 running, 1 job waits',
    );
  });

  test('never takes a count that could not be read for idle', async () => {
    const place = bench();
    const store = await owned(place);
    await store.close();
    writeFileSync(
      join(place.stateFolder, 'dogged.db'),
      'not a database, but long enough to be read as one'.repeat(99),
    );
    const { code, stdout, stderr } = await place.run('drain', '--timeout', '50ms');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('could not be counted, so it is not taken for idle');
    expect((await bench().run('drain')).code).toBe(1);
  });
});

test('prune removes what ended long ago, and its records stay known', async () => {
  const place = bench();
  const store = await owned(place);
  await admit(store, [{ key: 'old' }]);
  await turn(store, { ends: [end(await claimOne(store))], freeSlots: 0 });
  expect((await place.run('prune', '--older-than', '1000d')).stdout).toBe('0 jobs removed\n');
  expect(await place.json('prune', '--older-than', '1d')).toEqual([{ removed: 1 }]);
  expect(await admit(store, [{ key: 'old' }])).toEqual([expect.objectContaining({ result: 'already-done' })]);
  expect((await place.run('prune')).code).toBe(64);
  expect((await place.run('prune', '--older-than', '3')).stderr).toContain(
    'such as 500ms, 2s, 10m, 2h or 30d',
  );
});
