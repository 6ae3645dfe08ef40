import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadConfig, readConfig } from '../../src/config/load.js';
import { DoggedError } from '../../src/job/errors.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';

const fixtures = fileURLToPath(new URL('../fixtures/configs', import.meta.url));
const TASK = 'tasks: { go: { run: ["true"] } }\n';

/** `line:column path message — fix` of each problem of a config with this text. */
async function problemsOf(
  text: string,
  environment: Record<string, string> = {},
  name = 'dogged.config.yaml',
) {
  const file = join(tempFolder(), name);
  writeFileSync(file, text);
  const { problems } = await readConfig(file, environment);
  return problems.map(({ position, variable, path, message, fix }) => {
    const place = variable ?? (position === null ? '-' : `${position.line}:${position.column}`);
    return `${place} ${path} ${message}${fix === null ? '' : ` — ${fix}`}`;
  });
}

async function configOf(text: string, environment: Record<string, string> = {}, name = 'dogged.config.yaml') {
  const file = join(tempFolder(), name);
  writeFileSync(file, text);
  return loadConfig(file, environment);
}

describe('a valid config', () => {
  it('is resolved: milliseconds, bytes, absolute paths, names in their entries', async () => {
    expect(await loadConfig(join(fixtures, 'garage.yaml'), {})).toMatchObject({
      folder: fixtures,
      workspace: 'garage',
      stateFolder: join(fixtures, 'var/dogged'),
      pollMs: 500,
      slots: 3,
      heartbeat: { everyMs: 5_000, folder: '/run/dogged' },
      keepMs: 604_800_000,
      shutdownGraceMs: 90_000,
      logs: { level: 'debug', sizeBytes: 1_572_864, keep: 2 },
      health: {
        freshMs: 30_000,
        stuckMs: 90_000,
        idleStuckAfterMs: 180_000,
        pendingWarnMs: 120_000,
        restarts: { limit: 4, withinMs: 300_000, backoff: { minMs: 500, maxMs: 60_000 } },
      },
      sources: [
        {
          kind: 'log',
          name: 'ideas',
          workspace: 'garage',
          path: join(fixtures, 'ideas_log.json'),
          pollMs: 500,
          key: 'title',
          version: 'updated_at',
          onChange: 'rerun',
          require: { type: 'object', required: ['title'] },
          route: [
            {
              when: { language: ['rust', 'c++'], draft: [false] },
              task: 'implement-slow',
              timeoutMs: 7_200_000,
              priority: -10,
              group: null,
            },
            {
              when: { project: ['greenhouse'] },
              task: null,
              timeoutMs: null,
              priority: null,
              group: 'plants',
            },
          ],
        },
        {
          kind: 'directory',
          name: 'drops',
          workspace: 'guests',
          path: '/srv/drops',
          match: '*.{json,jsonl}',
          exclude: ['rework_queue.json'],
          after: 'archive',
          key: '/meta/id',
          pollMs: 10_000,
          priority: 5,
          quarantineAfterMs: 120_000,
          maxRecordBytes: 65_536,
          maxDepth: 8,
          followSymlinks: true,
          network: true,
        },
      ],
      tasks: [
        {
          name: 'implement',
          runner: {
            kind: 'command',
            argv: ['node', 'handlers/implement.mjs', '--title={{title}}'],
            shell: false,
          },
          timeoutMs: 300_000,
          killGraceMs: 1_000,
          concurrency: 2,
          group: { by: 'base_project_name', limit: 1 },
          retry: { attempts: 3, backoff: { minMs: 1_000, maxMs: 30_000 } },
          breaker: {
            dependency: 'model',
            after: 2,
            cooldownMs: 60_000,
            probe: {
              argv: ['curl', '-sf', 'http://127.0.0.1:11434/'],
              task: 'implement',
              env: { ALSA_CARD: '1' },
            },
          },
          env: { ALSA_CARD: '1' },
          outputBytes: 8_192,
        },
        {
          name: 'implement-slow',
          runner: { kind: 'module', path: join(fixtures, 'handlers/slow.mjs'), workers: 2 },
          // Said once, it holds for all that share the dependency.
          breaker: { dependency: 'model', after: 2, cooldownMs: 60_000, probe: { task: 'implement' } },
        },
        { name: 'tidy', runner: { kind: 'command', argv: ['sort | uniq'], shell: true } },
        { name: 'listen', runner: { kind: 'service', argv: ['python3', 'listen.py'], workers: 1 } },
      ],
    });
  });

  it('has the defaults that the documentation promises', async () => {
    const config = await configOf(
      `${TASK}sources: { a: { log: a.json, task: go }, b: { directory: b, task: go } }`,
    );
    expect(config).toMatchObject({
      workspace: 'default',
      stateFolder: join(config.folder, 'state'),
      pollMs: 2_000,
      slots: 4,
      heartbeat: { everyMs: 30_000, folder: join(config.folder, 'state') },
      keepMs: 2_592_000_000,
      shutdownGraceMs: 30_000,
      logs: { level: 'info', sizeBytes: 10_485_760, keep: 5 },
      health: {
        freshMs: 60_000,
        stuckMs: 120_000,
        idleStuckAfterMs: 120_000,
        pendingWarnMs: 300_000,
        restarts: { limit: 10, withinMs: 600_000, backoff: { minMs: 1_000, maxMs: 300_000 } },
      },
      tasks: [
        {
          timeoutMs: 600_000,
          killGraceMs: 5_000,
          concurrency: 4,
          group: null,
          retry: { attempts: 5, backoff: { minMs: 2_000, maxMs: 300_000 } },
          breaker: { dependency: 'go', after: 5, cooldownMs: 30_000, probe: null },
          env: {},
          outputBytes: 65_536,
        },
      ],
    });
    const common = {
      workspace: 'default',
      pollMs: 2_000,
      priority: 0,
      key: null,
      version: null,
      onChange: 'ignore',
      require: null,
      route: [],
      quarantineAfterMs: 60_000,
      maxRecordBytes: 1_048_576,
      maxDepth: 64,
      followSymlinks: false,
      shared: false,
      network: false,
    };
    expect(config.sources).toMatchObject([
      { kind: 'log', ...common },
      { kind: 'directory', match: '*.json', exclude: [], after: 'keep', ...common },
    ]);
  });

  it('is frozen to its last leaf', async () => {
    const config = await loadConfig(join(fixtures, 'garage.yaml'), {});
    const shallow: string[] = [];
    const visit = (value: unknown, path: string) => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) shallow.push(path);
      for (const [key, child] of Object.entries(value)) visit(child, `${path}.${key}`);
    };
    visit(config, 'config');
    expect(shallow).toEqual([]);
  });

  it.each([
    ['an empty file', '', 'dogged.config.yaml'],
    ['only a comment', '# later\n', 'dogged.config.yaml'],
    ['a BOM and CRLF', '\ufeffslots: 4\r\npoll: 2s\r\n', 'dogged.config.yml'],
    ['JSON with a BOM', '\ufeff{"$schema": "x", "slots": 4}', 'dogged.config.json'],
    ['merge keys', 'tasks: { a: &a { run: ["true"] }, b: { <<: *a, timeout: 1s } }', 'dogged.config.yaml'],
  ])('may be %s', async (_, text, name) => {
    expect(await configOf(text, {}, name)).toMatchObject({ slots: 4 });
  });

  it('may be a module, which is read anew when it has changed', async () => {
    const file = join(tempFolder(), 'dogged.config.mjs');
    cpSync(join(fixtures, 'module.mjs'), file);
    expect((await loadConfig(file, {})).tasks).toMatchObject([
      { name: 'fast', timeoutMs: 60_000 },
      { name: 'slow', timeoutMs: 120_000 },
    ]);
    writeFileSync(file, 'export default { slots: 9 };');
    expect(await loadConfig(file, {})).toMatchObject({ slots: 9 });
  });
});

