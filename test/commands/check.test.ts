import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';

const check = (folder: string, ...args: string[]) =>
  spawnSync(process.execPath, [builtCli(), 'check', ...args], { cwd: folder, encoding: 'utf8' });

function folderWith(config: string, name = 'dogged.config.yaml'): string {
  const folder = tempFolder();
  writeFileSync(join(folder, name), config);
  return folder;
}

const GOOD = `
poll: 1500ms
sources:
  ideas: { log: ./ideas.json, task: go }
  drops: { directory: ./drops, match: "*.{json,ndjson}", task: go, poll: 1m }
tasks:
  go: { run: [node, handler.mjs], timeout: 90s, concurrency: 2 }
`;

describe('dogged check', () => {
  it('tells how many jobs of a task may really run at once: a module takes one for each of its workers', () => {
    const folder = folderWith(
      'tasks:\n  go: { module: ./handler.mjs, workers: 2, concurrency: 4 }\nsources: {}\n',
    );
    writeFileSync(join(folder, 'handler.mjs'), 'export default () => {};');
    expect(check(folder).stdout).toContain('at most 2 at once');
  });

  it('says what will be polled and what will run', () => {
    const folder = folderWith(GOOD);
    writeFileSync(join(folder, 'handler.mjs'), '');
    writeFileSync(join(folder, 'ideas.json'), '[]\n');
    const { status, stdout, stderr } = check(folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.replaceAll(folder, '')).toMatchInlineSnapshot(`
      "/dogged.config.yaml is good.
      source  ideas: polls /ideas.json every 1500ms for task go; it has 3 bytes
      source  drops: polls /drops/*.{json,ndjson} every 1m for task go; it is not there yet
      task    go: runs node handler.mjs; at most 2 at once, 90s each, 5 attempts
      state   /state
      "
    `);
  });

  it.each(['', 'sources: {}\n'])(
    'warns that %j polls nothing and runs nothing, and calls it valid',
    (config) => {
      const { status, stdout } = check(folderWith(config));
      expect(status).toBe(0);
      expect(stdout).toContain('is good');
      expect(stdout).toContain('sources are empty: nothing is polled');
      expect(stdout).toContain('tasks are empty: nothing can be run');
    },
  );

  it('names every problem with its place, and exits with 78', () => {
    const folder = folderWith('slotts: 3\nsources:\n  ideas: { log: x, task: go }\n');
    const { status, stdout } = check(folder);
    expect(status).toBe(78);
    expect(stdout).toBe(
      [
        'dogged.config.yaml:1:1  slotts is not a known setting — did you mean "slots"?',
        'dogged.config.yaml:3:20  sources.ideas.task names no task: "go" — there are no tasks yet',
        '',
        `${folder}/dogged.config.yaml has 2 problems.`,
        '',
      ].join('\n'),
    );
  });

  it('looks for the programs, scripts and modules that tasks and alerts name', () => {
    const folder = folderWith(`
tasks:
  module: { module: ./gone.mjs }
  script: { run: [python3, gone.py] }
  program: { run: [no-such-program, x] }
  service: { service: [./gone, x] }
  locked: { run: [./locked.sh] }
  fine: { run: [node, -e, "0"], verify: ["true"] }
  unsure: { run: [node, -e, "0"], verify: [node, gone.mjs] }
  shell: { run: "gone | gone", shell: true }
  filled: { run: [cat, "{{file}}"] }
  probed: { run: [cat], dependency: d, breaker: { probe: [no-such-probe] } }
  shares: { run: [cat], dependency: d }
alerts: [{ exec: [./tell.sh] }]
`);
    writeFileSync(join(folder, 'locked.sh'), '');
    chmodSync(join(folder, 'locked.sh'), 0o644);
    const { status, stdout } = check(folder);
    expect(status).toBe(0);
    expect(stdout.replaceAll(`${folder}/`, '').split('\n').slice(0, 10)).toEqual([
      'dogged.config.yaml is good, with 9 warnings:',
      expect.stringContaining('sources are empty'),
      'dogged.config.yaml:3:13  tasks.module.module names no file: gone.mjs is not there',
      'dogged.config.yaml:4:28  tasks.script.run[1] names no file: gone.py is not there',
      'dogged.config.yaml:5:20  tasks.program.run[0] names a program that is not in PATH: no-such-program — install it, or write its whole path',
      'dogged.config.yaml:6:24  tasks.service.service[0] names no file: gone is not there',
      'dogged.config.yaml:7:19  tasks.locked.run[0] names a file that cannot be executed: locked.sh — allow it with: chmod +x locked.sh',
      'dogged.config.yaml:9:50  tasks.unsure.verify[1] names no file: gone.mjs is not there',
      'dogged.config.yaml:12:59  tasks.probed.breaker.probe[0] names a program that is not in PATH: no-such-probe — install it, or write its whole path',
      'dogged.config.yaml:14:19  alerts[0].exec[0] names no file: tell.sh is not there',
    ]);
  });

  it('gives the same in JSON, and nothing else on stdout', () => {
    const folder = folderWith(GOOD);
    mkdirSync(join(folder, 'drops'));
    const answer = JSON.parse(check(folder, '--json').stdout);
    expect(answer).toEqual({
      ok: true,
      file: join(folder, 'dogged.config.yaml'),
      problems: [],
      warnings: [
        {
          position: { line: 7, column: 21 },
          variable: null,
          path: 'tasks.go.run[1]',
          message: `names no file: ${folder}/handler.mjs is not there`,
          fix: null,
        },
      ],
      stateFolder: join(folder, 'state'),
      sources: [
        {
          name: 'ideas',
          kind: 'log',
          path: `${folder}/ideas.json`,
          pollMs: 1500,
          task: 'go',
          state: 'it is not there yet',
        },
        {
          name: 'drops',
          kind: 'directory',
          path: `${folder}/drops`,
          pollMs: 60_000,
          task: 'go',
          state: 'it has 0 entries',
        },
      ],
      tasks: [{ name: 'go', kind: 'command' }],
    });
  });

  it('names the variable when the environment is at fault', () => {
    const folder = folderWith('{}');
    const env = { ...process.env, DOGGED__SLOTS: '0' };
    const { status, stdout } = spawnSync(process.execPath, [builtCli(), 'check'], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    expect({ status, stdout }).toMatchObject({
      status: 78,
      stdout: expect.stringMatching(/^DOGGED__SLOTS {2}slots must be/),
    });
  });

  it('says which config is not used when there are two', () => {
    const folder = folderWith('{}');
    writeFileSync(join(folder, 'dogged.config.json'), '{}');
    expect(check(folder).stderr).toContain('dogged.config.json is not used');
    expect(check(folder, '-c', 'dogged.config.json')).toMatchObject({ status: 0, stderr: '' });
  });

  it('shows control characters of a config escaped', () => {
    const folder = folderWith('tasks: { "a\\u001b[31m\\u202e": { run: ["true"] } }');
    const { stdout } = check(folder);
    expect(stdout).not.toMatch(/[\u001b\u202e]/);
    expect(stdout).toContain('\\x1b[31m\\u202e');
  });

  it('without a config names the command that writes one', () => {
    const { status, stderr } = check(tempFolder());
    expect({ status, stderr }).toMatchObject({ status: 78, stderr: expect.stringContaining('dogged init') });
  });
});
