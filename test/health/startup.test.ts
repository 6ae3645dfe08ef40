import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { runningProcess } from '../../src/heartbeat/pid-file.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { isRunning } from '../../src/platform/process-identity.js';
import { tempFolder } from '../support/temp-folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A checkout as a user has it after `git clone`, with the packages of this one. */
function checkout(): string {
  const folder = join(tempFolder(), 'dogged');
  mkdirSync(folder);
  const git = (cwd: string, ...args: string[]) => execFileSync('git', args, { cwd, encoding: 'utf8' });
  const names = git(root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard');
  const files = names.split('\0').filter((name) => name !== '' && existsSync(join(root, name)));
  execFileSync('xargs', ['-0', 'cp', '--parents', '-p', '-t', folder], {
    cwd: root,
    input: files.join('\0'),
  });
  linkPackages(folder);
  git(folder, 'init', '-q');
  git(folder, 'add', '.');
  onTestFinished(() => void run(join(folder, 'startup.sh'), folder, '--stop'));
  return folder;
}

/**
 * Package by package, in a folder of its own: were startup.sh to install, it would remove these links, and not what they
 * lead to. They are as new as can be, so it should not.
 */
function linkPackages(folder: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.') || name === '.bin')
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(modules, '.package-lock.json'), '{}');
}

function run(program: string, cwd: string, ...args: string[]) {
  const env = { ...process.env, NO_COLOR: '1', DOGGED__HEARTBEAT: '1s' };
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, stdout, stderr, lastLine: stdout.trimEnd().split('\n').at(-1) };
}

test('one script leads from a checkout to a healthy pair, restarts it cleanly, stops it, and leaves git clean', () => {
  const folder = checkout();
  const files = stateFiles(join(folder, 'state'));
  const startup = join(folder, 'startup.sh');
  const elsewhere = dirname(folder);

  // Called from another folder: everything is made in the checkout.
  const first = run(startup, elsewhere);
  expect(first.lastLine, first.stdout + first.stderr).toBe('✅ SYSTEM HEALTHY - All checks passed');
  expect(first.status).toBe(0);
  expect(existsSync(join(folder, 'dogged.config.yaml'))).toBe(true);
  const [worker, monitor] = [runningProcess(files.workerPid), runningProcess(files.monitorPid)];
  expect(worker).not.toBeNull();

  const second = run(startup, folder);
  expect(second.lastLine).toBe('✅ SYSTEM HEALTHY - All checks passed');
  expect(second.stdout).not.toContain('Building');
  expect(runningProcess(files.workerPid)?.nonce).not.toBe(worker?.nonce);
  expect(runningProcess(files.monitorPid)?.nonce).not.toBe(monitor?.nonce);
  for (const gone of [worker, monitor]) expect(gone !== null && isRunning(gone)).toBe(false);

  // By path and by link, from a folder without a config of its own.
  const link = join(elsewhere, 'check');
  symlinkSync(join(folder, 'scripts', 'health_monitor'), link);
  for (const program of [join(folder, 'scripts', 'health_monitor'), link]) {
    const { status, stdout } = run(program, elsewhere, '--diagnose', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'healthy' });
  }

  expect(
    execFileSync('git', ['status', '--porcelain', '-uall'], { cwd: folder, encoding: 'utf8' }).trim(),
  ).not.toMatch(/^(\?\?| M)/m);
  expect(run(startup, elsewhere, '--stop').status).toBe(0);
  expect(runningProcess(files.workerPid)).toBeNull();
  expect(runningProcess(files.monitorPid)).toBeNull();
}, 120_000);

test('what stands in the way is said in clear words, and nothing is started', () => {
  const folder = tempFolder();
  const startup = join(root, 'startup.sh');
  expect(run(startup, folder, '--fast')).toMatchObject({
    status: 64,
    stderr: expect.stringContaining('startup.sh knows no --fast'),
  });
  expect(run(startup, folder, 'nowhere.yaml')).toMatchObject({
    status: 78,
    stderr: expect.stringContaining('no config at nowhere.yaml'),
  });

  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'node'),
    '#!/bin/bash\n[[ $1 == --version ]] && echo v18.19.0\n[[ $1 == -e ]] && exit 1\nexit 0\n',
    { mode: 0o755 },
  );
  const config = join(folder, 'dogged.config.yaml');
  writeFileSync(config, readFileSync(join(root, 'test/fixtures/configs/garage.yaml')));
  const old = spawnSync(startup, [config], {
    env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` },
    encoding: 'utf8',
  });
  expect(old.status).toBe(69);
  expect(old.stderr).toContain('dogged needs Node 20.19 or newer; this is v18.19.0.');
  rmSync(bin, { recursive: true });
});
