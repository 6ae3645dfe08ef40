import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../support/temp-folder.js';
import { initialised, templateFile } from './default-handlers.js';

const { projectName, readIdea } = (await import(templateFile('handlers/project.mjs'))) as {
  projectName(title: string): string;
  readIdea(text: string): { idea: unknown; problem: string | null };
};
const records = fileURLToPath(new URL('../fixtures/records', import.meta.url));
const idea = (fields: object) =>
  JSON.stringify({ title: 'Moisture alarm', description: 'Beep when dry', ...fields });

describe('an idea', () => {
  it('becomes a project folder: the idea as it came, a README, its code, checked', () => {
    const place = initialised();
    const payload = idea({ code: 'console.log("beep");' }).replace('}', ',"id":9007199254740993}');
    expect(place.implement(payload)).toEqual({
      status: 0,
      stderr: '',
      result: { project: 'outputs/moisture-alarm', file: 'main.js', check: 'passed' },
    });
    expect(place.project('moisture-alarm')).toEqual({
      'README.md': '# Moisture alarm\n\nBeep when dry\n\nLanguage: javascript. Run it with `node main.js`.\n',
      'idea.json': `${payload}\n`,
      'main.js': 'console.log("beep");\n',
      'package.json': '{\n  "name": "moisture-alarm",\n  "private": true,\n  "type": "commonjs"\n}\n',
    });
    expect(place.issues()).toEqual([]);
  });

  it('without code gets a first version in its language, which says its title', () => {
    const place = initialised();
    const title = `It's "quoted" \\ 100% {} $HOME 🌱`;
    const programs = {
      python: ['python3', 'main.py'],
      bash: ['sh', 'main.sh'],
      javascript: [process.execPath, 'main.js'],
    };
    for (const [language, [program = '', file = '']] of Object.entries(programs)) {
      const { status, result } = place.implement(
        JSON.stringify({ title, description: 'Two\nlines \\', language }),
      );
      expect({ status, result }).toMatchObject({ status: 0, result: { file, check: 'passed' } });
      const cwd = place.path(String(result?.['project']));
      expect(spawnSync(program, [file], { cwd, encoding: 'utf8' }).stdout).toBe(`${title}\n`);
    }
  });

  it('in a language that is unknown is kept as text', () => {
    const place = initialised();
    expect(place.implement(idea({ language: 'Klingon', code: 'nuqneH' })).result).toMatchObject({
      file: 'main.txt',
    });
    expect(place.project('moisture-alarm')['main.txt']).toBe('nuqneH\n');
  });

  it('done twice gives the same, and what was mended or edited meanwhile stays', () => {
    const place = initialised();
    const payload = idea({ code: 'console.log("beep);' });
    const first = place.implement(payload);
    const made = place.project('moisture-alarm');
    expect(place.implement(payload)).toEqual(first);
    expect(place.project('moisture-alarm')).toEqual(made);
    expect(place.issues()).toHaveLength(1);

    writeFileSync(place.path('outputs/moisture-alarm/main.js'), 'console.log("mended");\n');
    expect(place.implement(payload).result).toMatchObject({ check: 'passed' });
    expect(place.project('moisture-alarm')['main.js']).toBe('console.log("mended");\n');

    place.implement(idea({ code: 'console.log("another idea");' }));
    expect(place.project('moisture-alarm')['main.js']).toBe('console.log("another idea");\n');
  });

  it('whose code does not parse is handed over to QAissue.json, with the line', () => {
    const place = initialised();
    const { status, result } = place.implement(idea({ code: 'const a = 1;\nfor a in b:\n' }));
    const issue = {
      project: 'outputs/moisture-alarm',
      file: 'main.js',
      line: 2,
      error: "SyntaxError: Unexpected identifier 'a'",
    };
    expect({ status, result }).toMatchObject({
      status: 0,
      result: { ...issue, check: 'failed', handedTo: 'QAissue.json' },
    });
    expect(place.issues()).toEqual([{ title: 'Moisture alarm', round: 1, ...issue }]);
  });

  it('that nobody has described is handed over too', () => {
    const place = initialised();
    expect(place.implement(idea({ description: undefined })).status).toBe(0);
    expect(place.issues()).toMatchObject([{ round: 1, line: null, error: 'the description is missing' }]);
    expect(place.project('moisture-alarm')['README.md']).toContain('Nobody has described this yet.');
  });

  it('that is none is refused for good, and nothing is made of it', () => {
    const place = initialised();
    expect(place.implement('{"description": "x"}')).toMatchObject({
      status: 65,
      stderr: 'An idea needs a title: add "title"\n',
    });
    expect(place.projects()).toEqual([]);
    expect(place.issues()).toEqual([]);
  });

  it.each([
    ['{"title": "half', /not JSON/],
    ['["title"]', /must be an object/],
    ['null', /must be an object/],
    ['{"title": "  "}', /needs a title/],
    ['{"title": 42}', /needs a title/],
    ['{"title": "x", "code": ["a"]}', /"code" must be text/],
    ['{"title": "x", "description": ["a"], "language": 7, "code": ""}', null],
  ])('may be anything: %j', (payload, problem) => {
    const answer = readIdea(payload);
    if (problem !== null) expect(answer).toEqual({ idea: null, problem: expect.stringMatching(problem) });
    else expect(answer.idea).toEqual({ title: 'x', description: '', language: 'javascript', code: null });
  });

  it('is tried later when QAissue.json cannot be appended to, and nothing in it is touched', () => {
    const place = initialised();
    writeFileSync(place.path('QAissue.json'), '[{"title": "half');
    const { status, stderr } = place.implement(idea({ code: ')' }));
    expect(status).toBe(75);
    expect(stderr).toContain('Nothing was appended');
    expect(place.read('QAissue.json')).toBe('[{"title": "half');
  });

  it('without dogged at hand says that something is missing, which is not held against the idea', () => {
    const place = initialised();
    const { status, stderr } = place.implement(idea({ code: ')' }), { DOGGED_BIN: '', PATH: '/nowhere' });
    expect(status).toBe(69);
    expect(stderr).toContain('dogged could not be started');
  });

  it('finds dogged in node_modules/.bin and in PATH', () => {
    const place = initialised();
    const bin = tempFolder();
    writeFileSync(join(bin, 'dogged'), `#!/bin/sh\necho "$@" > ${place.path('called')}\n`, { mode: 0o755 });
    const PATH = `${bin}:${process.env['PATH']}`;
    expect(place.implement(idea({ code: ')' }), { DOGGED_BIN: '', PATH }).status).toBe(0);
    expect(place.read('called')).toBe('append --once QAissue.json -\n');
  });

  it('never leaves outputs/, whatever its title', () => {
    const place = initialised();
    const before = new Set(readdirSync(place.folder));
    for (const title of [
      '../../../../tmp/escape',
      '/etc/passwd',
      '..',
      '$(touch pwned) `touch pwned`',
      '--help',
      '\0',
    ]) {
      expect(place.implement(JSON.stringify({ title, description: 'x' })), title).toMatchObject({
        status: 0,
      });
    }
    expect(place.projects()).toHaveLength(6);
    expect(new Set(readdirSync(place.folder))).toEqual(before);
  });

  it('has a folder that no other title shares', () => {
    const titles = [
      'Lamp',
      'lamp',
      'LAMP',
      'Lamp!',
      'Lamp ',
      'La mp',
      'La-mp',
      'La  mp',
      '🌱',
      '🌵',
      'Caf\u00e9',
      'Cafe\u0301',
    ];
    titles.push('.', '..', '/', 'a/b', 'a\\b', `${'x'.repeat(300)}`, `${'x'.repeat(301)}`, '-', '--');
    const names = titles.map(projectName);
    expect(new Set(names).size).toBe(titles.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9][a-z0-9-]{0,60}$/);
  });

  it('of every kind that people really write ends as a project, or also as an issue', () => {
    const place = initialised();
    const ideas = JSON.parse(readFileSync(join(records, 'ideas_log.json'), 'utf8')) as { title: string }[];
    const some = ideas.filter((_, index) => index % 3 === 1);
    for (const record of some) expect(place.implement(JSON.stringify(record)).status, record.title).toBe(0);
    expect(place.projects()).toHaveLength(some.length);
    expect(place.issues().map((issue) => issue.title)).toEqual(['Lamp that greets', 'Wine cellar']);
  });
});
