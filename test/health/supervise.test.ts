import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { recoverOnce } from '../../src/health/recover.js';
import { stopPair } from '../../src/health/stop-pair.js';
import { writeDesired } from '../../src/heartbeat/desired.js';
import { wasKilledByUs } from '../../src/heartbeat/last-kill.js';
import { readBeat } from '../../src/heartbeat/read-beat.js';
import { readSettings } from '../../src/heartbeat/settings.js';
import { systemClock } from '../../src/platform/clock.js';
import { isRunning, readProcessStat, signalProved } from '../../src/platform/process-identity.js';
import { until } from '../support/until.js';
import { stand } from './support.js';

test('a worker that is killed is replaced at once, and both are told', async () => {
  const place = stand();
  void place.supervisor().run();
  const first = await place.worker();
  await until(() => place.said.some((line) => line.startsWith('✅ SYSTEM HEALTHY')));
  const killedAt = performance.now();
  signalProved(first, 'SIGKILL');
  await until(() => place.starts() === 2, { everyMs: 1 });
  expect(performance.now() - killedAt).toBeLessThan(1_000);
  const second = await place.worker(first);
  expect(second.pid).not.toBe(first.pid);
  await until(() => place.recoveries().at(-1)?.outcome === 'recovered');
  expect(place.recoveries()[0]).toMatchObject({
    cause: 'died',
    outcome: 'begun',
    evidence: { pid: first.pid, signal: 'SIGKILL' },
  });
  expect(place.said.filter((line) => line.startsWith('✅ SYSTEM HEALTHY'))).toHaveLength(2);
});

test('a worker is started with a small young heap, since each of its children costs a copy of its page tables', async () => {
  const place = stand();
  void place.supervisor().run();
  const { pid } = await place.worker();
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, 3)).toEqual([
    '--max-semi-space-size=2',
    '--v8-pool-size=1',
  ]);
});

test('a worker that is stopped by SIGSTOP is found stuck, killed and replaced', async () => {
  const place = stand();
  void place.supervisor().run();
  const first = await place.worker();
  await until(() => place.said.some((line) => line.startsWith('✅ SYSTEM HEALTHY')));
  signalProved(first, 'SIGSTOP');
  await place.worker(first);
  expect(isRunning(first)).toBe(false);
  expect(place.recoveries()[0]).toMatchObject({
    cause: 'hung',
    evidence: { pid: first.pid, processState: 'T' },
  });
});

test('a loop that spins is found stuck, although its process is as alive as can be', async () => {
  const place = stand();
  place.behave({ hangAfterMs: 300 });
  void place.supervisor().run();
  const first = await place.worker();
  await until(() => place.starts() === 1);
  place.behave({});
  await place.worker(first);
  expect(place.recoveries()[0]).toMatchObject({ cause: 'hung' });
});

test('a worker that beats but commits nothing is asked to end, and replaced', async () => {
  const place = stand();
  place.behave({ counters: { commits: 1 } });
  void place.supervisor().run();
  const first = await place.worker();
  place.behave({});
  await place.worker(first);
  expect(place.recoveries()[0]).toMatchObject({
    cause: 'stalled',
    evidence: { why: expect.stringContaining('committed') },
  });
});

test('a worker that claims nothing although it could is replaced', async () => {
  const place = stand();
  place.behave({ runnable: 3 });
  void place.supervisor().run();
  const first = await place.worker();
  place.behave({});
  await place.worker(first);
  expect(place.recoveries()[0]).toMatchObject({ cause: 'idle-stuck' });
});

test('a worker that was ended as stuck is written down as such, one that died by itself is not', async () => {
  const place = stand();
  place.behave({ runnable: 3 });
  void place.supervisor().run();
  const stuck = await place.worker();
  place.behave({});
  const second = await place.worker(stuck);
  expect(wasKilledByUs(place.stateFolder, stuck)).toBe(true);
  await until(() => place.tally()?.phase === 'watching');
  signalProved(second, 'SIGKILL');
  await place.worker(second);
  expect(wasKilledByUs(place.stateFolder, second)).toBe(false);
});

test('a worker that a stop, or a recovery by hand, had to kill is written down as such', async () => {
  const place = stand();
  place.behave({ deaf: true });
  place.startByHand();
  const deaf = await place.worker();
  const stopped = await stopPair({ stateFolder: place.stateFolder, graceMs: 50, clock: systemClock });
  expect(stopped).toMatchObject({ workerPid: deaf.pid, killed: true });
  expect(wasKilledByUs(place.stateFolder, deaf)).toBe(true);

  writeDesired(place.stateFolder, 'running');
  place.behave({});
  place.startByHand();
  const frozen = await place.worker(deaf);
  await until(() => readBeat(place.stateFolder).status === 'read');
  signalProved(frozen, 'SIGSTOP');
  const settings = readSettings(place.stateFolder);
  if (settings.status !== 'read') throw new Error('the worker wrote no settings');
  const found = await until(async () => {
    const options = { stateFolder: place.stateFolder, settings: settings.content, clock: systemClock };
    const need = await recoverOnce({ ...options, say: () => undefined });
    return need.need === 'start' && need.cause === 'hung' ? need : null;
  });
  expect(found.why).toBe('The stuck worker was ended.');
  expect(wasKilledByUs(place.stateFolder, frozen)).toBe(true);
}, 60_000);

