import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TaskConfig } from '../../src/config/config.js';
import { bareReport } from '../../src/dispatch/attempt.js';
import { DoggedError } from '../../src/job/errors.js';
import { systemClock } from '../../src/platform/clock.js';
import { FAILPOINTS } from '../../src/platform/failpoint.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import { openStore } from '../../src/store/open.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { admitJob, commandTask, createRig, FIXTURES, fixtureTask, storePart } from './rig.js';
import { startWorkerProcess } from './worker-process.js';

const LINGER = commandTask('linger', [
  'sh',
  '-c',
  'echo "$DOGGED_ATTEMPT $$" >> runs; [ "$DOGGED_ATTEMPT" -gt 1 ] || sleep 60',
]);

async function addBefore(folder: string, tasks: readonly TaskConfig[], count = 1): Promise<string[]> {
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1)
    ids.push(await admitJob(store, tasks[0]?.name ?? '', { n }, { maxAttempts: 3 }));
  await store.close();
  return ids;
}

function linesOf(folder: string, name: string): string[] {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

/** A worker runs there until `hasBegun`, and is killed with all that it runs. */
async function killOnce(
  folder: string,
  tasks: Parameters<typeof startWorkerProcess>[1],
  hasBegun: () => boolean,
): Promise<void> {
  const worker = await startWorkerProcess(folder, tasks);
  await until(hasBegun);
  worker.process.kill('SIGKILL');
  await worker.ended;
}

function isAlive(pid: number): boolean {
  const stat = readProcessStat(pid);
  return stat !== null && stat.state !== 'Z';
}

test('after a worker was killed, its children are gone before its job runs again, uncharged', async () => {
  const folder = tempFolder();
  const [id = ''] = await addBefore(folder, [LINGER]);
  await killOnce(folder, [LINGER], () => linesOf(folder, 'runs').length === 1);
  const [first] = linesOf(folder, 'runs').map((line) => Number(line.split(' ')[1]));
  expect(isAlive(first ?? 0)).toBe(true);

  const rig = await createRig({ tasks: [LINGER], folder });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
  expect(isAlive(first ?? 0)).toBe(false);
  expect(await rig.job(id)).toMatchObject({ place: 'ready', attempts: 1, charged: 0, crashes: 1 });
  expect(await rig.attempts(id)).toMatchObject([
    { outcome: 'crashed', reason: 'its worker died while it ran' },
  ]);
  rig.dispatcher.start();
  await until(() => linesOf(folder, 'runs').length === 2);
  expect(linesOf(folder, 'runs')[1]).toMatch(/^2 /);
});

test('a stubborn family of a killed worker is found by its mark, also what left group, session and pipes', async () => {
  const folder = tempFolder();
  const task = fixtureTask('family', ['wait']);
  await addBefore(folder, [task]);
  await killOnce(folder, [task], () => linesOf(folder, 'state/family').length === 3);
  const family = linesOf(folder, 'state/family').map(Number);
  expect(family.filter(isAlive)).toHaveLength(3);

  const rig = await createRig({ tasks: [task], folder });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
  expect(family.filter(isAlive)).toEqual([]);
});

test('a process of a killed worker that keeps going over into new ones is hunted down before its job runs again', async () => {
  const folder = tempFolder();
  const task = fixtureTask('hopper');
  const [id = ''] = await addBefore(folder, [task]);
  await killOnce(folder, [task], () => linesOf(folder, 'state/hops').length >= 5);
  const hops = linesOf(folder, 'state/hops').length;
  await until(() => linesOf(folder, 'state/hops').length > hops + 2);

  const rig = await createRig({ tasks: [task], folder });
  await until(async () => (await rig.dispatcher.rescue()).stuck === 0, { withinMs: 20_000 });
  expect(linesOf(folder, 'state/hops').map(Number).filter(isAlive)).toEqual([]);
  expect(await rig.job(id)).toMatchObject({ place: 'ready', attempts: 1, crashes: 1 });
}, 30_000);

test('a service that hangs outlives a killed worker no longer than its rescue', async () => {
  const folder = tempFolder();
  const runner = { kind: 'service' as const, argv: [`${FIXTURES}/service.mjs`], workers: 1, pipeline: 1 };
  const task = commandTask('serve', [], { runner });
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  const first = await admitJob(store, 'serve', { do: 'pid' }, { maxAttempts: 3 });
  const worker = await startWorkerProcess(folder, [task]);
  const pid = await until(async () => Number((await store.get('default', first))?.result ?? 0));
  const hanging = await admitJob(store, 'serve', { do: 'hang' }, { maxAttempts: 3 });
  await until(async () => (await store.get('default', hanging))?.place === 'running');
  worker.process.kill('SIGKILL');
  await worker.ended;
  await store.close();

  const rig = await createRig({ tasks: [task], folder });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
  expect(isAlive(pid)).toBe(false);
});

test.each([...FAILPOINTS.filter((name) => name.startsWith('run.')), 'turn.after-commit'])(
  'killed at %s, nothing is lost and nothing runs beside itself',
  async (failpoint) => {
    const folder = tempFolder();
    const task = commandTask('note', ['sh', '-c', 'echo "$DOGGED_ATTEMPT" >> runs']);
    const [id = ''] = await addBefore(folder, [task]);
    const worker = await startWorkerProcess(folder, [task], { failpoint });
    await worker.ended;
    expect(worker.stderr()).toContain(`failpoint ${failpoint}`);

    const rig = await createRig({ tasks: [task], folder });
    expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
    rig.dispatcher.start();
    expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 2, charged: 0, crashes: 1 });
    expect((await rig.attempts(id)).map(({ outcome }) => outcome)).toEqual(['crashed', 'done']);
    expect(linesOf(folder, 'runs').at(-1)).toBe('2');
  },
);

