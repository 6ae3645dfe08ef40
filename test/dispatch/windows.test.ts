import { expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { scheduleSource } from '../intake/rig.js';
import { until } from '../support/until.js';
import { commandTask, createRig } from './rig.js';

/* Jobs with a time of their own, in real time. */

const playout = (stopAtEnd: boolean) => [scheduleSource('/srv/schedule.json', { task: 'play', stopAtEnd })];
const window = (fromMs: number, toMs: number) => {
  const nowMs = systemClock.wallMs();
  return {
    source: 'playout',
    onChange: 'replan' as const,
    runAtMs: nowMs + fromMs,
    expiresAtMs: nowMs + toMs,
  };
};

test('a job that still runs at the end of its window is stopped there, and is done', async () => {
  const rig = await createRig({ tasks: [commandTask('play', ['sleep', '60'])], sources: playout(true) });
  rig.dispatcher.start();
  const id = await rig.add('play', {}, window(0, 1_200));
  const job = await rig.until(id, 'completed', 8_000);
  expect(job).toMatchObject({ reason: 'stopped at the end of its window', attempts: 1, charged: 0 });
  expect(job.endedAtMs).toBeGreaterThanOrEqual(job.expiresAtMs ?? 0);
});

test('a program that will not end at the end of its window is killed', async () => {
  const stubborn = ['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'];
  const rig = await createRig({ tasks: [commandTask('play', stubborn)], sources: playout(true) });
  rig.dispatcher.start();
  const id = await rig.add('play', {}, window(0, 700));
  expect(await rig.until(id, 'completed', 8_000)).toMatchObject({
    reason: 'stopped at the end of its window',
  });
});

test('the end of a window stops nothing where the source does not ask for it', async () => {
  const rig = await createRig({ tasks: [commandTask('play', ['sleep', '1'])], sources: playout(false) });
  rig.dispatcher.start();
  const id = await rig.add('play', {}, window(0, 200));
  expect((await rig.until(id, 'completed')).reason).toBeNull();
});

test('the end of a window is told by the wall clock, also when that is set meanwhile', async () => {
  let jumpMs = 0;
  const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + jumpMs };
  const rig = await createRig({
    tasks: [commandTask('play', ['sleep', '60'])],
    sources: playout(true),
    clock,
  });
  rig.dispatcher.start();
  const id = await rig.add('play', {}, window(0, 3_600_000));
  await rig.until(id, 'running');
  jumpMs = 3_600_000;
  await rig.until(id, 'completed', 5_000);
});

test('how late a job with a time of its own starts is said in the log, one in time as well', async () => {
  const rig = await createRig({ tasks: [commandTask('play', ['true'])], sources: playout(false) });
  rig.dispatcher.start();
  const late = await rig.add('play', {}, { ...window(-114_000, 60_000), key: 'show-5' });
  const inTime = await rig.add('play', {}, window(0, 60_000));
  await rig.until(late, 'completed');
  await rig.until(inTime, 'completed');
  await until(() => rig.logged().includes(`Starting ${inTime}`));
  expect(rig.logged()).toMatch(
    new RegExp(`Starting ${late} \\(show-5\\) 1m 54s late: it was planned for 20`),
  );
  expect((await rig.job(late)).lateByMs).toBeGreaterThanOrEqual(114_000);
});

test('a new job that is due sooner than all others wakes the dispatcher, which slept until the next one', async () => {
  const rig = await createRig({ tasks: [commandTask('play', ['true'])], sources: playout(false) });
  rig.dispatcher.start();
  const later = await rig.add('play', {}, window(3_600_000, 7_200_000));
  await until(() => rig.dispatcher.drained());
  const sooner = await rig.add('play', {}, window(300, 60_000));
  const job = await rig.until(sooner, 'completed', 3_000);
  expect(job.lateByMs).toBeLessThan(1_000);
  expect(await rig.job(later)).toMatchObject({ place: 'scheduled' });
});
