import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CheckResult } from '../../src/health/check.js';
import { configCheck } from '../../src/health/check-config.js';
import { machineChecks } from '../../src/health/check-machine.js';
import { processChecks } from '../../src/health/check-processes.js';
import { type QueueFacts, queueChecks } from '../../src/health/check-queue.js';
import { diagnose } from '../../src/health/diagnose.js';
import { openTally } from '../../src/health/tally.js';
import type { Beat } from '../../src/heartbeat/beat.js';
import { writeDesired } from '../../src/heartbeat/desired.js';
import { writeHang } from '../../src/heartbeat/hang-file.js';
import { nameThisProcess, writePidFile } from '../../src/heartbeat/pid-file.js';
import { beatFile } from '../../src/heartbeat/read-beat.js';
import { openRecoveryLog } from '../../src/heartbeat/recovery-log.js';
import { defaultSettings } from '../../src/heartbeat/settings.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { systemClock } from '../../src/platform/clock.js';
import { aBeat } from '../heartbeat/a-beat.js';
import { aHang } from '../heartbeat/a-hang.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';

/** A state folder in which this very process plays worker and monitor. */
function running(different: Partial<Beat> = {}) {
  const stateFolder = tempFolder();
  const self = nameThisProcess();
  const files = stateFiles(stateFolder);
  writePidFile(files.workerPid, self);
  writePidFile(files.monitorPid, self);
  const clock = new FakeClock();
  writeFileSync(beatFile(stateFolder), JSON.stringify(aBeat({ ...self, ...different })));
  return { stateFolder, clock, files };
}

async function checkProcesses(stateFolder: string, clock: FakeClock): Promise<Map<string, CheckResult>> {
  const checks = processChecks({
    stateFolder,
    settings: defaultSettings(stateFolder, '/srv/dogged.config.yaml'),
    clock,
    version: '0.1.0',
    figuresOf: () => ({ upMs: 11_520_000, rssBytes: 42_991_616, cpu: 0.43 }),
  });
  const { checks: results } = await diagnose(checks, systemClock);
  return new Map(results.map((one) => [one.name, one]));
}

test('a pair that is well says so, with its figures', async () => {
  const { stateFolder, clock } = running();
  await clock.advance(7_000);
  const found = await checkProcesses(stateFolder, clock);
  expect(found.get('worker')?.text).toBe(`PID: ${process.pid}, up 3h 12m, 41 MB, 0.4 % CPU since its start`);
  expect(found.get('progress')?.text).toBe(
    'polls 1 · commits 1 · claims 0 · completed 0 · failed 0, as of 7s ago',
  );
  expect(found.get('processes')?.text).toBe('All processes running');
  expect(found.get('heartbeat')?.text).toBe('Status file fresh: 7s old');
  expect(found.get('deadlock')?.text).toBe('No deadlock detected: loop lag p99 1 ms, longest 2 ms');
  expect([...found.values()].map((one) => one.status)).not.toContain('warning');
});

test('a beat that grows old is first late, then stale, and names its cure', async () => {
  const { stateFolder, clock } = running();
  await clock.advance(75_000);
  expect((await checkProcesses(stateFolder, clock)).get('heartbeat')).toMatchObject({
    status: 'warning',
    text: 'Status file late: 1m 15s old',
  });
  await clock.advance(60_000);
  const found = await checkProcesses(stateFolder, clock);
  expect(found.get('heartbeat')).toMatchObject({ status: 'critical', remedy: 'dogged health --recover' });
  expect(found.get('deadlock')?.status).toBe('critical');
});

test('a loop that stood still within the hour is a warning that names the place', async () => {
  const { stateFolder, clock } = running();
  const at = (hours: number) => new Date(clock.wallMs() - hours * 3_600_000).toISOString();
  writeHang(stateFolder, aHang({ at: at(2) }));
  const deadlock = async () => (await checkProcesses(stateFolder, clock)).get('deadlock');
  expect(await deadlock()).toMatchObject({ status: 'ok' });
  const stack = [{ function: 'spin', file: '/a/gate.js', line: 12, column: 3 }];
  writeHang(stateFolder, aHang({ at: at(0.5), stack }));
  expect(await deadlock()).toMatchObject({
    status: 'warning',
    text: '1 stall in the last hour, the last in spin (gate.js:12), after loop; loop lag p99 1 ms, longest 2 ms',
  });
});

