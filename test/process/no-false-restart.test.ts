import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hangFiles } from '../../src/heartbeat/hang-file.js';
import { runningProcess } from '../../src/heartbeat/pid-file.js';
import { readBeat } from '../../src/heartbeat/read-beat.js';
import { readRecoveries } from '../../src/heartbeat/recovery-log.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { NO_SETTABLE_CLOCK, settableClock } from '../support/settable-clock.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/* What looks like a standstill and is none, and who is no longer who he was. */

const CONFIG = `
heartbeat: 200ms
poll: 100ms
health: HEALTH
sources:
  notes: { log: ./notes.ndjson, key: title, task: note }
tasks:
  note: { run: [cat] }
`;

function placeWith(health: string, environment: NodeJS.ProcessEnv = {}): Workplace & { state: string } {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG.replace('HEALTH', health));
  writeFileSync(join(folder, 'notes.ndjson'), '');
  const unset = { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined };
  return { ...workplace(folder, { ...unset, ...environment }), state: join(folder, 'state') };
}

/** A record that is appended now is run, and so many beats are written. */
async function isAtWork(place: Workplace & { state: string }, jobs: number, beats: number): Promise<void> {
  const beat = () => {
    const file = readBeat(place.state);
    return file.status === 'read' ? file.content : null;
  };
  const from = beat()?.seq ?? 0;
  writeFileSync(join(place.folder, 'notes.ndjson'), `{"title":"${jobs}"}\n`, { flag: 'a' });
  await until(() => beat()?.counters.completed === jobs && (beat()?.seq ?? 0) >= from + beats, {
    withinMs: 20_000,
    describe: () => JSON.stringify(beat()?.counters),
  });
}

test('a clock that jumps by an hour or a day, in either direction, condemns no worker', async (context) => {
  const clock = settableClock();
  if (clock === null) return context.skip(NO_SETTABLE_CLOCK);
  const place = placeWith('{ fresh: 600ms, stuck: 1200ms, idleStuckAfter: 1200ms, stallAfter: 1s }', {
    ...clock.environment,
  });
  place.run('start');
  const worker = runningProcess(stateFiles(place.state).workerPid);
  expect(worker).not.toBeNull();
  for (const [n, jump] of ['+1h', '-1h', '+1d', '-1d'].entries()) {
    clock.set(jump);
    // Longer than what would make it stuck.
    await isAtWork(place, n + 1, 9);
    const file = readBeat(place.state);
    const aheadMs = file.status === 'read' ? Date.parse(file.content.wallTime) - Date.now() : 0;
    // The jump was really seen.
    expect(Math.abs(aheadMs)).toBeGreaterThan(3_000_000);
  }
  expect(runningProcess(stateFiles(place.state).workerPid)?.pid).toBe(worker?.pid);
  expect(readRecoveries(place.state)).toEqual([]);
  expect(hangFiles(place.state)).toEqual([]);
}, 90_000);

// Long, and it takes the machine away from every other test: DOGGED_LONG_TESTS=1.
test.skipIf(process.env['DOGGED_LONG_TESTS'] !== '1')(
  'a minute of load on every core, four times over, restarts nothing',
  async () => {
    const place = placeWith('{ fresh: 2s, stuck: 6s, idleStuckAfter: 6s, stallAfter: 3s }');
    place.run('start');
    const worker = runningProcess(stateFiles(place.state).workerPid);
    const burners = Array.from({ length: 8 }, () => spawn(process.execPath, ['-e', 'for (;;);']));
    onTestFinished(() => {
      for (const burner of burners) burner.kill('SIGKILL');
    });
    const endMs = performance.now() + 60_000;
    let jobs = 0;
    while (performance.now() < endMs) {
      jobs += 1;
      await isAtWork(place, jobs, 2);
    }
    console.log({ jobs, restarts: readRecoveries(place.state).length });
    expect(jobs).toBeGreaterThan(5);
    expect(runningProcess(stateFiles(place.state).workerPid)?.pid).toBe(worker?.pid);
    expect(readRecoveries(place.state)).toEqual([]);
  },
  120_000,
);

test('of ten workers that are started at once in one state folder, one works and nine say who it is', async () => {
  const place = placeWith('{ fresh: 600ms }');
  const exits: (number | null)[] = [];
  const said: string[] = [];
  const workers: ChildProcess[] = Array.from({ length: 10 }, () => {
    const worker = spawn(process.execPath, [builtCli(), 'worker'], { cwd: place.folder });
    worker.stderr.on('data', (chunk) => said.push(String(chunk)));
    worker.on('exit', (code) => exits.push(code));
    return worker;
  });
  onTestFinished(() => {
    for (const worker of workers) worker.kill('SIGKILL');
  });
  await until(() => exits.length === 9, { withinMs: 25_000 });
  expect(exits).toEqual(Array(9).fill(75));
  const left = workers.filter((worker) => worker.exitCode === null).map((worker) => worker.pid);
  await until(() => runningProcess(stateFiles(place.state).workerPid)?.pid === left[0]);
  expect(left).toHaveLength(1);
  expect(said.join('').match(/PID (\d+|unknown)/g)).toHaveLength(9);
  await isAtWork(place, 1, 1);
}, 40_000);

/** In a PID namespace of its own the next pid can be chosen: there, one is used again within milliseconds. */
const REUSE = `
  import { spawn } from 'node:child_process';
  import { writeFileSync } from 'node:fs';
  const { identifyProcess, isRunning, signalProved } = await import(process.argv[1] + '/platform/process-identity.js');
  const sleeper = () => spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
  const ended = (child) => new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal)));
  const first = sleeper();
  const identity = identifyProcess(first.pid);
  const wasRunning = isRunning(identity);
  const gone = ended(first);
  first.kill('SIGKILL');
  await gone;
  await new Promise((resolve) => setTimeout(resolve, 50));
  let second;
  for (let tries = 0; tries < 20 && second?.pid !== first.pid; tries += 1) {
    second?.kill('SIGKILL');
    writeFileSync('/proc/sys/kernel/ns_last_pid', String(first.pid - 1));
    second = sleeper();
  }
  const answers = [signalProved(identity, 'SIGKILL'), signalProved(identity, 'SIGKILL', 'group')];
  const proved = signalProved(identifyProcess(second.pid), 'SIGTERM');
  const end = await ended(second);
  console.log(JSON.stringify({ reused: second.pid === first.pid, wasRunning, isRunning: isRunning(identity), answers, proved, end }));
  process.exit(0);
`;

test('a process that has the pid of a dead one of ours gets no signal of ours', (context) => {
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [
      '--pid',
      '--fork',
      '--mount-proc',
      process.execPath,
      '--input-type=module',
      '-e',
      REUSE,
      dirname(builtCli()),
    ],
    { encoding: 'utf8', timeout: 20_000 },
  );
  if (/not permitted|not found|No such file/.test(stderr) || status === null)
    context.skip(`no PID namespace of its own is to be had here: ${stderr}`);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({
    reused: true,
    wasRunning: true,
    isRunning: false,
    answers: [false, false],
    proved: true,
    // Of the proved identity: the two signals before were not sent.
    end: 'SIGTERM',
  });
});
