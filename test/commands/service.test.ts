import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createServiceManager } from '../../src/health/service-manager.js';
import { systemClock } from '../../src/platform/clock.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;
const noAnalyze = has('systemd-analyze') ? null : 'there is no systemd-analyze';
const noNotify = has('systemd-notify') && has('python3') ? null : 'there is no systemd-notify or no python3';
for (const why of [noAnalyze, noNotify]) if (why !== null) console.warn(`NOT TESTED with systemd: ${why}`);

/** A folder with a hostile name, and a `systemctl` that writes down what it is told. */
function place(exitCode = 0) {
  const base = tempFolder();
  const folder = join(base, 'my jobs 100% $HOME');
  mkdirSync(folder);
  writeFileSync(join(folder, 'dogged.config.yaml'), 'tasks: { build: { run: ["true"] } }\n');
  const bin = join(base, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'systemctl'),
    `#!/bin/sh\necho "$@" >> '${base}/told'\necho no bus >&2\nexit ${exitCode}\n`,
  );
  chmodSync(join(bin, 'systemctl'), 0o755);
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [builtCli(), 'service', ...args], {
      cwd: folder,
      env: { ...process.env, PATH: `${bin}:${process.env['PATH']}`, XDG_CONFIG_HOME: join(base, 'config') },
      encoding: 'utf8',
    });
  const told = () =>
    existsSync(join(base, 'told')) ? readFileSync(join(base, 'told'), 'utf8').trim().split('\n') : [];
  return {
    base,
    folder,
    run,
    told,
    unit: join(base, 'config/systemd/user/dogged-my-jobs-100---HOME.service'),
  };
}

test.skipIf(noAnalyze !== null)(`both kinds of unit pass the check of systemd ${noAnalyze ?? ''}`, () => {
  const { base, run } = place();
  for (const [kind, ...flags] of [['--user'], ['--system', '--system', '--run-as', 'root']] as const) {
    const to = join(base, kind);
    expect(run('install', '--to', to, ...flags).status).toBe(0);
    const file = join(to, 'dogged-my-jobs-100---HOME.service');
    const verified = spawnSync('systemd-analyze', ['verify', kind, file], { encoding: 'utf8' });
    expect(verified.stderr).not.toMatch(/dogged-my-jobs/);
  }
});

test('the command line in the unit stands as it is, whatever characters are in its paths', () => {
  const { folder, run } = place();
  const { stdout } = run('print');
  const config = join(folder, 'dogged.config.yaml').replaceAll('%', '%%').replaceAll('$', '$$$$');
  expect(stdout).toContain(`"health" "--monitor" "-c" "${config}"`);
  expect(stdout).not.toContain('User=');
});

test('install writes, enables and starts, again replaces, and uninstall leaves nothing', () => {
  const { run, told, unit } = place();
  expect(run('install').status).toBe(0);
  expect(run('install').status).toBe(0);
  expect(readFileSync(unit, 'utf8')).toContain('Type=notify');
  const name = 'dogged-my-jobs-100---HOME.service';
  expect(told().slice(0, 3)).toEqual([
    '--user daemon-reload',
    `--user enable ${name}`,
    `--user start ${name}`,
  ]);
  expect(run('uninstall').status).toBe(0);
  expect(existsSync(unit)).toBe(false);
  expect(told().slice(-2)).toEqual([`--user disable --now ${name}`, '--user daemon-reload']);
});

test('a unit that we did not write is neither replaced nor removed', () => {
  const { base, run, told, unit } = place();
  mkdirSync(join(base, 'config/systemd/user'), { recursive: true });
  writeFileSync(unit, '[Service]\nExecStart=/bin/mine\n');
  for (const action of ['install', 'uninstall']) {
    expect(run(action)).toMatchObject({ status: 1, stderr: expect.stringContaining('did not write it') });
  }
  expect(readFileSync(unit, 'utf8')).toBe('[Service]\nExecStart=/bin/mine\n');
  expect(told()).toEqual([]);
});

test('what systemd says against it is told, and is no success', () => {
  const { run } = place(1);
  expect(run('install')).toMatchObject({ status: 1, stderr: expect.stringContaining('no bus') });
  expect(run('nonsense').status).toBe(64);
});

const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True: print(s.recv(4096).decode().replace(chr(10), ' '), flush=True)
`;

test.skipIf(noNotify !== null)(
  `systemd is told that the monitor is ready, and goes on hearing of it only while it is at work ${noNotify ?? ''}`,
  async () => {
    const socket = join(tempFolder(), 'notify');
    const listener = spawn('python3', ['-c', LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void listener.kill('SIGKILL'));
    let heard = '';
    listener.stdout.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
    });
    await until(() => heard.includes('listening'));
    const env: NodeJS.ProcessEnv = {
      PATH: process.env['PATH'],
      NOTIFY_SOCKET: socket,
      WATCHDOG_USEC: '300000',
    };
    const errors: string[] = [];
    const manager = createServiceManager(systemClock, (why) => errors.push(why), env);
    onTestFinished(() => manager.stop());
    expect(Object.keys(env)).toEqual(['PATH']);
    let atWork = true;
    manager.ready(() => atWork);
    const words = () => heard.split('WATCHDOG=1').length - 1;
    await until(() => heard.includes(`READY=1 MAINPID=${process.pid}`) && words() >= 3);
    atWork = false;
    // Those under way arrive; then it is silent for many of its periods, which another listener's clock counts.
    let before = -1;
    await until(
      () => {
        const quiet = before === words();
        before = words();
        return quiet;
      },
      { everyMs: 1_000 },
    );
    expect(errors).toEqual([]);
  },
);
