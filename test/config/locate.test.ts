import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { CONFIG_NAMES, locate } from '../../src/config/locate.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';

const YAML = [
  'slots: 4',
  'state: ./here',
  'state: here # with a remark',
  'state:    /var/lib/dogged   ',
  'state: "./with space"',
  "state: './a''b'",
  "'state': './quoted key'",
  '"state" : "./quoted key"',
  'state: "./esc\\u0061ped"',
  'state: ./dots/../and#hash',
  'state: a b c',
  'state: ./colon:inside',
  'state:\n  ./next-line',
  'state: ./first\n  second',
  'state: >\n  ./folded\n',
  'state: |-\n  ./literal\n',
  'state: !!str ./tagged',
  'state: &here ./anchored\nheartbeat: { dir: *here }',
  'workspace: &w elsewhere\nstate: *w',
  '{ state: ./flow }',
  '# remark first\n\n{ "state": "./flow" }',
  '--- # a document\nstate: ./after-marker',
  '%YAML 1.2\n---\nstate: ./after-directive',
  'sources: { a: { log: x, task: t, route: [ { when: { state: nested } } ] } }\ntasks: { t: { run: ["true"] } }',
  'tasks:\n  t:\n    run: [echo, "state: not this"]\nslots: 2\nstate: ./last',
  '"st\\x61te": ./escaped-key',
  '? state\n: ./explicit',
  '# state: ./in-a-comment\nslots: 3',
  '\ufeffstate: ./bom',
  'slots: 4\r\nstate: ./crlf\r\npoll: 2s\r\n',
  'state: ./ünïcode/📦',
  'state: 007x',
  'state: ~/tilde-is-a-name-here',
];

const JSON_TEXTS = [
  '{}',
  '{"state": "./here"}',
  '{"tasks": {"state": {"run": ["x"]}}, "state": "./th\\u00e9re"}',
  '\ufeff{"state":"/a"}',
];

const MODULES = [
  'export default { slots: 4 };',
  'export default { state: "./plain" };',
  'const base = "./computed";\nexport default { state: base + "-1" };',
  'export default {\n  sources: { a: { log: "x", task: "t", route: [{ when: {\n    state: "nested" } }] } },\n  tasks: { t: { run: ["true"] } },\n};',
];

async function agrees(text: string, name: string, environment: Record<string, string> = {}) {
  const folder = tempFolder();
  writeFileSync(join(folder, name), text);
  const located = await locate(undefined, environment, folder);
  expect(located.configFile).toBe(join(folder, name));
  expect(located.stateFolder).toBe((await loadConfig(located.configFile, environment)).stateFolder);
}

describe('finding the state folder without the full loader', () => {
  it.each(YAML)('agrees with it on YAML: %j', (text) => agrees(text, 'dogged.config.yaml'));
  it.each(JSON_TEXTS)('agrees with it on JSON: %j', (text) => agrees(text, 'dogged.config.json'));
  it.each(MODULES)('agrees with it on a module: %j', (text) => agrees(text, 'dogged.config.mjs'));
  it.each([
    { DOGGED__STATE: './there' },
    { DOGGED__STATE: '/abs' },
    { dogged__state: 'x' },
    { DOGGED__State: 'x', DOGGED__STATE: 'y' },
  ])('agrees with it on the environment: %j', (environment) =>
    agrees('state: ./here', 'dogged.config.yaml', environment as Record<string, string>),
  );

  it.each([
    ['dogged.config.yaml', 'state: ./here\nslots: nonsense\n  badly: indented: much\n', 'here'],
    ['dogged.config.yaml', 'state: "./here"\n"unclosed', 'here'],
    ['dogged.config.yaml', '{ state: ', 'state'],
    ['dogged.config.json', '{ "slots": 4,, "state": "./here" ', 'here'],
    ['dogged.config.mjs', 'export default {\n  state: "./here",\n', 'here'],
    ['dogged.config.mjs', 'throw new Error("state")', 'state'],
    ['dogged.config.ts', 'export default {\n  state: "./here" as string,\n}', 'here'],
  ])('does its best with a broken config: %s %j', async (name, text, expected) => {
    const folder = tempFolder();
    writeFileSync(join(folder, name), text);
    expect((await locate(undefined, {}, folder)).stateFolder).toBe(join(folder, expected));
  });

  it('takes the first config in order, the given one before all, and the default place when there is none', async () => {
    const folder = tempFolder();
    const place = async (given?: string) => (await locate(given, {}, folder)).configFile;
    expect(await locate(undefined, {}, folder)).toEqual({
      configFile: join(folder, 'dogged.config.yaml'),
      configExists: false,
      stateFolder: join(folder, 'state'),
    });
    for (const name of [...CONFIG_NAMES].reverse()) {
      writeFileSync(join(folder, name), '');
      expect(await place()).toBe(join(folder, name));
    }
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub', 'other.yaml'), 'state: ./s');
    expect(await locate('sub/other.yaml', {}, folder)).toEqual({
      configFile: join(folder, 'sub/other.yaml'),
      configExists: true,
      stateFolder: join(folder, 'sub/s'),
    });
  });

  it('needs neither yaml nor zod for a config as people write them: it works where they are not installed', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'dogged.config.yaml'), '# remark\nstate: "./here" # state\nslots: 2\n');
    for (const name of ['locate.js', 'variable-name.js']) {
      copyFileSync(join(dirname(builtCli()), 'config', name), join(folder, name));
    }
    const script = `import('./locate.js').then((m) => m.locate()).then((found) => console.log(found.stateFolder))`;
    expect(execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' })).toBe(
      `${folder}/here\n`,
    );
  });
});