test('a refused config is not tried again until the file changes', async () => {
  const place = stand();
  place.behave({ exitCode: 78 });
  void place.supervisor().run();
  await until(() => place.tally()?.phase === 'await-config');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(place.starts()).toBe(1);
  expect(place.tally()?.fruitlessAtMs).toEqual([]);
  place.behave({});
  writeFileSync(place.configFile, 'sources: {} # mended\n');
  await place.worker();
  expect(place.starts()).toBe(2);
});

test('a state folder that another worker holds is waited for, and that worker is then watched', async () => {
  const place = stand();
  place.behave({ exitCode: 75 });
  void place.supervisor().run();
  await until(() => place.tally()?.phase === 'await-holder');
  place.behave({});
  place.startByHand();
  const byHand = await place.worker();
  await until(() => place.tally()?.phase === 'watching');
  expect(place.tally()?.why).toBe(`PID ${byHand.pid}`);
  expect(place.starts()).toBe(2);
});

test('starts that come to nothing back off, are given up, and begin anew when a person asks', async () => {
  const place = stand();
  writeDesired(place.stateFolder, 'running');
  const restarts = { limit: 3, withinMs: 60_000, backoff: { minMs: 30, maxMs: 60 } };
  // One good start, so that the limits of its config are known.
  place.behave({ health: { restarts } });
  void place.supervisor().run();
  const first = await place.worker();
  await until(() => place.tally()?.phase === 'watching');
  place.behave({ exitCode: 1 });
  signalProved(first, 'SIGKILL');
  await until(() => place.tally()?.phase === 'gave-up');
  expect(place.starts()).toBe(3);
  expect(place.said.some((line) => line.includes('gave up after 3 fruitless starts'))).toBe(true);
  place.behave({});
  writeDesired(place.stateFolder, 'running');
  await place.worker(first);
  expect(place.tally()?.fruitlessAtMs).toEqual([]);
});

test('a worker that was there before its monitor is watched, and its end is noticed within a second', async () => {
  const place = stand();
  place.startByHand();
  const first = await place.worker();
  void place.supervisor().run();
  await until(() => place.tally()?.phase === 'watching');
  expect(place.starts()).toBe(1);
  const killedAt = performance.now();
  signalProved(first, 'SIGKILL');
  await until(() => place.starts() === 2, { everyMs: 1 });
  expect(performance.now() - killedAt).toBeLessThan(1_000);
  await place.worker(first);
});

test('a worker that ends while "stopped" is desired stays ended, and nothing is left to watch', async () => {
  const place = stand();
  const over = place.supervisor().run();
  const first = await place.worker();
  writeDesired(place.stateFolder, 'stopped');
  signalProved(first, 'SIGKILL');
  await over;
  expect(place.starts()).toBe(1);
});

test('nothing is started while "stopped" is desired', async () => {
  const place = stand();
  writeDesired(place.stateFolder, 'stopped');
  await place.supervisor().run();
  expect(place.starts()).toBe(0);
});

test('a monitor that shuts down leaves the worker at work', async () => {
  const place = stand();
  writeDesired(place.stateFolder, 'running');
  const supervisor = place.supervisor();
  const over = supervisor.run();
  const worker = await place.worker();
  await until(() => place.tally()?.phase === 'watching');
  await supervisor.shutDown();
  await over;
  expect(isRunning(worker)).toBe(true);
});

test('a worker that just boots when the pair is stopped does not survive the monitor', async () => {
  const place = stand();
  place.behave({ bootsForEver: true });
  const supervisor = place.supervisor();
  void supervisor.run();
  // Started, and not registered yet: no `dogged stop` could find it.
  const line = await until(() => place.said.find((text) => text.startsWith('started a worker')));
  const pid = Number(/PID (\d+)/.exec(line)?.[1]);
  writeDesired(place.stateFolder, 'stopped');
  await supervisor.shutDown();
  // Told to end by now: the kernel may need a moment more, and Node reaps its zombie in a later turn of the loop.
  await until(() => ['Z', 'X', undefined].includes(readProcessStat(pid)?.state), { withinMs: 2_000 });
});
