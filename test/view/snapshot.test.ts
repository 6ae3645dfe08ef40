import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Beat } from '../../src/heartbeat/beat.js';
import { writePidFile } from '../../src/heartbeat/pid-file.js';
import { defaultSettings, type Settings } from '../../src/heartbeat/settings.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { systemClock } from '../../src/platform/clock.js';
import { identifyProcess } from '../../src/platform/process-identity.js';
import type { Store } from '../../src/store/engine.js';
import { openStore } from '../../src/store/open.js';
import { painter } from '../../src/view/colour.js';
import { remainingOf } from '../../src/view/drain-text.js';
import { jobScreen } from '../../src/view/job-screen.js';
import { jobsTable } from '../../src/view/jobs-table.js';
import { jobRows } from '../../src/view/queue-monitor/job-rows.js';
import { redisText } from '../../src/view/redis-text.js';
import { queueText } from '../../src/view/screen-parts.js';
import { composeSnapshot, lookAtStore, type SystemSnapshot } from '../../src/view/snapshot.js';
import { snapshotJson } from '../../src/view/snapshot-json.js';
import { waitingFor } from '../../src/view/waiting-for.js';
import { admit, claimOne, end, ownedStore, T0, turn } from '../conformance/given.js';
import { aBeat } from '../heartbeat/a-beat.js';
import { tempFolder } from '../support/temp-folder.js';

const NOW = T0 + 60_000;
let state: string;

beforeEach(() => {
  state = join(tempFolder(), 'state');
  mkdirSync(state);
});

/** This very process plays the worker: it is certainly there. */
function workerRuns(nonce = 'nonce-a'): void {
  const identity = identifyProcess(process.pid);
  if (identity === null) throw new Error('no /proc');
  writePidFile(stateFiles(state).workerPid, { ...identity, nonce });
}

function beats(different: Partial<Beat> = {}): void {
  const wallTime = new Date(NOW - 7_000).toISOString();
  writeFileSync(join(state, 'heartbeat.json'), JSON.stringify(aBeat({ wallTime, ...different })));
}

function tells(different: Partial<Settings>): void {
  const settings = { ...defaultSettings(state, 'dogged.config.yaml'), ...different };
  writeFileSync(stateFiles(state).settings, JSON.stringify(settings));
}

const limits = (name: string, concurrency = 4, groupLimit: number | null = null) => ({
  name,
  concurrency,
  timeoutMs: 600_000,
  group: groupLimit === null ? null : { by: 'project', limit: groupLimit },
  runner: { kind: 'command' },
});

function look(): SystemSnapshot {
  return composeSnapshot(state, { status: 'missing' }, NOW);
}

async function lookWith(store: Store): Promise<SystemSnapshot> {
  return composeSnapshot(state, await lookAtStore(store, NOW), NOW);
}

function ownStore(): Promise<Store> {
  return ownedStore({ open: (use) => openStore(state, use, systemClock) });
}

describe('whether a worker runs', () => {
  test('nobody does where nothing has run yet', () => {
    expect(look()).toMatchObject({ verdict: 'stopped', worker: { pid: null }, countedFrom: 'nothing' });
  });

  test('it does when its process is there and its beat is fresh', () => {
    workerRuns();
    beats();
    const { verdict, worker } = look();
    expect(verdict).toBe('running');
    expect(worker).toMatchObject({ pid: process.pid, state: 'running', beatAgeMs: 7_000 });
    expect(worker.rssBytes).toBeGreaterThan(10_000_000);
    expect(worker.upMs).toBeGreaterThan(0);
    expect(worker.cpu).toBeGreaterThanOrEqual(0);
  });

  test('it is stuck when its beat is older than the config allows', () => {
    workerRuns();
    beats({ wallTime: new Date(NOW - 121_000).toISOString() });
    expect(look().verdict).toBe('stuck');
    const { health } = defaultSettings(state, '');
    tells({ health: { ...health, stuckMs: 300_000 } });
    expect(look().verdict).toBe('running');
  });

  test('it is dead when the process of its pid file is gone', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    const identity = identifyProcess(child.pid ?? 0);
    if (identity === null) throw new Error('it is gone already');
    writePidFile(stateFiles(state).workerPid, { ...identity, nonce: 'nonce-a' });
    expect(look().verdict).toBe('running');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(look()).toMatchObject({ verdict: 'dead', worker: { pid: child.pid, state: 'dead' } });
  });

  test('another process that was given its pid is not taken for it', () => {
    const identity = identifyProcess(process.pid);
    if (identity === null) throw new Error('no /proc');
    const startTicks = identity.startTicks + 1;
    writePidFile(stateFiles(state).workerPid, { ...identity, startTicks, nonce: 'nonce-a' });
    expect(look().verdict).toBe('dead');
  });

  test('it is unknown when the pid file is damaged, and the reason is told', () => {
    writeFileSync(stateFiles(state).workerPid, '123\nnonsense');
    expect(look()).toMatchObject({ verdict: 'unknown', problems: [expect.stringContaining('worker.pid')] });
  });

  test('the beat of the worker before it is not taken for its own', () => {
    workerRuns('nonce-b');
    beats();
    expect(look().worker).toMatchObject({ state: 'starting', beatAgeMs: null });
  });

  test('a heartbeat that cannot be trusted is told, and shows nothing', () => {
    workerRuns();
    writeFileSync(join(state, 'heartbeat.json'), '{"schema": 1');
    const { worker, problems } = look();
    expect(worker.beatAgeMs).toBeNull();
    expect(problems).toEqual([expect.stringContaining('heartbeat.json')]);
  });
});

