import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';

const init = (folder: string, ...args: string[]) =>
  spawnSync(process.execPath, [builtCli(), 'init', ...args], { cwd: folder, encoding: 'utf8' });

/** Every path below a folder with its content or target. */
function contentOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const path = join(folder, name);
        const stat = lstatSync(path);
        return [
          name,
          stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : readFileSync(path, 'utf8'),
        ];
      }),
  );
}

describe('dogged init', () => {
  it('writes a config that is valid as it is, its folders, its handlers and the files that they feed', async () => {
    const folder = tempFolder();
    const { status, stdout } = init(folder);
    expect(status).toBe(0);
    expect(stdout).toContain('made  dogged.config.yaml');
    expect(stdout).toContain('dogged start');
    const config = await loadConfig(join(folder, 'dogged.config.yaml'), {});
    expect(
      config.sources.map(({ name, kind, task, key, onChange }) => ({ name, kind, task, key, onChange })),
    ).toEqual([
      { name: 'implementation', kind: 'directory', task: 'implement', key: 'title', onChange: 'ignore' },
      { name: 'ideas', kind: 'log', task: 'implement', key: 'title', onChange: 'ignore' },
      { name: 'qa', kind: 'log', task: 'rework', key: 'title', onChange: 'rerun' },
    ]);
    for (const source of config.sources) expect(existsSync(source.path), source.path).toBe(true);
    for (const { runner } of config.tasks) {
      const program = runner.kind === 'module' ? runner.path : join(folder, runner.argv[1] ?? '');
      expect(statSync(program).isFile()).toBe(true);
    }
    expect(existsSync(join(folder, 'outputs'))).toBe(true);
  });

  it('makes the folder that it is given', () => {
    const folder = tempFolder();
    expect(init(folder, 'my garage/pi')).toMatchObject({ status: 0 });
    expect(existsSync(join(folder, 'my garage/pi/dogged.config.yaml'))).toBe(true);
    expect(readdirSync(folder)).toEqual(['my garage']);
  });

  it('never overwrites: a second run changes nothing, a removed file comes back, an edited one stays', () => {
    const folder = tempFolder();
    init(folder);
    const first = contentOf(folder);
    expect(init(folder).stdout).toContain('Everything was there already.');
    expect(contentOf(folder)).toEqual(first);

    writeFileSync(join(folder, 'handlers/implement.mjs'), '// mine');
    writeFileSync(join(folder, 'ideas_log.json'), '[{"title":"mine"}, half');
    writeFileSync(join(folder, 'outputs/kept.txt'), 'mine');
    spawnSync('rm', [join(folder, 'handlers/mend.mjs')]);
    expect(JSON.parse(init(folder, '--json').stdout)).toMatchObject({ folder, made: ['handlers/mend.mjs'] });
    expect(contentOf(folder)).toEqual({
      ...first,
      'handlers/implement.mjs': '// mine',
      'ideas_log.json': '[{"title":"mine"}, half',
      'outputs/kept.txt': 'mine',
    });
  });

  it('puts no second config beside one of another form, which it would hide', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'dogged.config.mjs'), 'export default {};');
    expect(init(folder).stdout).toContain('kept  dogged.config.mjs');
    expect(existsSync(join(folder, 'dogged.config.yaml'))).toBe(false);
  });

  it('keeps links, also one that leads to nothing, and writes through none', () => {
    const folder = tempFolder();
    mkdirSync(join(folder, 'garage'));
    symlinkSync(join(folder, 'elsewhere.json'), join(folder, 'garage/ideas_log.json'));
    expect(init(folder, 'garage').status).toBe(0);
    expect(lstatSync(join(folder, 'garage/ideas_log.json')).isSymbolicLink()).toBe(true);
    expect(existsSync(join(folder, 'elsewhere.json'))).toBe(false);
  });

  it('names the schema for editors where this installation has it', () => {
    const folder = tempFolder();
    init(folder);
    const [line = ''] = readFileSync(join(folder, 'dogged.config.yaml'), 'utf8').split('\n');
    expect(line).toMatch(/^# yaml-language-server: \$schema=\/.*\/dist\/config\.schema\.json$/);
  });

  it.each([
    [['--example', 'nonsense'], 'There is no example "nonsense". There is: default.'],
    [['a-file'], 'is not a folder'],
    [['a-file/below'], 'is not a folder'],
    [['.', 'two'], 'too many arguments'],
  ])('wrong usage is exit 64: %j', (args, message) => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'a-file'), 'mine');
    const { status, stderr } = init(folder, ...args);
    expect({ status, stderr }).toMatchObject({ status: 64, stderr: expect.stringContaining(message) });
    expect(contentOf(folder)).toEqual({ 'a-file': 'mine' });
  });
});
