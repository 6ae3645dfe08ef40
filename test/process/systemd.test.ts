import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runningProcess } from '../../src/heartbeat/pid-file.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { userSystemd } from '../support/user-systemd.js';

/* The unit under a real systemd, which watches the real monitor. */

const CONFIG = `
sources:
  notes: { log: ./notes.ndjson, key: title, task: note }
tasks:
  note: { run: [cat] }
`;

test('a service: a pair in the background hands over, each of it that dies comes back, and start, stop and restart go through systemd', async (context) => {
  const systemd = await userSystemd();
  if (typeof systemd === 'string') {
    console.warn(`NOT TESTED with systemd: ${systemd}`);
    context.skip(systemd);
    return;
  }
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  writeFileSync(join(folder, 'notes.ndjson'), '');
  const place = workplace(folder, systemd.environment);
  const files = stateFiles(join(folder, 'state'));
  const pidOf = (file: string) => runningProcess(file)?.pid ?? null;
  const pair = () => [pidOf(files.workerPid), pidOf(files.monitorPid)];
  const unit = () => {
    const [name = ''] = systemd.systemctl('list-unit-files', '--no-legend', 'dogged-*').split(/\s+/);
    const shown = systemd.systemctl('show', name, '-p', 'ActiveState', '-p', 'MainPID', '-p', 'NRestarts');
    return Object.fromEntries(shown.split('\n').map((line) => line.split('=')));
  };
  const isActiveWith = (pid: number | null) =>
    unit()['ActiveState'] === 'active' && Number(unit()['MainPID']) === pid;

  expect(place.run('start').status).toBe(0);
  const [worker, former] = pair();
  expect(place.run('service', 'install')).toMatchObject({ status: 0, stderr: '' });
  await until(() => pidOf(files.monitorPid) !== null && isActiveWith(pidOf(files.monitorPid)), {
    withinMs: 10_000,
  });
  // The worker went on under the new monitor.
  expect(pidOf(files.workerPid)).toBe(worker);
  expect(pidOf(files.monitorPid)).not.toBe(former);

  process.kill(worker ?? 0, 'SIGKILL');
  await until(() => ![null, worker].includes(pidOf(files.workerPid)), { withinMs: 10_000 });
  expect(unit()['NRestarts']).toBe('0');

  const [second, monitor] = pair();
  process.kill(monitor ?? 0, 'SIGKILL');
  await until(() => unit()['NRestarts'] === '1' && isActiveWith(pidOf(files.monitorPid)), {
    withinMs: 15_000,
  });
  expect(pidOf(files.workerPid)).toBe(second);

  expect(place.run('restart')).toMatchObject({ status: 0, stderr: '' });
  await until(() => isActiveWith(pidOf(files.monitorPid)), { withinMs: 10_000 });
  expect(pidOf(files.workerPid)).not.toBe(second);

  writeFileSync(join(folder, 'notes.ndjson'), '{"title":"a"}\n', { flag: 'a' });
  await until(() => place.json('jobs').some(({ state }) => state === 'completed'), { withinMs: 10_000 });

  expect(place.run('stop').status).toBe(0);
  await until(() => unit()['ActiveState'] === 'inactive', { withinMs: 10_000 });
  expect(pair()).toEqual([null, null]);
  expect(place.run('start').status).toBe(0);
  expect(isActiveWith(pidOf(files.monitorPid))).toBe(true);

  systemd.systemctl('stop', 'dogged-*');
  expect(pair()).toEqual([null, null]);
  // Where systemd cannot be reached nothing is started past it.
  const lost = workplace(folder, { ...systemd.environment, XDG_RUNTIME_DIR: join(folder, 'none') }).run(
    'start',
  );
  expect(lost).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('By hand: systemctl --user start dogged-'),
  });
  expect(pair()).toEqual([null, null]);

  expect(place.run('service', 'uninstall').status).toBe(0);
  expect(systemd.systemctl('list-unit-files', '--no-legend', 'dogged-*')).toBe('');
  expect(place.run('start').status).toBe(0);
  expect(place.run('stop').status).toBe(0);
}, 90_000);