describe('a job of a dead worker whose processes cannot be killed', () => {
  test('is told by the beat, and sits in its slot until it has ended', async () => {
    workerRuns();
    const store = await ownStore();
    await admit(store, [{ key: 'a' }]);
    const { id, ...claim } = await claimOne(store);
    const slot = { slot: 0, state: 'working' as const, job: id, task: 'build', orphanPids: [4711] };
    beats({ slots: [slot] });
    const snapshot = await lookWith(store);
    expect(snapshot.slots[0]).toMatchObject({ job: id, orphanPids: [4711] });
    const job = await store.get(null, id);
    expect(job && waitingFor(job, snapshot)).toBe('orphan');
    await turn(store, { ends: [end({ id, ...claim })], freeSlots: 0 });
    expect((await lookWith(store)).slots[0]).toEqual({ slot: 0, state: 'idle' });
    await store.close();
  });
});

describe('a job that has ended, while the store does not take its end', () => {
  const kept = (job: string, attempt = 1) => ({ job, workspace: 'default', task: 'build', attempt });

  test('does not run: its slot is idle, and it is told as kept', async () => {
    workerRuns();
    const store = await ownStore();
    await admit(store, [{ key: 'a' }, { key: 'b' }]);
    const a = await claimOne(store);
    const b = await claimOne(store);
    beats({ slots: [{ slot: 0, state: 'idle' }], endsKept: [kept(a.id)] });
    const snapshot = await lookWith(store);
    expect(snapshot.queue.running).toBe(1);
    expect(snapshot.tasks[0]?.places.running).toBe(1);
    expect(snapshot.endsKept).toEqual([kept(a.id)]);
    expect(snapshot.slots.filter(({ state }) => state === 'working').map(({ job }) => job)).toEqual([b.id]);
    expect(queueText(snapshot)).toBe(
      '0 pending · 1 running · 1 end is kept until it can be written down · 0 completed',
    );
    expect(remainingOf(snapshot).now).toBe(2);
    const layout = { columns: 200, paint: painter(false), remedy: (text: string) => text };
    const job = await store.get(null, a.id);
    if (job === null) throw new Error('no such job');
    expect(jobsTable([job], snapshot, layout)[1]).toMatch(/1 {2}ended .* its attempt is over/);
    expect(jobRows([job], 1, snapshot, layout)[0]).toMatch(/#1 {2}ended .* its attempt is over/);
    const screen = jobScreen(job, waitingFor(job, snapshot), NOW, layout).join('\n');
    expect(screen).toMatch(/^Job 1 {2}ended/);
    expect(screen).toContain('attempt 1: over, its end is kept');
    expect(screen).not.toMatch(/^took/m);
    expect(snapshotJson(snapshot)).toMatchObject({ endsKept: [kept(a.id)] });
    // By now it has been taken, or the job runs again.
    beats({ endsKept: [kept(a.id, 2)] });
    expect(await lookWith(store)).toMatchObject({ endsKept: [], queue: { running: 2 } });
    await store.close();
  });

  test('is that of a worker that is there, else it is lost and the job is found running', async () => {
    const store = await ownStore();
    await admit(store, [{ key: 'a' }]);
    const { id } = await claimOne(store);
    beats({ endsKept: [kept(id)] });
    expect(await lookWith(store)).toMatchObject({ endsKept: [], queue: { running: 1 } });
    workerRuns('nonce-b');
    expect(await lookWith(store)).toMatchObject({ endsKept: [], queue: { running: 1 } });
    await store.close();
  });
});

test('other machines with this Redis are told as of the last beat, and of no worker that is gone', () => {
  const machines = [{ site: 'pi\x1b[2J', seenMsAgo: 5_000 }];
  beats({ machines });
  expect(look().machines).toEqual([]);
  workerRuns();
  const snapshot = look();
  expect(snapshot.machines).toEqual([{ site: 'pi\x1b[2J', seenMsAgo: 12_000 }]);
  expect(snapshotJson(snapshot)).toMatchObject({ machines: snapshot.machines });
  const redis = {
    address: 'redis://127.0.0.1:6379/0',
    waiting: 0,
    elsewhere: 1,
    problem: null,
    problemSinceMs: null,
    claimable: 0,
    guests: [],
  };
  expect(redisText(redis, snapshot, painter(false))).toBe(
    'redis://127.0.0.1:6379/0 · also there: pi\\x1b[2J (seen 12s ago) · 1 job of ours runs at other machines, or waits for the lease of one that is gone to end',
  );
  expect(redisText({ ...redis, problem: 'away' }, snapshot, painter(false))).not.toContain('also there');
});

describe('counts', () => {
  test('are those of the database, however old the beat is', async () => {
    workerRuns();
    beats({ queue: { ...aBeat().queue, pending: 99 } });
    const store = await ownStore();
    await admit(store, [{ key: 'a' }, { key: 'b' }, { key: 'later', runAtMs: NOW + 5_000 }]);
    const snapshot = await lookWith(store);
    await store.close();
    expect(snapshot.queue).toMatchObject({ pending: 2, scheduled: 1, running: 0 });
    expect(snapshot).toMatchObject({ countedFrom: 'database', nextScheduledAtMs: NOW + 5_000 });
  });

  test('of jobs that Redis does not hold yet are told as a part of those that are pending', () => {
    beats({ queue: { ...aBeat().queue, pending: 120, outbox: 104 } });
    expect(queueText(look())).toBe('120 pending (104 not in Redis yet) · 0 running · 0 completed');
  });

  test('are those of the last beat where the database cannot be read, and the screen knows', () => {
    workerRuns();
    beats({ queue: { ...aBeat().queue, pending: 3 } });
    const snapshot = composeSnapshot(state, { status: 'failed', why: 'file is not a database' }, NOW);
    expect(snapshot).toMatchObject({ countedFrom: 'heartbeat', queue: { pending: 3 } });
    expect(snapshot.problems).toEqual(['database: file is not a database']);
  });

  test('of sources are completed by what the worker last said of them', async () => {
    workerRuns();
    const told = { name: 'ideas', records: 0, rejected: 0, lastPollMs: 1_200, problem: 'it is a folder' };
    beats({
      sources: [
        { ...told, waitingFiles: 2, look: { agoMs: 60_000, unaccounted: 0 } },
        { ...told, name: 'qa', problem: null },
      ],
    });
    const store = await ownStore();
    await admit(store, [{ key: 'a' }, { key: 'b' }]);
    const snapshot = await lookWith(store);
    await store.close();
    const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, expired: 0 };
    expect(snapshot.sources).toEqual([
      {
        name: 'ideas',
        records: 2,
        rejected: 0,
        lastPollMs: 1_200,
        problem: 'it is a folder',
        waitingFiles: 2,
        look: { agoMs: 60_000 + (snapshot.worker.beatAgeMs ?? Number.NaN), unaccounted: 0 },
        states: { ...none, pending: 2 },
      },
      {
        name: 'qa',
        records: 0,
        rejected: 0,
        lastPollMs: 1_200,
        problem: null,
        waitingFiles: 0,
        states: none,
      },
    ]);
  });
});