test('killed before its first claim was committed, a worker leaves a job that was never tried', async () => {
  const folder = tempFolder();
  const task = commandTask('note', ['sh', '-c', 'echo "$DOGGED_ATTEMPT" >> runs']);
  const [id = ''] = await addBefore(folder, [task]);
  const worker = await startWorkerProcess(folder, [task], { failpoint: 'turn.before-commit' });
  await worker.ended;

  const rig = await createRig({ tasks: [task], folder });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 0, stuck: 0 });
  rig.dispatcher.start();
  expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 1, crashes: 0 });
  expect(linesOf(folder, 'runs')).toEqual(['1']);
});

test('killed in the middle of a rescue, the next worker rescues all the same, and counts one crash', async () => {
  const folder = tempFolder();
  const [id = ''] = await addBefore(folder, [LINGER]);
  const first = await startWorkerProcess(folder, [LINGER]);
  await until(() => linesOf(folder, 'runs').length === 1);
  first.process.kill('SIGKILL');
  await first.ended;
  const second = await startWorkerProcess(folder, [LINGER], { failpoint: 'rescue.before-commit' });
  await second.ended;

  const rig = await createRig({ tasks: [LINGER], folder });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
  expect(await rig.job(id)).toMatchObject({ place: 'ready', attempts: 1, crashes: 1 });
});

test('a job that was running at three deaths of its worker is a dead letter: poison', async () => {
  const folder = tempFolder();
  const killer = commandTask('killer', ['sh', '-c', 'kill -KILL $PPID; sleep 60']);
  const [id = ''] = await addBefore(folder, [killer]);
  for (let n = 0; n < 3; n += 1) {
    const worker = await startWorkerProcess(folder, [killer], { failpoint: 'none' });
    await worker.ended;
  }
  const rig = await createRig({ tasks: [killer], folder });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
  expect(await rig.job(id)).toMatchObject({
    place: 'failed',
    reason: 'poison',
    attempts: 3,
    charged: 0,
    crashes: 3,
  });
  expect(rig.dispatcher.counters.failed).toBe(1);
  expect(rig.dispatcher.status().lastFailed).toMatchObject({ job: id, task: 'killer', reason: 'poison' });
});

