import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { freePort, takePort } from '../metrics/outlets.js';
import { type ParsedMetrics, parseMetrics } from '../metrics/parse-metrics.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/* The real worker, asked in the three ways: by the command, over HTTP, and through the file. */

const CONFIG = `
sources:
  notes: { log: ./notes.ndjson, key: title, task: note, require: { required: [n] } }
  playout: { schedule: ./plan.json, task: play }
tasks:
  note: { run: ["true"] }
  play: { run: ["true"] }
  bad: { run: [sh, -c, "exit 65"] }
  flaky: { run: [sh, -c, "test -e tried && exit 0; touch tried; exit 1"], retry: { attempts: 3, backoff: 10ms..20ms } }
  away: { run: [./away], dependency: model, breaker: { after: 2, cooldown: 10m } }
`;

async function place(more = CONFIG) {
  const folder = tempFolder();
  const port = await freePort();
  const textfile = join(folder, 'dogged.prom');
  const metrics = `metrics: { listen: "127.0.0.1:${port}", textfile: ./dogged.prom }\n`;
  writeFileSync(join(folder, 'dogged.config.yaml'), metrics + more);
  const here = workplace(folder, { DOGGED__HEARTBEAT: '300ms' });
  const command = () => {
    const { status, stdout, stderr } = here.run('metrics');
    return { status, stderr, ...parseMetrics(stdout) };
  };
  const scrape = async () => parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  const database = join(folder, 'state', 'dogged.db');
  return { ...here, port, textfile, command, scrape, database };
}

/** What counts, without what moves by itself. */
function counted({ samples }: ParsedMetrics): readonly (readonly [string, number])[] {
  const moves =
    /^dogged_(?:metrics_timestamp|heartbeat|queue_oldest|waiting|worker_(?!up|starts)|polls|build)|_seconds_sum/;
  return [...samples].filter(([key]) => !moves.test(key));
}

test('what really happened is what is counted, in all three places; after a stop and with a broken config the database still tells', async () => {
  const here = await place();
  const notes = [{ title: 'a', n: 1 }, { title: 'b', n: 2 }, { title: 'c' }];
  writeFileSync(join(here.folder, 'notes.ndjson'), notes.map((note) => `${JSON.stringify(note)}\n`).join(''));
  const start = new Date(Date.now() - 20_000).toISOString();
  writeFileSync(join(here.folder, 'plan.json'), JSON.stringify([{ id: 'show', start }]));
  expect(here.run('start').status).toBe(0);
  for (const task of ['bad', 'flaky', 'away', 'away', 'away']) here.run('add', task);
  here.run('pause', 'note');
  const seen = await until(async () => {
    const now = await here.scrape();
    const over = (task: string, outcome: string) => now.value('dogged_jobs_ended_total', { task, outcome });
    const isOver = over('flaky', 'completed') + over('bad', 'failed') + over('play', 'completed') === 3;
    return isOver && now.value('dogged_outages_total', { dependency: 'model' }) === 1 ? now : null;
  });

  const { value } = seen;
  expect(value('dogged_jobs_ended_total', { task: 'note', outcome: 'completed' })).toBe(2);
  expect(value('dogged_attempts_total', { task: 'bad', outcome: 'refused' })).toBe(1);
  expect(value('dogged_attempts_total', { task: 'flaky', outcome: 'failed' })).toBe(1);
  expect(value('dogged_attempts_total', { task: 'flaky', outcome: 'done' })).toBe(1);
  expect(value('dogged_retries_total', { task: 'flaky' })).toBe(1);
  expect(value('dogged_retries_total', { task: 'bad' })).toBe(0);
  expect(value('dogged_attempt_duration_seconds_count', { task: 'flaky' })).toBe(2);
  expect(value('dogged_attempt_duration_seconds_bucket', { task: 'flaky', le: '60' })).toBe(2);
  expect(value('dogged_start_lateness_seconds_bucket', { task: 'play', le: '15' })).toBe(0);
  expect(value('dogged_start_lateness_seconds_count', { task: 'play' })).toBe(1);
  expect(value('dogged_admissions_total', { source: 'notes', result: 'queued' })).toBe(2);
  expect(value('dogged_records_refused_total', { source: 'notes', reason: 'schema' })).toBe(1);
  expect(value('dogged_source_rejects', { workspace: 'default', source: 'notes' })).toBe(1);
  expect(value('dogged_polls_total', { source: 'playout', result: 'ok' })).toBeGreaterThan(0);
  expect(value('dogged_breaker_state', { dependency: 'model', state: 'open' })).toBe(1);
  expect(value('dogged_breaker_state', { dependency: 'bad', state: 'closed' })).toBe(1);
  expect(value('dogged_task_paused', { workspace: 'default', task: 'note' })).toBe(1);
  expect(value('dogged_jobs', { workspace: 'default', task: 'bad', state: 'failed' })).toBe(1);
  expect(value('dogged_worker_up')).toBe(1);
  expect(value('dogged_slots')).toBe(4);
  expect(value('dogged_worker_cpu_seconds_total')).toBeGreaterThan(0);
  // Two attempts found it away, and then the breaker was open.
  expect(value('dogged_attempts_total', { task: 'away', outcome: 'unavailable' })).toBe(2);

  const told = here.command();
  expect([told.status, told.stderr]).toEqual([0, '']);
  // A job that becomes due between the two questions makes them differ, for once.
  await until(async () => isDeepStrictEqual(counted(here.command()), counted(await here.scrape())));
  const config = join(here.folder, 'dogged.config.yaml');
  const inFile = await until(() => {
    const now = parseMetrics(readFileSync(here.textfile, 'utf8'));
    return now.has('dogged_outages_total') && now.value('dogged_metrics_timestamp_seconds', { config }) > 0
      ? now
      : null;
  });
  expect(inFile.labels.every((labels) => labels['config'] === config)).toBe(true);
  await until(() => {
    const now = parseMetrics(readFileSync(here.textfile, 'utf8'));
    return now.value('dogged_outages_total', { dependency: 'model', config }) === 1;
  });

  here.run('restart');
  const again = here.command();
  expect(again.value('dogged_jobs_ended_total', { task: 'bad', outcome: 'failed' })).toBe(0);
  expect(again.value('dogged_worker_starts_total')).toBe(2);
  expect(again.value('dogged_worker_start_time_seconds')).toBeGreaterThan(
    value('dogged_worker_start_time_seconds'),
  );
  expect(again.value('dogged_breaker_state', { dependency: 'model', state: 'open' })).toBe(1);

  await until(() => existsSync(here.textfile));
  here.run('stop');
  expect(existsSync(here.textfile)).toBe(false);
  writeFileSync(config, 'metrics: {');
  const stopped = here.command();
  expect([stopped.status, stopped.stderr]).toEqual([0, '']);
  expect(stopped.value('dogged_worker_up')).toBe(0);
  expect(stopped.value('dogged_worker_state', { state: 'stopped' })).toBe(1);
  expect(stopped.value('dogged_jobs', { workspace: 'default', task: 'note', state: 'completed' })).toBe(2);
  expect(stopped.has('dogged_jobs_ended_total')).toBe(false);

  writeFileSync(here.database, 'no database at all');
  const damaged = here.command();
  expect([damaged.status, damaged.stderr]).toEqual([1, expect.stringContaining('dogged.db')]);
  expect(damaged.value('dogged_database_readable')).toBe(0);
  expect(damaged.has('dogged_jobs')).toBe(false);
}, 60_000);