describe('slots', () => {
  test('keep the place and progress that the beat told, and follow what started and ended since', async () => {
    workerRuns();
    tells({ slots: 4, tasks: [limits('build')] });
    const store = await ownStore();
    await admit(store, [{ key: 'ended' }, { key: 'stays' }, { key: 'new' }]);
    const ended = await claimOne(store);
    const stays = await claimOne(store);
    beats({
      slots: [
        {
          slot: 0,
          state: 'working',
          job: ended.id,
          task: 'build',
          key: 'ended',
          sinceMs: 1,
          timeoutMs: 60_000,
        },
        {
          slot: 1,
          state: 'working',
          job: stays.id,
          task: 'build',
          key: 'stays',
          sinceMs: 1,
          timeoutMs: 60_000,
          progress: 0.4,
        },
        { slot: 2, state: 'idle' },
        { slot: 3, state: 'idle' },
      ],
    });
    await turn(store, { ends: [end(ended)], freeSlots: 0 });
    const fresh = await claimOne(store, { nowMs: NOW - 3_000 });
    const { slots } = await lookWith(store);
    await store.close();
    expect(slots).toEqual([
      {
        slot: 0,
        state: 'working',
        job: fresh.id,
        task: 'build',
        key: 'new',
        sinceMs: 3_000,
        timeoutMs: 600_000,
      },
      {
        slot: 1,
        state: 'working',
        job: stays.id,
        task: 'build',
        key: 'stays',
        sinceMs: 60_000,
        timeoutMs: 60_000,
        progress: 0.4,
      },
      { slot: 2, state: 'idle' },
      { slot: 3, state: 'idle' },
    ]);
  });

  test('of a worker that is dead are none, though its jobs are still running in the database', async () => {
    const store = await ownStore();
    await admit(store, [{ key: 'a' }]);
    await claimOne(store);
    const snapshot = await lookWith(store);
    await store.close();
    expect(snapshot.slots).toEqual([]);
    expect(snapshot.queue.running).toBe(1);
  });
});

