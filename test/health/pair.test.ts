import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTally } from '../../src/health/tally.js';
import { type NamedIdentity, runningProcess } from '../../src/heartbeat/pid-file.js';
import { readRecoveries } from '../../src/heartbeat/recovery-log.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { isRunning, signalProved } from '../../src/platform/process-identity.js';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/* The real program: worker and monitor as `dogged start` makes them. */

const CONFIG = `
heartbeat: 200ms
poll: 100ms
health: { fresh: 600ms, stuck: 1200ms, restarts: { limit: 5, within: 10m, backoff: 50ms..100ms } }
sources:
  notes: { log: ./notes.ndjson, key: title, task: note }
tasks:
  note: { run: [sleep, "60"], timeout: 5m, killGrace: 200ms }
`;

interface Pair extends Workplace {
  worker(): NamedIdentity | null;
  monitor(): NamedIdentity | null;
  nextWorker(other: NamedIdentity | null): Promise<NamedIdentity>;
}

function pair(): Pair {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  const files = stateFiles(join(folder, 'state'));
  const worker = () => runningProcess(files.workerPid);
  return {
    // What the test support sets for all would win over this config.
    ...workplace(folder, { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined }),
    worker,
    monitor: () => runningProcess(files.monitorPid),
    nextWorker: (other) =>
      until(() => {
        const found = worker();
        return found !== null && found.nonce !== other?.nonce ? found : null;
      }),
  };
}

/** By the monitors of this place, since its beginning. */
function workersStarted(place: Workplace): number {
  const log = readFileSync(join(place.folder, 'state', 'health_monitor.log'), 'utf8');
  return log.match(/started a worker/g)?.length ?? 0;
}

/** Waits until so many recoveries have come to their good end. */
async function recovered(place: Workplace, times: number): Promise<void> {
  const ends = () =>
    readRecoveries(join(place.folder, 'state')).filter((line) => line.outcome === 'recovered');
  await until(() => ends().length === times);
}

function inBackground(place: Workplace, ...args: string[]): Promise<number | null> {
  const child = spawn(process.execPath, [builtCli(), ...args], { cwd: place.folder, stdio: 'ignore' });
  return new Promise((resolve) => child.once('exit', resolve));
}