test.each([
  ['ran beside another costs them nothing, not even a crash', 2, 0],
  ['ran alone is a crash of that job', 1, 1],
])('a worker that we ended ourselves while a job %s', async (_name, jobs, crashes) => {
  const folder = tempFolder();
  const ids = await addBefore(folder, [LINGER], jobs);
  await killOnce(folder, [LINGER], () => linesOf(folder, 'runs').length === jobs);
  const rig = await createRig({ tasks: [LINGER], folder, lastKilledByUs: true });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: jobs, stuck: 0 });
  for (const id of ids) {
    expect(await rig.job(id)).toMatchObject({ place: 'ready', charged: 0, crashes });
    expect(await rig.attempts(id)).toMatchObject([
      { outcome: 'crashed', reason: 'its worker was stuck or stopped, and was ended while it ran' },
    ]);
  }
});

test('a job that crashed twice runs alone: nothing starts beside it, and it starts beside nothing', async () => {
  const folder = tempFolder();
  const held = commandTask('held', ['sh', '-c', 'while ! [ -e "go-$DOGGED_KEY" ]; do sleep 0.02; done']);
  const rig = await createRig({ tasks: [held], folder, slots: 4 });
  const runAtMs = systemClock.wallMs() - 10_000;
  const suspect = await rig.add('held', {}, { key: 'suspect', runAtMs });
  for (let n = 0; n < 2; n += 1) {
    const task = { task: 'held', room: 1 };
    const { claims } = await rig.store.turn({ ends: [], freeSlots: 1, eligible: [task], nowMs: runAtMs });
    const ends = claims.map((claim) => ({
      claim,
      report: bareReport({ kind: 'crashed', reason: 'died', ranAlone: false, killedByUs: false }, runAtMs),
      next: { to: 'pending', runAtMs, charged: false, crashed: true, reason: 'died' } as const,
    }));
    await rig.store.turn({ ends, freeSlots: 0, eligible: [], nowMs: runAtMs });
  }
  const before = await rig.add('held', {}, { key: 'before', runAtMs: runAtMs - 1 });
  const after = await rig.add('held', {}, { key: 'after' });
  rig.dispatcher.start();
  await rig.until(before, 'running');
  await until(() => rig.dispatcher.status().alone === suspect);
  expect(rig.dispatcher.status().freeSlots).toBe(3);
  rig.write('go-before', '');
  await rig.until(suspect, 'running');
  const { turns } = rig.dispatcher.counters;
  rig.dispatcher.nudge();
  await until(() => rig.dispatcher.counters.turns > turns);
  expect(rig.dispatcher.status()).toMatchObject({ alone: suspect, freeSlots: 3 });
  expect(await rig.job(after)).toMatchObject({ place: 'ready' });
  rig.write('go-suspect', '');
  await rig.until(after, 'running');
  expect(rig.dispatcher.status().alone).toBeNull();
  rig.write('go-after', '');
  for (const id of [before, suspect, after]) await rig.until(id, 'completed');
});