test('a database that somebody else holds is a warning that names him', async () => {
  const { stateFolder, clock } = running({ held: { forMs: 40_000, pids: [7] } });
  expect((await checkProcesses(stateFolder, clock)).get('progress')).toMatchObject({
    status: 'warning',
    text: expect.stringContaining('PID 7 has held the database for 40s'),
    remedy: 'ps -fp 7',
  });
});

test('the beat of a worker that is gone says nothing about the one that runs', async () => {
  const { stateFolder, clock } = running({ nonce: 'of another' });
  expect((await checkProcesses(stateFolder, clock)).get('heartbeat')).toMatchObject({
    status: 'warning',
    text: 'The worker has not beaten yet',
  });
});

test('without a worker it is said why there is none, and what to do', async () => {
  const stateFolder = tempFolder();
  const clock = new FakeClock();
  const worker = async () => (await checkProcesses(stateFolder, clock)).get('worker');
  expect(await worker()).toMatchObject({ status: 'critical', text: 'not running', remedy: 'dogged start' });
  writePidFile(stateFiles(stateFolder).workerPid, { ...nameThisProcess(), startTicks: 1 });
  expect(await worker()).toMatchObject({ text: `PID ${process.pid} is gone` });
  openTally(stateFolder, () => undefined).setPhase('await-config', 'the config is refused');
  expect(await worker()).toMatchObject({ text: 'the config is refused', remedy: 'dogged check' });
  writeDesired(stateFolder, 'stopped');
  expect(await worker()).toMatchObject({ text: 'not running: it was stopped on request' });
});

test('restarts that follow each other are a warning, though each of them worked', async () => {
  const { stateFolder, clock } = running();
  const record = openRecoveryLog(stateFolder, clock);
  for (const recovery of ['a', 'b', 'c']) {
    record({
      recovery,
      cause: 'died',
      evidence: {},
      action: 'starting another',
      outcome: 'begun',
      tookMs: null,
    });
    record({
      recovery,
      cause: 'died',
      evidence: {},
      action: 'starting another',
      outcome: 'recovered',
      tookMs: 9,
    });
  }
  expect((await checkProcesses(stateFolder, clock)).get('recoveries')).toMatchObject({
    status: 'warning',
    text: '3 in the last hour (died)',
  });
  await clock.advance(3_601_000);
  expect((await checkProcesses(stateFolder, clock)).get('recoveries')).toMatchObject({
    status: 'ok',
    text: '3 in the last 24 h',
  });
});

test('a worker of another version is told', async () => {
  const { stateFolder, clock } = running({ version: '0.0.9' });
  expect((await checkProcesses(stateFolder, clock)).get('versions')).toMatchObject({
    status: 'warning',
    remedy: 'dogged restart',
  });
});

const FACTS: QueueFacts = {
  countedFrom: 'database',
  problems: [],
  queue: aBeat().queue,
  oldestDueMs: null,
  waiting: [],
  pausedAll: false,
  outages: [],
  slots: [],
  sources: [],
  damaged: [],
  brokenCycles: [],
};

async function checkQueue(different: Partial<QueueFacts>): Promise<readonly CheckResult[]> {
  const settings = defaultSettings('/srv/state', '/srv/dogged.config.yaml');
  const { checks } = await diagnose(
    queueChecks(settings, async () => ({ ...FACTS, ...different }), systemClock),
    systemClock,
  );
  return checks.filter((one) => one.status !== 'ok');
}

test('jobs that have been due for long are a warning with the reason why they wait', async () => {
  const queue = { ...FACTS.queue, pending: 41 };
  expect(await checkQueue({ queue, oldestDueMs: 299_000 })).toEqual([]);
  const waiting = [{ task: 'implement', reason: 'paused' as const, jobs: 41 }];
  expect(await checkQueue({ queue, oldestDueMs: 360_000, waiting })).toMatchObject([
    {
      status: 'warning',
      text: '41 pending, 0 running, 0 completed; oldest 6m: task "implement" waits for somebody to resume it',
      remedy: 'dogged resume implement',
    },
  ]);
  expect(await checkQueue({ queue, oldestDueMs: 360_000, waiting, pausedAll: true })).toMatchObject([
    { remedy: 'dogged resume' },
  ]);
});

test('what is away is named with what it began with, however short it has been', async () => {
  const away = {
    dependency: 'model',
    ageMs: 3_000,
    held: 2,
    cause: 'spawn nosuch ENOENT',
    nextTry: 'next try in 27s',
  };
  expect(await checkQueue({ outages: [away, { ...away, dependency: 'disk', held: 0 }] })).toMatchObject([
    {
      name: 'breaker:model',
      status: 'warning',
      text: 'away for 3s, 2 jobs wait, next try in 27s; it began with: spawn nosuch ENOENT',
      remedy: 'dogged outages',
    },
    { name: 'breaker:disk', text: expect.stringContaining('no job waits') },
  ]);
});

