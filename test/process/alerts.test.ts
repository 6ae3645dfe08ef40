import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runningProcess } from '../../src/heartbeat/pid-file.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { readProcessStat, signalProved } from '../../src/platform/process-identity.js';
import { alertServer } from '../health/alerts/alert-server.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/* The real program: monitor and worker as `dogged start` makes them, alerts to real programs and servers. */

function place(alerts: string, tasks = '') {
  const folder = tempFolder();
  const config = `
heartbeat: 200ms
poll: 100ms
health: { fresh: 600ms, stuck: 1200ms, restarts: { limit: 3, within: 10m, backoff: 50ms..100ms } }
alerts:
${alerts}
sources:
  notes: { log: ./notes.ndjson, key: title, task: note }
tasks:
  note: { run: ["true"] }
${tasks}
`;
  writeFileSync(join(folder, 'dogged.config.yaml'), config);
  const files = stateFiles(join(folder, 'state'));
  const lines = () =>
    existsSync(join(folder, 'told'))
      ? readFileSync(join(folder, 'told'), 'utf8').split('\n').slice(0, -1)
      : [];
  return {
    ...workplace(folder, { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined }),
    files,
    /** Kind and phase of each alert that its program was told, with the text. */
    told: () => lines().map((line) => JSON.parse(line)),
    kinds: () =>
      lines()
        .map((line) => JSON.parse(line))
        .map(({ alert, phase }) => (phase === null ? alert : `${alert} ${phase}`)),
    worker: () => runningProcess(files.workerPid),
    monitor: () => runningProcess(files.monitorPid),
    log: () => readFileSync(files.monitorLog, 'utf8'),
  };
}

const KEEP = '  - exec: [sh, -c, "cat >> told"]';

test.each([
  ['killed', 'SIGKILL', /: the worker \(PID \d+\) was ended by SIGKILL: starting another$/],
  ['frozen', 'SIGSTOP', /: no heartbeat for .*: ending the worker \(PID \d+\)$/],
] as const)(
  'a worker that is %s is told as stuck and as recovered, by program and by webhook',
  async (_, signal, why) => {
    const server = await alertServer();
    const here = place(
      `${KEEP}\n  - { on: [recovered], webhook: "http://127.0.0.1:${server.port}/?token=hush" }`,
    );
    here.run('start');
    const first = here.worker();
    if (first === null) throw new Error('the worker did not start');
    expect(here.kinds()).toEqual([]);
    signalProved(first, signal);
    await until(() => here.kinds().length === 2);
    expect(here.kinds()).toEqual(['stuck', 'recovered']);
    const [stuck, recovered] = here.told();
    expect(stuck.text).toMatch(why);
    expect(recovered.text).toContain(`the worker (PID ${here.worker()?.pid}) is at work again`);
    await until(() => server.posted.length === 1);
    expect(server.posted[0]?.body).toMatchObject({ ...recovered, content: recovered.text });
    await until(() =>
      here.log().includes(`alert \\"recovered\\" sent (webhook http://127.0.0.1:${server.port})`),
    );
    expect(here.log()).not.toContain('hush');
    // 45 MiB once it has settled, also after a webhook: another process posts it.
    const rssKb = Number(
      /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${here.monitor()?.pid}/status`, 'utf8'))?.[1],
    );
    expect(rssKb / 1024).toBeLessThan(48);
  },
  30_000,
);

test('a job that fails for good is told, and what a task depends on when it goes away and when it is back', async () => {
  const here = place(
    KEEP,
    `  bad: { run: [sh, -c, "echo no such thing >&2; exit 65"] }
  away: { run: [./away], breaker: { after: 1, cooldown: 200ms } }`,
  );
  // What is not there may come: it is told, and nothing is refused for it.
  expect(here.run('start').stderr).toMatch(
    /^Warning: .*tasks\.away\.run\[0\] names no file: .*\/away is not there$/m,
  );
  here.run('add', 'bad', '--payload', '{}', '--key', 'Moisture\nalarm');
  await until(() => here.kinds().length === 1);
  expect(here.told()[0]).toMatchObject({ alert: 'dead-letter', count: 1 });
  expect(here.told()[0].text).toMatch(/job 1 \(bad, Moisture\\nalarm\): .*no such thing/);

  here.run('add', 'away');
  await until(() => here.kinds().includes('outage begun'));
  expect(here.told()[1]).toMatchObject({ subject: 'away', text: expect.stringContaining('ENOENT') });
  writeFileSync(join(here.folder, 'away'), '#!/bin/sh\n');
  chmodSync(join(here.folder, 'away'), 0o755);
  await until(() => here.json('jobs', '--state', 'completed').length === 1);
  // The end is of the same kind: it comes when the minute is over, by this monitor or by the next.
  await until(() => readFileSync(here.files.alerts, 'utf8').includes('works again'));
  here.run('stop');
  const book = readFileSync(here.files.alerts, 'utf8');
  expect(book).toMatch(/"begunAtMs":{"dead-letter":\d+,"outage":\d+}/);
  writeFileSync(here.files.alerts, book.replaceAll(/"begunAtMs":{.*?}/g, '"begunAtMs":{}'));
  here.run('start');
  await until(() => here.kinds().includes('outage ended'));
  expect(here.kinds()).toEqual(['dead-letter', 'outage begun', 'outage ended']);
}, 60_000);

test('a monitor that gives up tells so once, and that all is well again', async () => {
  const here = place('  - { on: [gave-up, recovered], exec: [sh, -c, "cat >> told"] }');
  here.run('start');
  here.run('stop');
  const database = join(here.folder, 'state', 'dogged.db');
  const kept = readFileSync(database);
  rmSync(database);
  // In the place of a folder nothing can be put.
  spawnSync('mkdir', [database]);
  expect(here.run('start').status).toBe(1);
  await until(() => here.kinds().length === 1);
  expect(here.told()[0]).toMatchObject({ alert: 'gave-up', text: expect.stringContaining('gave up after') });
  expect(here.run('start').status).toBe(1);
  rmSync(database, { recursive: true });
  writeFileSync(database, kept);
  expect(here.run('start').status).toBe(0);
  await until(() => here.kinds().length === 2);
  expect(here.kinds()).toEqual(['gave-up', 'recovered']);
}, 60_000);

test('a program that hangs delays no recovery, and a stop does not wait for it', async () => {
  const here = place('  - exec: [sh, -c, "echo $$ > pid; exec sleep 60"]');
  here.run('start');
  for (let kills = 0; kills < 2; kills += 1) {
    const worker = here.worker();
    if (worker === null) throw new Error('there is no worker');
    signalProved(worker, 'SIGKILL');
    // Read once: one that was killed is still there for a moment, and then is nobody.
    const isReplaced = () => (here.worker()?.nonce ?? worker.nonce) !== worker.nonce;
    await until(isReplaced, { withinMs: 5_000 });
  }
  const pid = Number(
    await until(() => existsSync(join(here.folder, 'pid')) && readFileSync(join(here.folder, 'pid'), 'utf8')),
  );
  const startedAt = performance.now();
  expect(here.run('stop').status).toBe(0);
  expect(here.monitor()).toBeNull();
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  expect(['Z', undefined]).toContain(readProcessStat(pid)?.state);
}, 60_000);