test('a job whose old process cannot be proved gone stays running, keeps its slot and never runs beside itself', async () => {
  const folder = tempFolder();
  const [id = ''] = await addBefore(folder, [LINGER]);
  await killOnce(folder, [LINGER], () => linesOf(folder, 'runs').length === 1);

  const [firstPid] = linesOf(folder, 'runs').map((line) => Number(line.split(' ')[1]));
  const other = commandTask('other', ['true']);
  const rig = await createRig({ tasks: [LINGER, other], folder, slots: 1 });
  const realKill = process.kill;
  // What the kernel does not let go looks like this: the signal is taken, and the process stays.
  process.kill = (pid, signal) => (signal === 'SIGKILL' ? true : realKill.call(process, pid, signal));
  try {
    expect(await rig.dispatcher.rescue()).toEqual({ recovered: 0, stuck: 1 });
  } finally {
    process.kill = realKill;
  }
  expect(rig.logged()).toContain('cannot be killed');
  rig.dispatcher.start();
  const waiting = await rig.add('other');
  await until(() => rig.dispatcher.counters.turns > 0);
  expect(rig.dispatcher.status()).toMatchObject({
    freeSlots: 0,
    slots: [{ state: 'working', job: id, orphanPids: expect.arrayContaining([firstPid]) }],
  });
  expect(rig.dispatcher.drained()).toBe(false);
  expect(await rig.job(id)).toMatchObject({ place: 'running' });
  // As soon as it can be proved gone, all goes on by itself.
  await rig.until(waiting, 'completed');
  await until(() => linesOf(folder, 'runs').length === 2);
}, 20_000);

test('it keeps the permit of its group, too: nothing of that group runs meanwhile', async () => {
  const folder = tempFolder();
  const grouped = { ...LINGER, group: { by: 'project', limit: 1 } };
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  const first = await admitJob(store, 'linger', { n: 1 }, { group: 'p', maxAttempts: 3 });
  await store.close();
  await killOnce(folder, [grouped], () => linesOf(folder, 'runs').length === 1);

  const rig = await createRig({ tasks: [grouped], folder, slots: 4 });
  const second = await rig.add('linger', { n: 2 }, { group: 'p' });
  const free = await rig.add('linger', { n: 3 }, { group: 'q' });
  const realKill = process.kill;
  process.kill = (pid, signal) => (signal === 'SIGKILL' ? true : realKill.call(process, pid, signal));
  try {
    await rig.dispatcher.rescue();
  } finally {
    process.kill = realKill;
  }
  rig.dispatcher.start();
  await rig.until(free, 'running');
  expect(await rig.job(first)).toMatchObject({ place: 'running', attempts: 1 });
  expect(await rig.job(second)).toMatchObject({ place: 'parked', attempts: 0 });
  await rig.until(first, 'completed');
  await rig.until(second, 'running');
}, 20_000);

test('the jobs of a dead worker wait while the database is locked', async () => {
  const folder = tempFolder();
  const [id = ''] = await addBefore(folder, [LINGER]);
  await killOnce(folder, [LINGER], () => linesOf(folder, 'runs').length === 1);
  let refusals = 0;
  const rig = await createRig({
    tasks: [LINGER],
    folder,
    wrapStore: (store) => ({
      ...storePart(store),
      rescue: async (ends, nowMs) => {
        refusals += 1;
        if (refusals <= 2) throw new DoggedError('STORE_BUSY', { file: 'dogged.db', waitedMs: 1 });
        return store.rescue(ends, nowMs);
      },
    }),
  });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
  expect(await rig.job(id)).toMatchObject({ place: 'ready', crashes: 1 });
});

test('the jobs of a dead worker wait for a Redis that is away, and the worker starts without them', async () => {
  const folder = tempFolder();
  const [id = ''] = await addBefore(folder, [LINGER]);
  await killOnce(folder, [LINGER], () => linesOf(folder, 'runs').length === 1);
  let isAway = true;
  const rig = await createRig({
    tasks: [LINGER],
    folder,
    wrapStore: (store) => ({
      ...storePart(store),
      rescue: async (ends, nowMs) => {
        if (isAway) throw new DoggedError('REDIS_AWAY', { address: 'redis://here', detail: 'frozen' });
        return store.rescue(ends, nowMs);
      },
    }),
  });
  expect(await rig.dispatcher.rescue()).toEqual({ recovered: 0, stuck: 0 });
  expect(await rig.job(id)).toMatchObject({ place: 'running' });
  rig.dispatcher.start();
  isAway = false;
  await rig.until(id, 'completed');
  expect(await rig.job(id)).toMatchObject({ attempts: 2, crashes: 1 });
}, 20_000);
