import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BreakerConfig, TaskConfig } from '../../src/config/config.js';
import { systemClock } from '../../src/platform/clock.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import type { Turn } from '../../src/store/contract.js';
import { openStore } from '../../src/store/open.js';
import type { Outage } from '../../src/store/read-contract.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { admitJob, commandTask, createRig, FIXTURES, fixtureTask, type Rig, storePart } from './rig.js';
import { startWorkerProcess } from './worker-process.js';

const HOUR_MS = 3_600_000;

function breaker(dependency: string, more: Partial<BreakerConfig> = {}): Pick<TaskConfig, 'breaker'> {
  return { breaker: { dependency, after: 5, cooldownMs: 30_000, probe: null, ...more } };
}

/** A budget of one: a job that is charged once is dead. */
const ONE_TRY = { retry: { attempts: 1, backoff: { minMs: 5, maxMs: 20 } } };

async function addMany(rig: Rig, task: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await rig.add(task, { n }));
  return ids;
}

const outages = (rig: Pick<Rig, 'store'>) => rig.store.outages(9);

async function ongoing(rig: Rig): Promise<Outage> {
  return until(async () => (await outages(rig)).find(({ untilMs }) => untilMs === null));
}

async function over(rig: Rig): Promise<Outage> {
  return until(async () => {
    const [newest] = await outages(rig);
    return newest?.untilMs ? newest : null;
  });
}