describe('what waits', () => {
  test('is told with its reason from what the worker said of its limits, without a config', async () => {
    workerRuns();
    beats();
    tells({ slots: 4, tasks: [limits('build', 4, 2), limits('slow', 1)] });
    const store = await ownStore();
    await admit(store, [
      ...['1', '2', '3'].map((n) => ({ key: `g${n}`, group: 'one' })),
      ...['1', '2'].map((n) => ({ key: `s${n}`, task: 'slow' })),
    ]);
    const { waiting, runnable } = await lookWith(store);
    await store.close();
    expect(waiting).toEqual([
      { task: 'build', reason: 'group', jobs: 1 },
      { task: 'slow', reason: 'concurrency', jobs: 1 },
    ]);
    expect(runnable).toBe(3);
  });

  test('is a pause where there is one, also where no worker has ever told its limits', async () => {
    workerRuns();
    const store = await ownStore();
    await admit(store, [{ key: 'a' }, { key: 'b' }]);
    await store.setPaused('default', 'build', true, T0);
    const { waiting } = await lookWith(store);
    await store.close();
    expect(waiting).toEqual([{ task: 'build', reason: 'paused', jobs: 2 }]);
  });
});

test('while the machine has no room, what was queued since the last beat waits for it, too', async () => {
  workerRuns();
  beats({ pressure: 'memory' });
  const store = await ownStore();
  await admit(store, [{ key: 'a' }]);
  const snapshot = composeSnapshot(state, await lookAtStore(store, NOW), NOW);
  expect(snapshot.waiting).toEqual([{ task: 'build', reason: 'memory', jobs: 1 }]);
  expect(snapshot.runnable).toBe(0);
});

test('while the clock is not trusted, what is due by it waits for that and is not runnable', async () => {
  workerRuns();
  const clock = { state: 'suspect', why: 'it is not synchronised yet', forMs: 1, believedInMs: 9 } as const;
  beats({ clock });
  const store = await ownStore();
  await admit(store, [
    { key: 'due', runAtMs: T0 + 1 },
    { key: 'later', runAtMs: NOW + 1 },
  ]);
  const held = await lookWith(store);
  expect(held).toMatchObject({ waiting: [{ task: 'build', reason: 'clock', jobs: 1 }], runnable: 0, clock });
  beats();
  expect(await lookWith(store)).toMatchObject({ waiting: [], clock: null });
});