test('a start gives one worker and one small monitor, also when it is asked for three times at once', async () => {
  const place = pair();
  const codes = await Promise.all([1, 2, 3].map(() => inBackground(place, 'start')));
  expect(codes).toEqual([0, 0, 0]);
  const [worker, monitor] = [place.worker(), place.monitor()];
  expect(worker).not.toBeNull();
  const again = place.run('start');
  expect(again.stdout).toContain(
    `Running already: worker PID ${worker?.pid}, health monitor PID ${monitor?.pid}`,
  );
  expect(workersStarted(place)).toBe(1);
  // 45 MiB once it has settled; Node alone takes 39.
  const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${monitor?.pid}/status`, 'utf8'))?.[1]);
  expect(rssKb / 1024).toBeLessThan(48);
}, 30_000);

test('a killed worker, a frozen one and a killed monitor are each replaced, and the other one stays', async () => {
  const place = pair();
  place.run('start');
  const monitor = place.monitor();
  const first = place.worker();
  if (first === null || monitor === null) throw new Error('the pair did not start');

  signalProved(first, 'SIGKILL');
  const second = await place.nextWorker(first);
  await recovered(place, 1);
  signalProved(second, 'SIGSTOP');
  const third = await place.nextWorker(second);
  expect(isRunning(second)).toBe(false);
  expect(isRunning(monitor)).toBe(true);
  await recovered(place, 2);

  signalProved(monitor, 'SIGKILL');
  const heir = await until(() => {
    const found = place.monitor();
    return found !== null && found.nonce !== monitor.nonce ? found : null;
  });
  await until(() => readTally(join(place.folder, 'state'))?.why === `PID ${third.pid}`);
  expect(isRunning(third)).toBe(true);
  signalProved(third, 'SIGKILL');
  await place.nextWorker(third);
  expect(isRunning(heir)).toBe(true);
}, 60_000);

test('a worker that the monitor ends because it is stuck costs the jobs beside each other no crash', async () => {
  const place = pair();
  writeFileSync(join(place.folder, 'notes.ndjson'), '{"title":"a"}\n{"title":"b"}\n');
  place.run('start');
  const tries = () => place.json('jobs').map((job) => [job.attempts, job.history[0].outcome]);
  await until(() => place.json('jobs', '--state', 'running').length === 2);
  const first = place.worker();
  if (first === null) throw new Error('the pair did not start');
  signalProved(first, 'SIGSTOP');
  const second = await place.nextWorker(first);
  await until(() => tries().every(([attempts]) => attempts === 2));
  expect(tries()).toEqual([
    [2, 'crashed'],
    [2, 'crashed'],
  ]);
  expect(place.run('job', '1').stdout).not.toContain('by a crash of the worker');
  // The next worker died by itself, which counts for both.
  signalProved(second, 'SIGKILL');
  await until(() => tries().every(([attempts]) => attempts === 3));
  expect(place.run('job', '1').stdout).toContain('1 ended by a crash of the worker');
}, 60_000);

test('a stop wins against a restart that is under way, and names what it cut off', async () => {
  const place = pair();
  writeFileSync(join(place.folder, 'notes.ndjson'), '{"title":"Long"}\n');
  place.run('start');
  await until(() => place.json('jobs', '--state', 'running').length === 1);
  const worker = place.worker();
  const stop = place.run('stop', '--timeout', '300ms');
  expect(stop.status).toBe(0);
  expect(stop.stdout).toMatch(/1 job cut off.*\n.*note\s+Long/);
  expect(stop.stderr).toMatch(/^Waiting for the worker \(PID \d+\) to end 1 running job …$/m);
  expect(place.worker()).toBeNull();
  expect(place.monitor()).toBeNull();
  expect(workersStarted(place)).toBe(1);
  expect(place.json('jobs')[0]).toMatchObject({ key: 'Long', state: 'pending' });

  place.run('start');
  const next = await place.nextWorker(worker);
  const stopped = inBackground(place, 'stop', '--timeout', '300ms');
  signalProved(next, 'SIGKILL');
  expect(await stopped).toBe(0);
  expect(place.worker()).toBeNull();
  expect(place.monitor()).toBeNull();
}, 60_000);

test('a frozen worker is stopped all the same, and stopping nothing is no failure', async () => {
  const place = pair();
  expect(place.run('stop')).toMatchObject({ status: 0, stdout: 'Nothing runs here.\n' });
  expect(existsSync(join(place.folder, 'state'))).toBe(false);
  place.run('start');
  const worker = place.worker();
  if (worker === null) throw new Error('the pair did not start');
  signalProved(worker, 'SIGSTOP');
  expect(place.run('stop').status).toBe(0);
  expect(isRunning(worker)).toBe(false);
}, 30_000);

test('a stop names both that it ended, and what a recovery by hand did is written down', async () => {
  const place = pair();
  place.run('start');
  const first = { worker: place.worker()?.pid, monitor: place.monitor()?.pid };
  expect(place.json('stop')).toEqual([{ ...first, killed: false, cutOff: [] }]);

  place.run('start');
  const [worker, monitor] = [place.worker(), place.monitor()];
  if (worker === null || monitor === null) throw new Error('the pair did not start');
  signalProved(monitor, 'SIGKILL');
  signalProved(worker, 'SIGKILL');
  await until(() => place.worker() === null && place.monitor() === null);
  expect(place.run('health', '--recover').status).toBe(0);
  const byHand = readRecoveries(join(place.folder, 'state')).filter(({ evidence }) => 'by' in evidence);
  expect(byHand).toMatchObject([
    { cause: 'died', outcome: 'begun', tookMs: null },
    { cause: 'died', outcome: 'recovered', tookMs: expect.any(Number) },
  ]);
  expect(byHand[0]?.recovery).toBe(byHand[1]?.recovery);
}, 30_000);

test('a monitor in the foreground leaves the worker behind, and both stop where nothing can be written down', async () => {
  const place = pair();
  const foreground = spawn(process.execPath, [builtCli(), 'health', '--monitor'], {
    cwd: place.folder,
    stdio: 'ignore',
  });
  const worker = await place.nextWorker(null);
  foreground.kill('SIGINT');
  await until(() => foreground.exitCode !== null);
  expect(foreground.exitCode).toBe(0);
  expect(isRunning(worker)).toBe(true);

  expect(place.run('start').stdout).toContain(`worker PID ${worker.pid},`);
  const desired = join(place.folder, 'state', 'desired.json');
  rmSync(desired);
  mkdirSync(join(desired, 'in the way'), { recursive: true });
  expect(place.run('stop').status).toBe(0);
  expect(isRunning(worker)).toBe(false);
  expect(place.worker()).toBeNull();
  expect(place.monitor()).toBeNull();
}, 30_000);

test('a broken config starts nothing, stops nothing, and is waited for once a worker needs it', async () => {
  const place = pair();
  const config = join(place.folder, 'dogged.config.yaml');
  place.run('start');
  const worker = place.worker();
  if (worker === null) throw new Error('the pair did not start');
  writeFileSync(config, CONFIG.replace('task: note', 'task: nobody'));
  const restart = place.run('restart');
  expect(restart.status).toBe(78);
  expect(restart.stderr).toContain('note');
  expect(isRunning(worker)).toBe(true);

  signalProved(worker, 'SIGKILL');
  await until(() => readTally(join(place.folder, 'state'))?.phase === 'await-config');
  const diagnosis = place.run('health');
  expect(diagnosis.status).toBe(2);
  expect(diagnosis.stdout).toContain('dogged check');
  writeFileSync(config, CONFIG);
  await place.nextWorker(worker);
}, 60_000);

test('a worker that cannot start is told with its own words, and its monitor goes on trying', async () => {
  const place = pair();
  place.run('start');
  place.run('stop');
  // A damaged one would be replaced; in the place of a folder nothing can be put.
  rmSync(join(place.folder, 'state', 'dogged.db'));
  mkdirSync(join(place.folder, 'state', 'dogged.db'));
  const start = place.run('start');
  expect(start.status).toBe(1);
  expect(start.stderr).toMatch(/did not start\.[\s\S]*could not be written/);
  expect(place.monitor()).not.toBeNull();
  expect(readTally(join(place.folder, 'state'))?.phase).toBe('gave-up');
}, 60_000);