function linesOf(folder: string, name: string): string[] {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

test('while all is well nothing about a breaker is stored, whatever jobs end in', async () => {
  const turns: Turn[] = [];
  const script = 'case $(cat) in *bad*) exit 65;; *) true;; esac';
  const rig = await createRig({
    tasks: [commandTask('well', ['sh', '-c', script])],
    wrapStore: (store) => ({
      ...storePart(store),
      turn: (turn: Turn) => {
        turns.push(turn);
        return store.turn(turn);
      },
    }),
  });
  rig.dispatcher.start();
  const [bad, good] = [await rig.add('well', { is: 'bad' }), await rig.add('well')];
  await rig.until(bad, 'failed');
  await rig.until(good, 'completed');
  expect(turns.length).toBeGreaterThan(1);
  expect(turns.filter(({ breakers }) => breakers !== undefined)).toEqual([]);
});

describe('a program that is missing', () => {
  test('opens its breaker; 50 jobs wait and lose no attempt, other tasks go on', async () => {
    const tasks = [commandTask('lost', ['./lost'], ONE_TRY), commandTask('fine', ['true'])];
    const rig = await createRig({ tasks, slots: 4 });
    const ids = await addMany(rig, 'lost', 50);
    rig.dispatcher.start();
    const outage = await ongoing(rig);
    await rig.until(await rig.add('fine'), 'completed');
    await until(() => rig.dispatcher.drained());
    const jobs = await Promise.all(ids.map((id) => rig.job(id)));
    expect(jobs.every(({ charged, place }) => charged === 0 && place !== 'failed')).toBe(true);
    // Five, and what ran beside the fifth.
    const tried = jobs.filter(({ attempts }) => attempts > 0);
    expect(tried.length).toBeGreaterThanOrEqual(5);
    expect(tried.length).toBeLessThanOrEqual(8);
    expect(outage).toMatchObject({ dependency: 'lost', evidence: null, casualties: 0 });
    expect(rig.dispatcher.status().away).toEqual(['lost']);
    expect(outage.cause).toContain('ENOENT');
    expect(outage.trial?.tasks).toEqual(['lost']);
    expect(await outages(rig)).toMatchObject([{ id: outage.id, held: 50 }]);
  });

  test('is tried again after the cool-down, and once it is back all jobs complete', async () => {
    const task = commandTask('late', ['./late'], { ...ONE_TRY, ...breaker('late', { cooldownMs: 100 }) });
    const rig = await createRig({ tasks: [task], slots: 4 });
    const ids = await addMany(rig, 'late', 50);
    rig.dispatcher.start();
    const { id } = await ongoing(rig);
    // At least one trial in vain: the same outage goes on.
    await until(async () => (await outages(rig))[0]?.trial?.lastFailure?.includes('ENOENT'));
    rig.write('late', '#!/bin/sh\nexit 0\n');
    for (const job of ids) expect(await rig.until(job, 'completed')).toMatchObject({ charged: 0 });
    const [outage, ...others] = await outages(rig);
    expect(others).toEqual([]);
    expect(outage).toMatchObject({ id, held: 50, evidence: expect.stringMatching(/^job \d+ completed$/) });
    expect(await rig.store.breakers()).toEqual([]);
    expect(rig.dispatcher.status().away).toEqual([]);
    expect(rig.logged()).toContain('late is away, its jobs wait');
    expect(rig.logged()).toContain('The outage of late is over: job');
  });

  test('does not keep a job backing off for longer than the breaker is open', async () => {
    const retry = { attempts: 1, backoff: { minMs: HOUR_MS, maxMs: HOUR_MS } };
    const task = commandTask('late', ['./late'], { retry, ...breaker('late', { after: 1, cooldownMs: 50 }) });
    const rig = await createRig({ tasks: [task] });
    const id = await rig.add('late');
    rig.dispatcher.start();
    await ongoing(rig);
    rig.write('late', '#!/bin/sh\nexit 0\n');
    expect(await rig.until(id, 'completed')).toMatchObject({ charged: 0 });
  });
});

describe('other ways to be away', () => {
  const service = (argv: readonly string[]): Partial<TaskConfig> => ({
    runner: { kind: 'service', argv, workers: 1, pipeline: 1 },
    ...ONE_TRY,
    ...breaker('away', { after: 3 }),
  });

  test.each<[what: string, task: Partial<TaskConfig>, cause: string]>([
    ['a service that answers so', service([join(FIXTURES, 'service.mjs')]), 'as asked'],
    ['a service that cannot be started', service(['./gone']), 'ENOENT'],
    [
      'a program that may not be executed',
      { ...commandTask('away', ['./locked']), ...breaker('away', { after: 3 }) },
      'EACCES',
    ],
    [
      'a command that a shell does not find',
      { ...commandTask('away', ['sh', '-c', 'no-such-command']), ...breaker('away', { after: 3 }) },
      'exit 127 (the program was not found)',
    ],
  ])('%s opens the breaker, too, and charges nobody', async (_, task, cause) => {
    const rig = await createRig({ tasks: [commandTask('away', [], task)], slots: 1 });
    rig.write('locked', '#!/bin/sh\n', 0o644);
    const ids: string[] = [];
    for (let n = 0; n < 6; n += 1)
      ids.push(await rig.add('away', { do: 'fail', more: { unavailable: true } }));
    rig.dispatcher.start();
    expect(await ongoing(rig)).toMatchObject({ dependency: 'away', cause: expect.stringContaining(cause) });
    await until(() => rig.dispatcher.drained());
    const jobs = await Promise.all(ids.map((id) => rig.job(id)));
    expect(jobs.map(({ charged }) => charged)).toEqual(Array(6).fill(0));
    expect(rig.dispatcher.counters.claims).toBe(3);
  });
});

describe('half-open', () => {
  /** Notes each run; stays until `go` is there, then ends with the code that `answer` holds. */
  const TRIED = [
    'sh',
    '-c',
    'echo "$DOGGED_JOB_ID" >> tried; [ -e up ] || exit 69; echo x >> held; while ! [ -e go ]; do sleep 0.01; done; exit $(cat go)',
  ];

  test('exactly one job goes through, though four slots are free; the others follow when it is done', async () => {
    const task = commandTask('try', TRIED, breaker('try', { cooldownMs: 200 }));
    const rig = await createRig({ tasks: [task], slots: 4 });
    const ids = await addMany(rig, 'try', 12);
    rig.dispatcher.start();
    await ongoing(rig);
    rig.write('up', '');
    await until(() => linesOf(rig.folder, 'held').length > 0);
    const { turns, claims } = rig.dispatcher.counters;
    // However often it is asked, and whatever comes: it stays at one.
    await until(async () => {
      await rig.add('try');
      return rig.dispatcher.counters.turns >= turns + 10;
    });
    expect(rig.dispatcher.counters.claims).toBe(claims);
    expect((await rig.store.counts()).total.running).toBe(1);
    expect(rig.dispatcher.status().freeSlots).toBe(3);
    rig.write('go', '0');
    for (const id of ids) await rig.until(id, 'completed');
    expect(await outages(rig)).toMatchObject([{ untilMs: expect.any(Number) }]);
  });

  test('a trial that fails opens it again, is charged itself, and no other job is', async () => {
    const task = commandTask('try', TRIED, breaker('try', { cooldownMs: 200 }));
    const rig = await createRig({ tasks: [task], slots: 4 });
    const ids = await addMany(rig, 'try', 8);
    rig.dispatcher.start();
    await ongoing(rig);
    rig.write('go', '1');
    rig.write('up', '');
    const trial = await until(
      async () => (await outages(rig))[0]?.trial?.lastFailure?.match(/^job (\d+): exit 1$/)?.[1],
    );
    const jobs = await Promise.all(ids.map((id) => rig.job(id)));
    expect(jobs.filter(({ charged }) => charged > 0).map(({ id }) => id)).toContain(trial);
    const spans = jobs.flatMap(({ charged, history }) => {
      const failed = history.flatMap((entry) =>
        entry.kind === 'attempt' && entry.outcome === 'failed' ? [entry] : [],
      );
      expect(charged).toBe(failed.length);
      return failed.map(({ atMs, endedAtMs }) => [atMs, endedAtMs ?? 0] as const);
    });
    // One after the other, each after a cool-down of its own.
    spans.sort(([a], [b]) => a - b);
    for (const [i, [startedMs]] of spans.entries()) {
      if (i > 0) expect(startedMs - (spans[i - 1]?.[1] ?? 0)).toBeGreaterThanOrEqual(190);
    }
    expect(await outages(rig)).toHaveLength(1);
  });

  test('a trial that says nothing about the dependency leaves the decision to the next job', async () => {
    const task = commandTask('try', TRIED, { ...ONE_TRY, ...breaker('try', { cooldownMs: 100 }) });
    const rig = await createRig({ tasks: [task], slots: 4 });
    const ids = await addMany(rig, 'try', 6);
    rig.dispatcher.start();
    const { id } = await ongoing(rig);
    rig.write('go', '65');
    rig.write('up', '');
    for (const job of ids) await rig.until(job, 'failed');
    // Each was refused for itself: nothing has worked yet, and the next one is still the only one.
    expect(await outages(rig)).toMatchObject([{ id, untilMs: null, casualties: 0 }]);
    rig.write('go', '0');
    const last = await rig.add('try');
    await rig.until(last, 'completed');
    expect(await over(rig)).toMatchObject({ id, evidence: `job ${last} completed` });
  });

  test('what began before it opened tells of the past: it neither closes the breaker nor prolongs it', async () => {
    const script = 'case $(cat) in *old*) while ! [ -e go ]; do sleep 0.01; done;; *) exit 69;; esac';
    const task = commandTask('try', ['sh', '-c', script], breaker('try', { cooldownMs: HOUR_MS }));
    const rig = await createRig({ tasks: [task], slots: 4 });
    const old = await rig.add('try', { is: 'old' });
    rig.dispatcher.start();
    await rig.until(old, 'running');
    await addMany(rig, 'try', 6);
    const before = await ongoing(rig);
    rig.write('go', '');
    await rig.until(old, 'completed');
    const [after] = await outages(rig);
    expect(after).toMatchObject({
      id: before.id,
      untilMs: null,
      trial: { retryAtMs: before.trial?.retryAtMs },
    });
  });

  test('it keeps its cool-down when the wall clock is set', async () => {
    let jumpMs = 0;
    const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + jumpMs };
    const task = commandTask('try', TRIED, breaker('try', { after: 1, cooldownMs: HOUR_MS }));
    const rig = await createRig({ tasks: [task], clock });
    await rig.add('try');
    rig.dispatcher.start();
    await ongoing(rig);
    jumpMs = 24 * HOUR_MS;
    await addMany(rig, 'try', 3);
    const { turns } = rig.dispatcher.counters;
    await until(() => {
      rig.dispatcher.nudge();
      return rig.dispatcher.counters.turns > turns + 3;
    });
    expect(linesOf(rig.folder, 'tried')).toHaveLength(1);
  });
});