test('a file that is being written is told, and is no fault', async () => {
  const source = {
    name: 'ideas',
    records: 3,
    rejected: 0,
    lastPollMs: 10,
    problem: null,
    waitingFiles: 1,
    states: null,
  };
  const settings = defaultSettings('/srv/state', '/srv/dogged.config.yaml');
  const checks = queueChecks(settings, async () => ({ ...FACTS, sources: [source] }), systemClock);
  expect((await diagnose(checks, systemClock)).checks).toContainEqual(
    expect.objectContaining({
      status: 'ok',
      text: '3 records, 0 rejected, unaccounted not known: nobody has looked, 1 file is being written',
    }),
  );
});

test('what became of the records of a source is told, with when somebody last looked for what nobody accounts for', async () => {
  const states = { pending: 9, running: 2, completed: 1_190, failed: 3, cancelled: 0, expired: 0 };
  const source = { name: 'ideas', records: 1_204, rejected: 0, lastPollMs: 10, problem: null, states };
  const settings = defaultSettings('/srv/state', '/srv/dogged.config.yaml');
  const check = async (different: object) => {
    const facts = { ...FACTS, sources: [{ ...source, ...different }] };
    const { checks } = await diagnose(
      queueChecks(settings, async () => facts, systemClock),
      systemClock,
    );
    return checks.find(({ name }) => name === 'source:ideas');
  };
  const stood = '1,204 records: 1,190 done, 9 pending, 2 running, 3 failed, 0 rejected';
  expect(await check({ look: { agoMs: 180_000, unaccounted: 0 } })).toMatchObject({
    status: 'ok',
    text: `${stood}, 0 unaccounted (looked 3m ago)`,
    remedy: null,
    figures: { records: 1_204, ...states, rejected: 0, unaccounted: 0, lookedAgoMs: 180_000 },
  });
  expect(await check({})).toMatchObject({
    status: 'ok',
    text: `${stood}, unaccounted not known: nobody has looked`,
    figures: { unaccounted: null, lookedAgoMs: null },
  });
  expect(await check({ look: { agoMs: 60_000, unaccounted: null, unknown: 'large' } })).toMatchObject({
    status: 'ok',
    text: `${stood}, unaccounted not known: it is too large to be read whole every few minutes (1m ago)`,
    remedy: 'dogged audit --source ideas',
    figures: { unaccounted: null, lookedAgoMs: null },
  });
  const lost = { rejected: 1, problem: 'it is a folder', look: { agoMs: 1_000, unaccounted: 2 } };
  expect(await check(lost)).toMatchObject({ status: 'critical', remedy: 'dogged reconcile --source ideas' });
  const rest = { ...states, cancelled: 4, expired: 1 };
  expect((await check({ states: rest }))?.text).toContain('3 failed, 4 cancelled, 1 expired, 0 rejected');
});

test('refused records, dead letters and a source in trouble are each named', async () => {
  const source = { name: 'ideas', records: 3, rejected: 0, lastPollMs: 10, problem: null, states: null };
  const found = await checkQueue({
    queue: { ...FACTS.queue, failed: 2 },
    sources: [
      { ...source, rejected: 4 },
      { ...source, name: 'qa', problem: 'the file cannot be read (EACCES)' },
    ],
  });
  expect(found.map(({ name, status, remedy }) => [name, status, remedy])).toEqual([
    ['source:ideas', 'warning', 'dogged rejects --source ideas'],
    ['source:qa', 'warning', 'dogged logs'],
    ['dead-letters', 'warning', 'dogged jobs --state failed'],
  ]);
});

test('a job that was set aside for its damaged payload is critical, and named', async () => {
  const damaged = [{ job: '17', task: 'build', key: 'shed' }];
  expect(await checkQueue({ damaged })).toMatchObject([
    {
      name: 'payload:17',
      status: 'critical',
      text: 'job 17 (build, "shed"): its stored payload is no longer what was admitted; nothing was run',
      remedy: 'dogged trace 17',
    },
  ]);
});

test('a job whose dead worker left processes that cannot be killed is told, with what to look at', async () => {
  const slots = [{ slot: 0, state: 'working' as const, job: '17', task: 'build', orphanPids: [4711, 4712] }];
  expect(await checkQueue({ slots })).toContainEqual(
    expect.objectContaining({
      name: 'orphan:17',
      status: 'warning',
      text: expect.stringContaining('PID 4711, 4712 cannot be killed'),
      remedy: 'ps -o pid,stat,wchan,cmd -p 4711,4712',
    }),
  );
});