describe('a config with mistakes', () => {
  it('is told all of them at once, each with line, column and what to do', async () => {
    const { problems } = await readConfig(join(fixtures, 'wrong.yaml'), {});
    const lines = problems.map(
      ({ position, path, message, fix }) =>
        `${position?.line}:${position?.column} ${path} ${message}${fix === null ? '' : ` — ${fix}`}`,
    );
    expect(lines).toMatchInlineSnapshot(`
      [
        "1:1 slotts is not a known setting — did you mean "slots"?",
        "2:1 poll must be a duration from 10ms to 1h, such as 500ms, 2s, 10m, 2h or 30d, not 2 — write a unit: 2s",
        "3:14 heartbeat.evry is not a known setting — did you mean "every"?",
        "4:11 memory.pauseAbove must be a share from 1% to 100%, such as 90%, not 0.9",
        "5:1 store must hold no user and no password: set DOGGED_REDIS_USERNAME and DOGGED_REDIS_PASSWORD in the environment",
        "6:11 health.fresh must be at least twice \`heartbeat\`: one late beat would be an alarm",
        "6:23 health.stallAfter must be a duration from 1s to 1h, such as 500ms, 2s, 10m, 2h or 30d, not 3 — write a unit: 3s",
        "6:50 health.restarts.backoff must be a first and a last delay, such as 2s..5m, with the shorter one first, not "5m..1s"",
        "9:5 sources.ideas.log cannot stand beside \`directory\` — keep only one of them",
        "11:5 sources.ideas.task names no task: "implemnt" — did you mean "implement"?",
        "12:5 sources.ideas.priority must be a whole number from -1000 to 1000, not 5000",
        "14:36 sources.ideas.route[0].when.language[1] must be a text, a number, true, false or null",
        "14:66 sources.ideas.route[0].timeuot is not a known setting — did you mean "timeout"?",
        "15:3 sources.bad name must be 1 to 64 letters, digits, "_", "-" or ".", beginning with a letter or a digit",
        "15:17 sources.bad name.log lies in the state folder, whose files dogged writes itself: it would feed itself for ever — poll a folder of your own",
        "15:59 sources.bad name.match belongs to a directory source, and this is a log — remove it",
        "15:84 sources.bad name.require.type is no JSON Schema: must be equal to one of the allowed values — one of array, boolean, integer, null, number, object, string",
        "15:97 sources.bad name.require.required is no JSON Schema: must be array",
        "16:11 sources.play.every is no cron expression: Invalid value for minute: 61 — five fields: minute, hour, day, month, weekday, as in "0 6 * * *" for 06:00 each day",
        "16:32 sources.play.key belongs to a directory source or a log or a schedule, and this is a source with \`every\` — remove it",
        "16:41 sources.play.timezone must be the name of a time zone, such as UTC or Europe/Berlin, not "Mars"",
        "16:57 sources.play.missed must be skip, one, all, or { all: N } with N from 2 to 1000, not "some"",
        "17:3 sources.none.task is missing: it must be a name",
        "17:3 sources.none must have \`directory\`, \`log\`, \`schedule\` or \`every\`",
        "19:16 tasks.implement.run must be a list: the program and its arguments — for example [node, x.mjs], or add \`shell: true\`",
        "19:46 tasks.implement.breaker.after must be a whole number from 1 to 1000, not 0",
        "19:65 tasks.implement.env.A must be text: put it in quotes, not 1",
        "19:71 tasks.implement.env.DOGGED_KEY is reserved: DOGGED_… variables are set by dogged",
        "19:90 tasks.implement.group.limit is missing: it must be a whole number from 1 to 100000",
        "20:24 tasks.both.run[1] must be text: put it in quotes, not 5",
        "20:28 tasks.both.module cannot stand beside \`run\` — keep only one of them",
        "21:12 tasks.piped.run must not hold {{field}} with \`shell: true\`: a record could then run any command — read the payload from stdin",
        "22:19 tasks.chosen.run[0] must not hold {{field}}: a record must not choose the program",
        "22:35 tasks.chosen.workers belongs to a service or a module — use \`concurrency\`",
        "22:56 tasks.chosen.verify[0] must not hold {{field}}: a record must not choose the program",
        "23:3 tasks.empty must be a task such as { run: [node, handlers/implement.mjs] }; nothing stands there",
      ]
    `);
  });

  it('throws CONFIG_INVALID, exit code 78, with one line for each problem', async () => {
    const error = await loadConfig(join(fixtures, 'wrong.yaml'), {}).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DoggedError);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 78 });
    expect(String(error)).toContain(
      'test/fixtures/configs/wrong.yaml:1:1  slotts is not a known setting — did you mean "slots"?',
    );
  });

  it('throws CONFIG_MISSING when there is none', async () => {
    const file = join(tempFolder(), 'dogged.config.yaml');
    await expect(loadConfig(file, {})).rejects.toMatchObject({ code: 'CONFIG_MISSING', exitCode: 78 });
  });

  it.each([
    [
      'a key twice',
      'slots: 1\npoll: 2s\nslots: 2\n',
      ['3:1  is not valid YAML: Map keys must be unique — keep one of the two'],
    ],
    [
      'a pattern without quotes',
      'sources:\n  a: { directory: x, match: *.json, task: go }',
      [
        '2:29  is not valid YAML: *.json stands for nothing — a text that begins with * needs quotes: "*.json"',
      ],
    ],
    ['a list in place of settings', '- slots: 4', ['1:1  must hold settings such as sources and tasks']],
    [
      'text in place of settings',
      'slots',
      ['1:1  must hold settings such as sources and tasks, not "slots"'],
    ],
    [
      'an empty section',
      `${TASK}sources:\n`,
      ['2:1 sources must map names to sources; nothing stands there'],
    ],
  ])('YAML with %s', async (_, text, expected) => {
    expect(await problemsOf(text)).toEqual(expected);
  });

  it.each([
    [
      'YAML',
      'dogged.config.yaml',
      'slotts: 1\nslots: 2\nsources:\n  a: { log: x, task: goo }\nslots: 0\ntasks:\n  go: { run: ["true"] }\nsources:\n  b: { log: y, task: stop }\ntasks:\n  stop: { run: ["true"] }\n',
      [
        '1:1 slotts is not a known setting — did you mean "slots"?',
        '4:16 sources.a.task names no task: "goo" — did you mean "go"?',
        '5:1  is not valid YAML: Map keys must be unique — keep one of the two',
        '5:1 slots must be a whole number from 1 to 1024, not 0',
        '8:1  is not valid YAML: Map keys must be unique — keep one of the two',
        '10:1  is not valid YAML: Map keys must be unique — keep one of the two',
      ],
    ],
    [
      'JSON',
      'dogged.config.json',
      '{ "slotts": 1, "tasks": { "go": { "run": ["true"] } },\n  "sources": { "a": { "log": "x", "task": "goo" } },\n  "tasks": {} }',
      [
        '1:3 slotts is not a known setting — did you mean "slots"?',
        '2:35 sources.a.task names no task: "goo" — did you mean "go"?',
        '3:3  has the key "tasks" twice — keep one of the two',
      ],
    ],
  ])('%s with a key twice hides no other problem', async (_, name, text, expected) => {
    expect(await problemsOf(text, {}, name)).toEqual(expected);
  });

  it.each([
    [
      'two tasks that share a dependency and say different things about its breaker',
      'tasks:\n  a: { run: [x], dependency: d, breaker: { after: 2 } }\n  b: { run: [x], dependency: d, breaker: { after: 3 } }\n',
      [
        '3:33 tasks.b.breaker differs from that of "a", which shares the dependency "d" and so its breaker — say it in one of them only: it holds for all',
      ],
    ],
    [
      'the same said in other words is no problem',
      'tasks:\n  a: { run: [x], dependency: d, breaker: { cooldown: 60s } }\n  b: { run: [x], dependency: d, breaker: { after: 5, cooldown: 1m } }\n',
      [],
    ],
    [
      'a dependency with the name of a task that does not say so',
      'tasks:\n  a: { run: [x], dependency: b }\n  b: { run: [x] }\n',
      [
        '2:18 tasks.a.dependency must not be "b": the task of that name has a breaker of its own — take another name, or give that task `dependency: b` too',
      ],
    ],
    [
      'a dependency with the name of a task that shares it',
      'tasks:\n  a: { run: [x], dependency: b }\n  b: { run: [x], dependency: b }\n',
      [],
    ],
    [
      'values that cannot be',
      'tasks:\n  a: { run: [x], dependency: "no name", breaker: { after: 0, cooldown: 5, probe: [], cooldwn: 1s } }\n',
      [
        '2:18 tasks.a.dependency must be 1 to 64 letters, digits, "_", "-" or ".", beginning with a letter or a digit, not "no name"',
        '2:52 tasks.a.breaker.after must be a whole number from 1 to 1000, not 0',
        '2:62 tasks.a.breaker.cooldown must be a duration from 100ms to 1d, such as 500ms, 2s, 10m, 2h or 30d, not 5 — write a unit: 5s',
        '2:75 tasks.a.breaker.probe must not be empty',
        '2:86 tasks.a.breaker.cooldwn is not a known setting — did you mean "cooldown"?',
      ],
    ],
  ])('%s', async (_, text, expected) => {
    expect(await problemsOf(text)).toEqual(expected);
  });

  it('alerts are named with their place and what was meant, and nothing that may be secret is shown', async () => {
    const text = `${TASK}alerts:
  - { on: [stuck, outtage], exec: [x] }
  - { on: [disk] }
  - { exec: [x], webhook: "https://a.example/hush" }
  - { webhook: "htps://a.example/hush" }
  - { webhook: "a.example/hush" }
  - { on: [], exec: "curl hush" }
  - { exec: [], on: stuck, exce: [y] }
  - "https://a.example/hush"
`;
    expect(await problemsOf(text)).toEqual([
      '3:19 alerts[0].on[1] must be one of stuck, recovered, gave-up, outage, dead-letter, disk, redis, not "outtage" — did you mean "outage"?',
      '4:5 alerts[1] must have `exec` or `webhook`',
      '5:18 alerts[2].webhook cannot stand beside `exec` — keep only one of them',
      '6:7 alerts[3].webhook must be an address that begins with https:// or http:// — for example "https://chat.example.com/hooks/…"',
      '7:7 alerts[4].webhook must be an address that begins with https:// or http:// — for example "https://chat.example.com/hooks/…"',
      '8:7 alerts[5].on must not be empty; leave it out for all events',
      '8:15 alerts[5].exec must be a list of texts',
      '9:7 alerts[6].exec must not be empty',
      '9:17 alerts[6].on must be a list of events, not "stuck"',
      '9:28 alerts[6].exce is not a known setting — did you mean "exec"?',
      '10:5 alerts[7] must be an alert such as { on: [stuck], exec: [./notify.sh] }',
    ]);
  });

  it('an alert that names no events is told of all', async () => {
    const { alerts } = await configOf(
      `${TASK}alerts: [{ exec: [x] }, { on: [disk], webhook: "http://a/b" }]`,
    );
    expect(alerts).toEqual([
      {
        on: ['stuck', 'recovered', 'gave-up', 'outage', 'dead-letter', 'disk', 'redis'],
        via: { kind: 'exec', argv: ['x'] },
      },
      { on: ['disk'], via: { kind: 'webhook', url: 'http://a/b' } },
    ]);
  });

  it('YAML whose aliases grow without end is refused in no time', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]`);
    const [problem] = await problemsOf(`a0: &a0 [x]\n${lines.join('\n')}`);
    expect(problem).toContain('Excessive alias count');
  });

  it.each([
    [
      'a comment',
      '{\n  // four\n  "slots": 4 }',
      '2:3  is not JSON: a key in double quotes expected, but here is "// four" (JSON has no comments; YAML has)',
    ],
    [
      'a comma too many',
      '{ "slots": 4,\n}',
      '2:1  is not JSON: a key in double quotes expected, but here is "}" (remove the comma before it)',
    ],
    [
      'an end too early',
      '{ "slots": 4',
      '1:13  is not JSON: "," or "}" expected, but here is the end of the file',
    ],
    ['something after it', '{}\n{}', '2:1  is not JSON: the end of the file expected, but here is "{}"'],
    ['NaN', '{ "slots": NaN }', '1:12  is not JSON: a value expected, but here is "NaN }"'],
    ['a key twice', '{ "slots": 4,\n  "slots": 5 }', '2:3  has the key "slots" twice — keep one of the two'],
    ['nothing in it', '', '1:1  is not JSON: a value expected, but here is the end of the file'],
    [
      'too many levels',
      '['.repeat(100_000),
      '1:202  is not JSON: at most 200 levels expected, but here is "[[[[[[[[[[[["',
    ],
  ])('JSON with %s', async (_, text, expected) => {
    expect(await problemsOf(text, {}, 'dogged.config.json')).toEqual([expected]);
  });

  it('JSON has line and column for what the schema finds too', async () => {
    const text = '{\n  "tasks": { "go": { "run": ["true", 5] } },\n  "slots": 0\n}';
    expect(await problemsOf(text, {}, 'dogged.config.json')).toEqual([
      '2:38 tasks.go.run[1] must be text: put it in quotes, not 5',
      '3:3 slots must be a whole number from 1 to 1024, not 0',
    ]);
  });

  it.each([
    ['does not parse', 'export default {', 'dogged.config.mjs', /cannot be run: /],
    ['throws', 'throw new Error("no luck")', 'dogged.config.js', /cannot be run: no luck/],
    [
      'exports nothing',
      'export const slots = 4;',
      'dogged.config.mjs',
      /has no default export — write: export default/,
    ],
    ['has a strange ending', 'slots: 4', 'dogged.config.toml', /has the ending ".toml" — use .yaml/],
  ])('a module or file that %s', async (_, text, name, expected) => {
    expect(await problemsOf(text, {}, name)).toEqual([expect.stringMatching(expected)]);
  });

  it('a module that needs the package where it is not installed is told of the ways without it', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'dogged.config.mjs'), 'import { defineConfig } from "dogged";\n');
    // In a process of its own: the test runner would resolve the package to this checkout.
    const { status, stdout, stderr } = spawnSync(process.execPath, [builtCli(), 'check'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stdout + stderr).toMatch(/cannot be run: .*without defineConfig/);
    expect(status).toBe(78);
  });

  it('TypeScript is run where Node can, and else the error names the ways out', async () => {
    const text = 'const slots: number = 5;\nexport default { slots };\n';
    if ('typescript' in process.features && process.features.typescript) {
      expect(await configOf(text, {}, 'dogged.config.ts')).toMatchObject({ slots: 5 });
    } else {
      expect(await problemsOf(text, {}, 'dogged.config.ts')).toEqual([
        expect.stringMatching(/is TypeScript, which Node .* does not run — rename it to \.mjs/),
      ]);
    }
  });

  it('text that is not UTF-8 is refused, not guessed', async () => {
    const file = join(tempFolder(), 'dogged.config.yaml');
    writeFileSync(file, Buffer.from([0x73, 0x3a, 0x20, 0xff]));
    expect((await readConfig(file, {})).problems).toMatchObject([{ message: 'is not UTF-8 text' }]);
  });

  it.skipIf(process.getuid?.() === 0)(
    'one that may not be read says so (skipped for root, who may read everything)',
    async () => {
      const file = join(tempFolder(), 'dogged.config.yaml');
      writeFileSync(file, '');
      chmodSync(file, 0);
      expect((await readConfig(file, {})).problems).toMatchObject([{ message: 'cannot be read: EACCES' }]);
    },
  );

  it('a folder in its place says so', async () => {
    expect((await readConfig(tempFolder(), {})).problems).toMatchObject([{ message: 'is a folder' }]);
  });
});

describe('the environment', () => {
  it('is laid over the file, whatever the case and the dashes of a name', async () => {
    const config = await configOf(`${TASK}slots: 2\nsources: { my-ideas: { log: a, task: go } }`, {
      DOGGED__SLOTS: '8',
      DOGGED__HEALTH__STUCK: '90s',
      DOGGED__SHUTDOWN_GRACE: '1s',
      DOGGED__SOURCES__MY_IDEAS__FOLLOWSYMLINKS: 'true',
      DOGGED__SOURCES__MY_IDEAS__KEY: '007',
      DOGGED__TASKS__GO__RUN: '["echo", "x"]',
      DOGGED__TASKS__GO__ENV__FOO: 'bar',
      DOGGED__HEARTBEAT: '10s',
      DOGGED_KEY: 'what handlers get is something else',
    });
    expect(config).toMatchObject({
      slots: 8,
      health: { stuckMs: 90_000 },
      shutdownGraceMs: 1_000,
      heartbeat: { everyMs: 10_000 },
      sources: [{ followSymlinks: true, key: '007' }],
      tasks: [{ runner: { argv: ['echo', 'x'] }, env: { FOO: 'bar' } }],
    });
  });

  it('is named where it is wrong', async () => {
    const problems = await problemsOf(`${TASK}poll: 3x`, {
      DOGGED__SLOTS: 'many',
      DOGGED__HEALTH__STUK: '90s',
      DOGGED__TASKS__OG__TIMEOUT: '1s',
      DOGGED__TASKS__GO__TIMEOUT: '1',
      DOGGED__: 'x',
    });
    expect(problems).toEqual([
      expect.stringMatching(/^2:1 poll must be a duration/),
      'DOGGED__SLOTS slots must be a whole number from 1 to 1024, not "many"',
      expect.stringMatching(/^DOGGED__TASKS__GO__TIMEOUT tasks\.go\.timeout must be a duration/),
      'DOGGED__  names no setting',
      'DOGGED__HEALTH__STUK  names no setting — did you mean health.stuck?',
      'DOGGED__TASKS__OG__TIMEOUT  names no setting — did you mean tasks.go?',
    ]);
  });
});