describe('a shared dependency', () => {
  test('holds back all tasks that name it, lets one job of all of them through, and lets all go together', async () => {
    const shared = breaker('model', { after: 3, cooldownMs: 150 });
    const script = '[ -e up ] || exit 69; echo x >> held; while ! [ -e go ]; do sleep 0.01; done';
    const tasks = [
      commandTask('a', ['sh', '-c', script], shared),
      commandTask('b', ['sh', '-c', script], shared),
      commandTask('free', ['true']),
    ];
    const rig = await createRig({ tasks, slots: 4 });
    const first = await addMany(rig, 'a', 4);
    rig.dispatcher.start();
    const outage = await ongoing(rig);
    expect(outage).toMatchObject({ dependency: 'model', trial: { tasks: ['a', 'b'] } });
    rig.write('up', '');
    const second = await addMany(rig, 'b', 4);
    await rig.until(await rig.add('free'), 'completed');
    await until(() => linesOf(rig.folder, 'held').length > 0);
    const { turns } = rig.dispatcher.counters;
    await until(() => {
      rig.dispatcher.nudge();
      return rig.dispatcher.counters.turns > turns + 5;
    });
    expect((await rig.store.counts()).total.running).toBe(1);
    rig.write('go', '');
    for (const id of [...first, ...second]) await rig.until(id, 'completed');
    expect(await outages(rig)).toMatchObject([{ id: outage.id, dependency: 'model', held: 8 }]);
  });
});

