import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { untilReplaced, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

interface Idea {
  readonly title: string;
  readonly description?: string;
  readonly language?: string;
  readonly code?: string;
}

/** As a program would: reads the array, appends, writes it again. */
function appendInPlace(path: string, ...ideas: Idea[]): void {
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Idea[]) : [];
  writeFileSync(path, JSON.stringify([...known, ...ideas], null, 2));
}

function replaceByRename(path: string, ideas: readonly Idea[]): void {
  writeFileSync(`${path}.tmp`, JSON.stringify(ideas));
  renameSync(`${path}.tmp`, path);
}

test('a new user: three files feed each other, a killed worker loses nothing, and each record runs once', async () => {
  const place = workplace(tempFolder());
  const path = (...names: string[]) => join(place.folder, ...names);
  expect(place.run('init').status).toBe(0);
  const started = place.run('start');
  expect(started.stdout + started.stderr).not.toContain('rror');
  expect(started.status).toBe(0);

  appendInPlace(path('ideas_log.json'), {
    title: 'Lamp',
    description: 'A lamp that greets',
    language: 'javascript',
    code: 'console.log("hi")',
  });
  appendInPlace(path('ideas_log.json'), { title: 'Gate', description: 'Opens for the cat' });
  writeFileSync(
    path('implementations', 'a.json'),
    JSON.stringify({ title: 'Alarm', description: 'Beeps when dry' }),
  );
  writeFileSync(
    path('implementations', 'b.json'),
    JSON.stringify([
      { title: 'Bell', description: 'Rings' },
      {
        title: 'Broken',
        description: 'Has an open bracket',
        language: 'javascript',
        code: 'function f( { return 1',
      },
    ]),
  );
  const jobs = () => place.json('jobs', '--limit', '100');
  const named = (key: string) => jobs().filter((job) => job.key === key);
  await until(
    () =>
      named('Broken').some((job) => job.task === 'rework' || job.state === 'completed') && jobs().length >= 5,
    {
      withinMs: 20_000,
      describe: () => JSON.stringify(jobs().map((job) => [job.task, job.key, job.state, job.reason])),
    },
  );
  await until(() => place.run('drain', '--timeout', '20s').status === 0, { withinMs: 25_000 });

  for (const title of ['Lamp', 'Gate', 'Alarm', 'Bell']) {
    expect(named(title), title).toHaveLength(1);
    expect(named(title)[0]).toMatchObject({ state: 'completed', attempts: 1 });
  }
  expect(readFileSync(path('QAissue.json'), 'utf8')).toContain('Broken');
  expect(existsSync(path('outputs'))).toBe(true);

  const pid = place.workerPid();
  const endedBefore = new Map(jobs().map((job) => [job.id, job.endedAt]));
  process.kill(pid, 'SIGKILL');
  await untilReplaced(place, pid, 2_000);

  // Finished ideas are pruned in the same write that brings a new one.
  replaceByRename(path('ideas_log.json'), [{ title: 'Kite', description: 'Flies by itself' }]);
  await until(() => named('Kite').some((job) => job.state === 'completed'), { withinMs: 15_000 });
  for (const job of jobs()) {
    if (endedBefore.has(job.id)) expect(job.endedAt, job.key).toBe(endedBefore.get(job.id));
  }
  expect(jobs().filter((job) => job.key === 'Lamp')).toHaveLength(1);

  const diagnosis = place.run('health', '--diagnose');
  expect(diagnosis.stdout.trimEnd().split('\n').at(-1)).toMatch(/SYSTEM (HEALTHY|DEGRADED)/);
  expect(diagnosis.stdout).toMatch(/Source ideas .* records: .* done, .* 0 unaccounted \(looked .* ago\)/);
  const status = place.run('status');
  expect(status.status).toBe(0);
  expect(status.stdout).toContain(String(place.workerPid()));
  expect(place.run('queue', '--once').status).toBe(0);

  const lastPid = place.workerPid();
  expect(place.run('stop').status).toBe(0);
  expect(existsSync(`/proc/${lastPid}`)).toBe(false);
  expect(place.run('status').status).toBe(3);
}, 90_000);

test('starting twice never makes two workers', async () => {
  const place = workplace(tempFolder());
  place.run('init');
  expect(place.run('start').status).toBe(0);
  const pid = place.workerPid();
  expect(place.run('start').status).toBe(0);
  expect(place.workerPid()).toBe(pid);
  const second = place.run('worker');
  expect(second.status).toBe(75);
  expect(second.stderr).toContain(String(pid));
  expect(place.workerPid()).toBe(pid);
}, 60_000);

test('a pair that a handler starts does not carry the mark of the handler, and so is never swept away with it', () => {
  const mark = { DOGGED_STORE_ID: 'a', DOGGED_WORKER_NONCE: 'b', DOGGED_CHILD: '1' };
  const place = workplace(tempFolder(), mark);
  place.run('init');
  expect(place.run('start').status).toBe(0);
  const monitorPid = readFileSync(join(place.folder, 'state', 'monitor.pid'), 'utf8').split('\n')[0];
  for (const pid of [place.workerPid(), monitorPid]) {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    for (const name of Object.keys(mark)) expect(environment).not.toContain(`${name}=`);
  }
}, 60_000);

test('a worker that runs until idle polls, runs everything and ends', () => {
  const place = workplace(tempFolder());
  place.run('init');
  writeFileSync(
    join(place.folder, 'ideas_log.json'),
    JSON.stringify([
      { title: 'One', description: 'x' },
      { title: 'Two', description: 'y' },
    ]),
  );
  const { status, stderr } = place.run('worker', '--until-idle');
  expect(stderr).not.toContain('"level":50');
  expect(status).toBe(0);
  expect(place.json('jobs').map((job) => [job.key, job.state])).toEqual(
    expect.arrayContaining([
      ['One', 'completed'],
      ['Two', 'completed'],
    ]),
  );
}, 60_000);