test('what is the matter with Redis is told with the command that mends it, where there is one', async () => {
  const redis = (problem: string) =>
    checkQueue({ redis: { address: 'redis://pi:6379/0', problem, waiting: 3 } });
  const kept = await checkQueue({
    redis: { address: 'redis://pi:6379/0', problem: 'away', waiting: 1 },
    endsKept: [{}, {}],
  });
  expect(kept).toMatchObject([
    { text: 'away; 1 job waits here for it, 2 ends are kept until it is back, and intake goes on' },
  ]);
  expect(await redis('ECONNREFUSED')).toMatchObject([
    {
      text: 'ECONNREFUSED; 3 jobs wait here for it, and intake goes on',
      remedy: 'redis-cli -u redis://pi:6379/0 PING',
    },
  ]);
  expect(await redis('a copy of this state folder is at work there')).toMatchObject([{ remedy: null }]);
  const evicts =
    'its maxmemory-policy is allkeys-lru; set it with: redis-cli CONFIG SET maxmemory-policy noeviction';
  expect(await redis(evicts)).toMatchObject([
    { text: expect.stringMatching(/^its maxmemory-policy is allkeys-lru; 3 jobs wait/) },
  ]);
  expect(
    await redis('it is full; give it more memory with: redis-cli CONFIG SET maxmemory SIZE'),
  ).toMatchObject([
    {
      text: 'it is full; give it more memory; 3 jobs wait here for it, and intake goes on',
      remedy: 'redis-cli -u redis://pi:6379/0 CONFIG SET maxmemory SIZE',
    },
  ]);
});

test('where the database cannot be read, what the last beat said is no pass', async () => {
  const problems = ['database: it was locked by another process.'];
  expect(await checkQueue({ countedFrom: 'heartbeat', problems })).toMatchObject([
    { name: 'queue', status: 'unknown' },
    { name: 'breakers', status: 'unknown' },
    { name: 'sources', status: 'unknown' },
    { name: 'dead-letters', heading: 'Dead letters', status: 'unknown' },
    { name: 'payloads', status: 'unknown' },
    { name: 'hand-offs', status: 'unknown' },
    { name: 'database', status: 'critical', text: 'database: it was locked by another process' },
  ]);
});

test('the config is judged as it is now, and one that the worker has not read yet is told', async () => {
  const stateFolder = tempFolder();
  const configFile = join(stateFolder, 'dogged.config.yaml');
  writeFileSync(configFile, '');
  writeFileSync(stateFiles(stateFolder).settings, '{}');
  const check = async (finding: Parameters<typeof configCheck>[2]) =>
    (await configCheck(configFile, stateFolder, finding).run())[0];
  const place = { kind: 'log', path: '/nowhere', network: false } as const;
  const sources = ['a', 'b', 'c'].map((name) => ({ name, ...place }));
  const valid = { is: 'valid', sources, tasks: 1 } as const;
  expect(await check(async () => valid)).toMatchObject({
    status: 'ok',
    text: 'dogged.config.yaml: 3 sources, 1 task',
  });
  utimesSync(configFile, 2e9, 2e9);
  // Where none runs, the next one reads it.
  expect(await check(async () => valid)).toMatchObject({ status: 'ok' });
  writePidFile(stateFiles(stateFolder).workerPid, nameThisProcess());
  expect(await check(async () => valid)).toMatchObject({ status: 'warning', remedy: 'dogged restart' });
  expect(await check(async () => ({ is: 'invalid', problems: ['3:5 no task "x"', 'more'] }))).toMatchObject({
    status: 'critical',
    text: '2 problems, the first: “3:5 no task "x"”',
  });
  expect(await check(async () => ({ is: 'missing' }))).toMatchObject({ remedy: 'dogged init' });
});

test('a state folder that cannot be written is critical, and one that is not there yet is none', async () => {
  const folder = tempFolder();
  const run = async (path: string) => (await machineChecks(path)[0]?.run()) ?? [];
  expect((await run(join(folder, 'later'))).map((one) => one.name)).toEqual(['disk']);
  const locked = join(folder, 'locked');
  mkdirSync(locked);
  chmodSync(locked, 0o500);
  // Root may write everywhere: the kernel then says so too.
  const expected = process.getuid?.() === 0 ? ['disk'] : ['state-folder', 'disk'];
  expect((await run(locked)).map((one) => one.name)).toEqual(expected);
});