describe('a probe', () => {
  const PROBE =
    'echo "$DOGGED_TASK $COLOUR $(env | grep -c SECRET) $$" >> probes; echo "no luck" >&2; test -e up';

  test('is run in place of a job: until it answers no job is tried, and its exit 0 ends the outage', async () => {
    process.env['SECRET'] = 'of the worker alone';
    onTestFinished(() => {
      delete process.env['SECRET'];
    });
    const probe = { argv: ['sh', '-c', PROBE], task: 'try', env: { COLOUR: 'red' } };
    const task = commandTask('try', ['sh', '-c', 'echo x >> tried; [ -e up ] || exit 69'], {
      ...breaker('model', { after: 2, cooldownMs: 100, probe }),
    });
    const rig = await createRig({ tasks: [task], slots: 1 });
    const ids = await addMany(rig, 'try', 6);
    rig.dispatcher.start();
    await ongoing(rig);
    await until(() => linesOf(rig.folder, 'probes').length >= 3);
    expect(linesOf(rig.folder, 'tried')).toHaveLength(2);
    expect(linesOf(rig.folder, 'probes')[0]).toMatch(/^try red 0 \d+$/);
    expect((await outages(rig))[0]?.trial?.lastFailure).toBe('probe exit 1: no luck');
    rig.write('up', '');
    for (const id of ids) expect(await rig.until(id, 'completed')).toMatchObject({ charged: 0 });
    expect(await outages(rig)).toMatchObject([{ evidence: 'probe exit 0', held: 6 }]);
  });

  test('ends an outage also when no job waits for it', async () => {
    const probe = { argv: ['test', '-e', 'up'], task: 'try', env: {} };
    const task = commandTask(
      'try',
      ['sh', '-c', 'exit 69'],
      breaker('try', { after: 1, cooldownMs: 50, probe }),
    );
    const rig = await createRig({ tasks: [task] });
    const id = await rig.add('try');
    rig.dispatcher.start();
    await ongoing(rig);
    await rig.store.cancel('default', [id], systemClock.wallMs());
    rig.write('up', '');
    expect(await over(rig)).toMatchObject({ evidence: 'probe exit 0', held: 0 });
  });

  test('that cannot be started says so, and the breaker stays open', async () => {
    const probe = { argv: ['./no-probe'], task: 'try', env: {} };
    const task = commandTask('try', ['./gone'], breaker('try', { after: 1, cooldownMs: 50, probe }));
    const rig = await createRig({ tasks: [task] });
    await rig.add('try');
    rig.dispatcher.start();
    await until(async () =>
      (await outages(rig))[0]?.trial?.lastFailure?.startsWith('probe spawn ./no-probe'),
    );
    expect(rig.dispatcher.counters.claims).toBe(1);
  });

  test('that hangs is killed with all that it started, and counts as a failure', async () => {
    // Its ten seconds are over at once.
    const clock = {
      ...systemClock,
      after: (ms: number, action: () => void, options?: { background?: boolean }) =>
        systemClock.after(ms > 9_000 && ms <= 10_000 ? 300 : ms, action, options),
      monotonicMs: () => systemClock.monotonicMs() * 40,
    };
    const probe = {
      argv: ['sh', '-c', 'sleep 61 & echo $! > pid; echo $$ >> pid; wait'],
      task: 'try',
      env: {},
    };
    const task = commandTask('try', ['./gone'], breaker('try', { after: 1, cooldownMs: 1_000, probe }));
    const rig = await createRig({ tasks: [task], clock });
    await rig.add('try');
    rig.dispatcher.start();
    await until(async () => (await outages(rig))[0]?.trial?.lastFailure === 'probe longer than 10 s');
    const pids = linesOf(rig.folder, 'pid').map(Number);
    expect(pids).toHaveLength(2);
    expect(pids.filter((pid) => readProcessStat(pid)?.state.match(/[^Z]/))).toEqual([]);
  });

  test('that runs when the worker stops is killed, with its family, and nothing comes of it', async () => {
    const probe = { ...fixtureProbe('family'), task: 'try' };
    const task = commandTask('try', ['./gone'], breaker('try', { after: 1, cooldownMs: 50, probe }));
    const rig = await createRig({ tasks: [task] });
    await rig.add('try');
    rig.dispatcher.start();
    await until(() => linesOf(rig.stateFolder, 'family').length === 3);
    expect(rig.dispatcher.drained()).toBe(false);
    await rig.dispatcher.stop(1_000);
    const pids = linesOf(rig.stateFolder, 'family').map(Number);
    expect(pids.filter((pid) => readProcessStat(pid)?.state.match(/[^Z]/))).toEqual([]);
    expect((await outages(rig))[0]).toMatchObject({ untilMs: null, trial: { lastFailure: null } });
  });
});

