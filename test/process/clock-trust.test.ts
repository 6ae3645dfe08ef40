import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Beat } from '../../src/heartbeat/beat.js';
import { readBeat } from '../../src/heartbeat/read-beat.js';
import { workplace } from '../support/dogged.js';
import { NO_SETTABLE_CLOCK, settableClock } from '../support/settable-clock.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const CONFIG = `
heartbeat: 200ms
health: { fresh: 600ms, stuck: 1200ms, idleStuckAfter: 1200ms }
tasks:
  note: { run: ["true"] }
`;

function placeIn1970() {
  const days = Math.floor(Date.now() / 86_400_000);
  const clock = settableClock(`-${days}d`);
  if (clock === null) return null;
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  const place = workplace(folder, { ...clock.environment, DOGGED__HEARTBEAT: undefined });
  const beat = (): Beat | null => {
    const file = readBeat(join(folder, 'state'));
    return file.status === 'read' ? file.content : null;
  };
  const add = (when?: string): string =>
    place.json('add', 'note', ...(when === undefined ? [] : ['--run-at', when]))[0].id;
  return { clock, place, beat, add };
}

test('a worker that boots in 1970 holds what is for a time of day, and runs it once when its clock is right', async (context) => {
  const stand = placeIn1970();
  if (stand === null) return context.skip(NO_SETTABLE_CLOCK);
  const { clock, place, beat, add } = stand;
  place.run('start');
  const plain = add();
  const dueHere = add('+1s');
  const aheadMs = Date.now() + 8_000;
  const ahead = add(new Date(aheadMs).toISOString());
  const job = (id: string) => place.json('job', id)[0];
  await until(() => beat()?.counters.completed === 1, { describe: () => JSON.stringify(beat()) });
  await until(() => beat()?.waiting[0]?.reason === 'clock', { describe: () => JSON.stringify(beat()) });
  const held = beat();
  expect(held).toMatchObject({
    clock: { state: 'suspect', why: expect.stringContaining('1970-01-01') },
    waiting: [{ task: 'note', reason: 'clock', jobs: 1 }],
    runnable: 0,
  });
  expect(job(plain)).toMatchObject({ state: 'completed' });
  for (const id of [dueHere, ahead]) {
    expect(job(id)).toMatchObject({ state: 'pending', waitingFor: 'clock', attempts: 0 });
  }
  const told = place.run('health', '--diagnose').stdout;
  expect(told).toMatch(/⚠️ Clock +not trusted for .*1970-01-01.*: timedatectl set-ntp true/);

  // Nothing is stuck: longer than what would make it so.
  await until(() => (beat()?.seq ?? 0) > (held?.seq ?? 0) + 8);
  expect(place.workerPid()).toBe(held?.pid);

  clock.set('+0');
  await until(() => beat()?.counters.completed === 2, { describe: () => JSON.stringify(beat()) });
  expect(beat()).not.toHaveProperty('clock');
  expect(job(ahead)).toMatchObject({ state: 'pending', waitingFor: 'time' });
  await until(() => beat()?.counters.completed === 3, { describe: () => JSON.stringify(beat()) });
  for (const id of [dueHere, ahead]) expect(job(id)).toMatchObject({ state: 'completed', attempts: 1 });
  expect(Date.parse(job(ahead).startedAt)).toBeGreaterThanOrEqual(aheadMs);
  expect(place.workerPid()).toBe(held?.pid);
  expect(place.run('logs').stdout).toMatch(/The wall clock jumped forward by \d+y/);
}, 60_000);