test('a worker that stands still is told without its counters, and that is said', async () => {
  const here = await place('tasks: { note: { run: ["true"] } }\n');
  const nothing = here.command();
  expect([
    nothing.status,
    nothing.value('dogged_worker_up'),
    nothing.value('dogged_database_readable'),
  ]).toEqual([1, 0, 0]);
  expect(here.run('start').status).toBe(0);
  const pid = here.workerPid();
  process.kill(pid, 'SIGSTOP');
  onTestFinished(() => void process.kill(pid, 'SIGCONT'));
  const { status, stderr, has, value } = here.command();
  expect([status, stderr]).toEqual([
    1,
    `the worker (PID ${pid}) does not tell its counters: no answer within 1 s\n`,
  ]);
  expect([has('dogged_slots'), value('dogged_database_readable')]).toEqual([false, 1]);
  process.kill(pid, 'SIGCONT');
  const [first] = here.json('metrics');
  expect(first).toMatchObject({ name: 'dogged_build_info', type: 'gauge', values: [{ value: 1 }] });
}, 30_000);

test('a port that is taken and clients that say nothing harm no job; the diagnosis names it until it is free', async () => {
  const here = await place('tasks: { note: { run: ["true"] } }\n');
  const free = await takePort(here.port);
  expect(here.run('start').status).toBe(0);
  const metricsLine = () => /^.*Metrics .*$/m.exec(here.run('health').stdout)?.[0] ?? '';
  await until(() => metricsLine().startsWith('⚠️'));
  expect(metricsLine()).toContain(`127.0.0.1:${here.port}: another program has this port`);
  expect(here.run('logs').stdout).toContain('another program has this port; it is tried again every 5 s');
  here.run('add', 'note');
  await until(
    () => here.command().value('dogged_jobs_ended_total', { task: 'note', outcome: 'completed' }) === 1,
  );
  await free();
  await until(() => here.scrape());
  await until(() => metricsLine().startsWith('✅'));

  const silent = Array.from({ length: 30 }, () => connect(here.port, '127.0.0.1'));
  for (const socket of silent)
    socket.on('error', () => socket.destroy()).on('connect', () => socket.write('GET /met'));
  onTestFinished(() => silent.forEach((socket) => void socket.destroy()));
  await until(() => silent.filter(({ destroyed }) => destroyed).length >= 20);
  here.run('add', 'note');
  await until(
    () => here.command().value('dogged_jobs_ended_total', { task: 'note', outcome: 'completed' }) === 2,
  );
  expect(here.run('stop').status).toBe(0);
  rmSync(join(here.folder, 'dogged.config.yaml'));
  expect(
    here.command().value('dogged_jobs', { workspace: 'default', task: 'note', state: 'completed' }),
  ).toBe(2);
}, 60_000);