describe('a restart', () => {
  test('while it is open takes up what is left of its cool-down: nothing runs, and the outage is the same', async () => {
    const folder = tempFolder();
    const task = commandTask(
      'away',
      ['sh', '-c', 'echo x >> tried; exit 69'],
      breaker('away', { cooldownMs: HOUR_MS }),
    );
    const first = await createRig({ tasks: [task], folder, slots: 4 });
    await addMany(first, 'away', 10);
    first.dispatcher.start();
    const before = await ongoing(first);
    await first.dispatcher.stop(1_000);
    await first.store.close();
    const runs = linesOf(folder, 'tried').length;

    const second = await createRig({ tasks: [task], folder, slots: 4 });
    second.dispatcher.start();
    await until(() => second.dispatcher.drained());
    expect(linesOf(folder, 'tried')).toHaveLength(runs);
    expect(await outages(second)).toMatchObject([{ id: before.id, sinceMs: before.sinceMs, held: 10 }]);
  });

  test('after its cool-down tries one job, and closes it for all', async () => {
    const folder = tempFolder();
    const task = commandTask(
      'away',
      ['sh', '-c', '[ -e up ] || exit 69'],
      breaker('away', { cooldownMs: 300 }),
    );
    const worker = await startWorkerProcess(folder, [task], { slots: 4 });
    const store = await openStore(join(folder, 'state'), 'command', systemClock);
    const ids = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) => admitJob(store, 'away', { n }, { maxAttempts: 1 })),
    );
    const open = await until(async () => (await store.outages(1))[0]);
    worker.process.kill('SIGKILL');
    await worker.ended;
    await store.close();

    const rig = await createRig({ tasks: [task], folder, slots: 4 });
    rig.write('up', '');
    await rig.dispatcher.rescue();
    rig.dispatcher.start();
    for (const id of ids) expect(await rig.until(id, 'completed')).toMatchObject({ charged: 0 });
    expect(await outages(rig)).toMatchObject([{ id: open.id, untilMs: expect.any(Number) }]);
  });

  test('after a kill in the middle of a trial tries the next, and counts the crash against nobody', async () => {
    const folder = tempFolder();
    const script = '[ -e up ] || exit 69; [ -e go ] || { echo x >> trials; sleep 60; }';
    const task = commandTask('away', ['sh', '-c', script], breaker('away', { cooldownMs: 100 }));
    const worker = await startWorkerProcess(folder, [task], { slots: 4 });
    const store = await openStore(join(folder, 'state'), 'command', systemClock);
    const ids = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) => admitJob(store, 'away', { n }, { maxAttempts: 1 })),
    );
    const open = await until(async () => (await store.outages(1))[0]);
    writeFileSync(join(folder, 'up'), '');
    await until(() => linesOf(folder, 'trials').length === 1);
    worker.process.kill('SIGKILL');
    await worker.ended;
    await store.close();

    const rig = await createRig({ tasks: [task], folder, slots: 4 });
    expect(await outages(rig)).toMatchObject([{ id: open.id, untilMs: null }]);
    expect(await rig.dispatcher.rescue()).toEqual({ recovered: 1, stuck: 0 });
    rig.dispatcher.start();
    await until(() => linesOf(folder, 'trials').length === 2);
    expect((await rig.store.counts()).total.running).toBe(1);
    rig.write('go', '');
    await rig.dispatcher.stop(0);
    await rig.store.close();

    const last = await createRig({ tasks: [task], folder, slots: 4 });
    last.dispatcher.start();
    for (const id of ids) expect(await last.until(id, 'completed')).toMatchObject({ charged: 0 });
    expect(await outages(last)).toMatchObject([{ id: open.id, untilMs: expect.any(Number) }]);
  });

  test('with a config that names the dependency no longer ends its outage, and says why', async () => {
    const folder = tempFolder();
    const task = (dependency: string) =>
      commandTask('away', ['sh', '-c', 'exit 69'], breaker(dependency, { after: 1 }));
    const first = await createRig({ tasks: [task('old')], folder });
    await first.add('away');
    first.dispatcher.start();
    await ongoing(first);
    await first.dispatcher.stop(0);
    await first.store.close();
    const second = await createRig({ tasks: [task('new')], folder });
    second.dispatcher.start();
    const found = await until(async () =>
      (await outages(second)).find(({ dependency, untilMs }) => dependency === 'old' && untilMs),
    );
    expect(found.evidence).toBe('the config names it no longer');
  });

  test('does not forget the failures in a row', async () => {
    const folder = tempFolder();
    const task = commandTask('away', ['sh', '-c', 'exit 69'], {
      ...breaker('away', { after: 2 }),
      retry: { attempts: 1, backoff: { minMs: HOUR_MS, maxMs: HOUR_MS } },
    });
    for (let run = 0; run < 2; run += 1) {
      const rig = await createRig({ tasks: [task], folder });
      await rig.add('away');
      rig.dispatcher.start();
      await until(async () => (await rig.store.breakers()).length > 0);
      await until(() => rig.dispatcher.drained());
      expect(await outages(rig)).toHaveLength(run);
      await rig.dispatcher.stop(0);
      await rig.store.close();
    }
  });
});

