import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../src/commands/catalogue.js';
import { runCommandLine } from '../src/commands/command-line.js';
import { builtCli } from './support/built-program.js';
import { tempFolder } from './support/temp-folder.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const commands = CATALOGUE.flatMap((group) => group.commands);

/** Without starting a process: help and complaints. */
async function say(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stdout = { write: (text: string) => (written.stdout += text) };
  const stderr = { write: (text: string) => (written.stderr += text) };
  const code = await runCommandLine(args, { stdout, stderr, env: {} });
  return { code, ...written };
}

function run(
  folder: string,
  args: readonly string[],
  { cli = builtCli(), env = {}, input = '' }: { cli?: string; env?: NodeJS.ProcessEnv; input?: string } = {},
) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1', ...env },
    input,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function project(config = 'tasks:\n  build: { run: [node, -e, "0"] }\n'): string {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), config);
  return folder;
}

describe('help', () => {
  test('lists every command with what it is for', async () => {
    const { code, stdout, stderr } = await say('--help');
    expect([code, stderr]).toEqual([0, '']);
    for (const { name, summary } of commands) {
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(` ${name} ${summary} `);
    }
  });

  test.each(commands.map(({ name }) => name))('of %s has an example and the common options', async (name) => {
    const { code, stdout } = await say(name, '--help');
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: dogged ${name} [options]`);
    expect(stdout).toMatch(new RegExp(`^Examples?:\\n {2}.*dogged ${name}`, 'm'));
    expect(stdout).toContain('--config <file>');
    expect(stdout).toContain('--json');
    expect((await say('help', name)).stdout).toBe(stdout);
  });

  test('without any command goes to stderr, with exit code 64', async () => {
    const { code, stdout, stderr } = await say();
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain('Usage: dogged');
  });
});

describe('wrong usage', () => {
  test.each([
    [['stauts'], "unknown command 'stauts'", '(Did you mean status?)'],
    [['status', '--jsno'], "unknown option '--jsno'", '(Did you mean --json?)'],
    [['jobs', '--limt', '3'], "unknown option '--limt'", '(Did you mean --limit?)'],
    [['--jsno'], "unknown option '--jsno'", '(Did you mean --json?)'],
    [['status', 'now'], 'too many arguments', 'See: dogged status --help'],
    [['status', '-c'], "option '-c, --config <file>' argument missing", 'See: dogged status --help'],
    [['help', 'stauts'], '', ''],
    [['job'], "missing required argument 'id'", 'See: dogged job --help'],
    [['jobs', '--limit', '0'], 'It must be a whole number from 1.', 'See: dogged jobs --help'],
  ])('%j exits 64 and names the nearest', async (args, problem, remedy) => {
    const { code, stderr } = await say(...args);
    expect(code).toBe(64);
    expect(stderr).toContain(problem);
    expect(stderr).toContain(remedy);
  });

  test('says what it was given without obeying it', async () => {
    const { stderr } = await say('\x1b[31mstatus');
    expect(stderr).toContain("'\\x1b[31mstatus'");
  });
});

test('options may stand before the command, too', async () => {
  const folder = project();
  const config = join(folder, 'dogged.config.yaml');
  for (const args of [
    ['-c', config, '--json', 'status'],
    ['status', '-c', config, '--json'],
    ['--json', 'status', `--config=${config}`],
  ]) {
    const { code, stdout } = await say(...args);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'stopped' });
  }
});

describe('the program', () => {
  test('tells its version', () => {
    expect(run(root, ['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  test('explains an error in two lines, and shows a stack only to who asks for it', () => {
    const folder = project();
    const { status, stdout, stderr } = run(folder, ['add', 'biuld']);
    expect([status, stdout]).toEqual([64, '']);
    expect(stderr.split('\n')).toHaveLength(3);
    expect(run(folder, ['add', 'biuld'], { env: { DOGGED_DEBUG: '1' } }).stderr).toContain('    at ');
  });

  test('exits 78 for a bad config and for none, with all problems at once', () => {
    const bad = run(project('slotss: 3\ntasks:\n  build: { run: 7 }\n'), ['add', 'build']);
    expect(bad.status).toBe(78);
    expect(bad.stderr).toContain('slotss');
    expect(bad.stderr).toMatch(/:3:\d+/);
    expect(run(tempFolder(), ['add', 'build'])).toMatchObject({ status: 78, stdout: '' });
  });

  test('looks, reads logs and waits without a config that is good', () => {
    const folder = project('tasks: [');
    expect(run(folder, ['status']).status).toBe(3);
    expect(run(folder, ['logs']).status).toBe(0);
    expect(run(folder, ['queue']).status).toBe(0);
  });

  test('reads a payload from stdin', () => {
    const folder = project();
    const added = run(folder, ['add', 'build', '--payload', '-', '--json'], { input: '{"from": "stdin"}' });
    expect(added.status).toBe(0);
    const { id } = JSON.parse(added.stdout);
    expect(JSON.parse(run(folder, ['job', id, '--json']).stdout).payload).toEqual({ from: 'stdin' });
    expect(run(folder, ['add', 'build', '--payload', '-'], { input: '' }).status).toBe(64);
  });

  test('ends quietly when nobody reads on', async () => {
    const folder = project();
    run(folder, ['add', 'build']);
    const child = spawn(process.execPath, [builtCli(), 'jobs', '--json'], { cwd: folder });
    // Gone long before the first line is written.
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (part) => {
      stderr += part;
    });
    const [code] = await once(child, 'close');
    expect([code, stderr]).toEqual([0, '']);
  });

  test('prints no colour into a pipe, and colour where it is asked for', () => {
    const folder = project();
    expect(run(folder, ['status']).stdout).not.toContain('\x1b[');
    const forced = run(folder, ['status'], { env: { NO_COLOR: '', FORCE_COLOR: '1' } }).stdout;
    expect(forced).toContain('\x1b[33mnot running\x1b[0m');
    expect(
      run(folder, ['status', '--json'], { env: { NO_COLOR: '', FORCE_COLOR: '1' } }).stdout,
    ).not.toContain('\x1b[');
  });
});

test('monitor_queue is the queue by path and by link, of the folder that it is called from', () => {
  // Its dist/ is the one that tests compile, so it is called through a checkout of links.
  const folder = project();
  const copy = join(folder, 'checkout');
  cpSync(join(root, 'scripts', 'monitor_queue'), join(copy, 'scripts', 'monitor_queue'));
  symlinkSync(dirname(builtCli()), join(copy, 'dist'));
  const byLink = join(folder, 'by-link');
  symlinkSync(join(copy, 'scripts', 'monitor_queue'), byLink);
  for (const path of [join(copy, 'scripts', 'monitor_queue'), byLink]) {
    const { status, stdout } = spawnSync(path, ['--once', '--json'], { cwd: folder, encoding: 'utf8' });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'stopped' });
  }
});

test('flattened into a few files, the program says the same', () => {
  const cli = builtCli();
  const dist = dirname(cli);
  const importedBy = (file: string) =>
    [...readFileSync(file, 'utf8').matchAll(/^import [^;]*?"([^"]+)";$/gm)]
      .map(([, name]) => name)
      .filter((name) => !name?.startsWith('node:'));
  expect(importedBy(cli)).toEqual(['./job/errors.js']);
  const screen = join(dist, 'commands/watch-queue.js');
  expect(importedBy(screen)).toEqual(['../job/errors.js']);
  expect(importedBy(join(dist, 'worker.js'))).toEqual(['./job/errors.js']);
  expect(importedBy(join(dist, 'health-monitor.js'))).toEqual(['./job/errors.js']);
  expect(importedBy(join(dist, 'heartbeat/guard-thread.js'))).toEqual([]);
  // What takes as long as Node's own start, each: measuring text by all emoji, and Node's HTTP client.
  expect(readFileSync(screen, 'utf8')).not.toMatch(/RGI_Emoji|\bfetch\(/);
  const folder = project();
  run(folder, ['add', 'build'], { cli });
  for (const args of [['status', '--json'], ['job', '99'], ['add', 'biuld'], ['stauts']]) {
    expect(run(folder, args, { cli })).toEqual(run(folder, args, { cli: builtCli('unflattened') }));
  }
});