describe('a database that refuses the turn in which a breaker moves', () => {
  test('gets the move again with the same ends: one outage, and no failure counted twice', async () => {
    let refusals = 0;
    const task = commandTask('away', ['sh', '-c', 'exit 69'], {
      ...breaker('away', { after: 3 }),
      retry: { attempts: 1, backoff: { minMs: HOUR_MS, maxMs: HOUR_MS } },
    });
    const rig = await createRig({
      tasks: [task],
      slots: 1,
      wrapStore: (store) => ({
        ...storePart(store),
        turn: async (turn: Turn) => {
          if (turn.breakers !== undefined && refusals++ % 2 === 0) throw new Error('no');
          return store.turn(turn);
        },
      }),
    });
    rig.dispatcher.start();
    await addMany(rig, 'away', 2);
    await until(async () => (await rig.store.breakers())[0]?.failures === 2);
    await addMany(rig, 'away', 1);
    await ongoing(rig);
    await until(() => rig.dispatcher.drained());
    expect(refusals).toBe(6);
    expect(await outages(rig)).toHaveLength(1);
  });
});

test('a database that refuses the turn in which a probe has answered gets the answer again', async () => {
  let refusals = 0;
  const probe = { argv: ['sh', '-c', 'echo x >> probes; test -e up'], task: 'try', env: {} };
  const task = commandTask('try', ['sh', '-c', '[ -e up ] || exit 69'], {
    ...breaker('try', { after: 1, cooldownMs: 200, probe }),
  });
  const rig = await createRig({
    tasks: [task],
    wrapStore: (store) => ({
      ...storePart(store),
      turn: async (turn: Turn) => {
        const isClosing = turn.breakers?.some(({ to }) => to === 'closed');
        if (isClosing && refusals++ < 2) throw new Error('no');
        return store.turn(turn);
      },
    }),
  });
  const id = await rig.add('try');
  rig.dispatcher.start();
  await ongoing(rig);
  rig.write('up', '');
  await rig.until(id, 'completed');
  expect(refusals).toBe(3);
  expect(await outages(rig)).toMatchObject([{ evidence: 'probe exit 0' }]);
});

describe('what an outage costs', () => {
  test('are the jobs that failed for good while it was open; redriven, they run', async () => {
    const script =
      'case $(cat) in *old*) while ! [ -e go ]; do sleep 0.01; done; [ -e up ];; *) [ -e up ] || exit 69;; esac';
    const task = commandTask('try', ['sh', '-c', script], {
      ...ONE_TRY,
      ...breaker('try', { cooldownMs: 200 }),
    });
    const rig = await createRig({ tasks: [task], slots: 4 });
    const early = await rig.add('try', { is: 'old' });
    rig.dispatcher.start();
    await rig.until(early, 'running');
    const others = await addMany(rig, 'try', 6);
    const outage = await ongoing(rig);
    rig.write('go', '');
    await rig.until(early, 'failed');
    expect((await rig.store.casualties(outage.id, 9))?.map(({ id }) => id)).toEqual([early]);
    rig.write('up', '');
    for (const id of others) await rig.until(id, 'completed');
    expect(await over(rig)).toMatchObject({ id: outage.id, casualties: 1 });
    expect(await rig.store.redrive('default', [early], systemClock.wallMs())).toEqual(['queued']);
    rig.dispatcher.nudge();
    await rig.until(early, 'completed');
    expect(await rig.store.casualties(outage.id, 9)).toEqual([]);
  });
});

function fixtureProbe(name: string): { argv: readonly string[]; env: Record<string, string> } {
  const { runner } = fixtureTask(name, ['wait']);
  return { argv: runner.kind === 'command' ? runner.argv : [], env: {} };
}
