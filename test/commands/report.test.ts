import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { writeHang } from '../../src/heartbeat/hang-file.js';
import { beatFile } from '../../src/heartbeat/read-beat.js';
import { writeSettings } from '../../src/heartbeat/settings.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { admit, claimOne, end, reject, someOwner, turn } from '../conformance/given.js';
import { aBeat } from '../heartbeat/a-beat.js';
import { aHang } from '../heartbeat/a-hang.js';
import { builtCli } from '../support/built-program.js';
import { type Bench, bench } from './in-process.js';

/** Every one of them stands somewhere in the system of `secretive`, and none may stand in a report. */
const SECRET = {
  env: 'env-hush-1',
  spelled: 'a "quoted" hush-2',
  option: 'opt-hush-3',
  next: 'next-hush-4',
  header: 'head-hush-5',
  user: 'user-hush-6',
  query: 'query-hush-7',
  printed: 'print-hush-8',
  inherited: 'inherited-hush-9',
  payload: 'payload-hush-10',
  output: 'output-hush-11',
  comment: 'comment-hush-12',
  cut: 'cut-hush-13-and-a-long-tail',
  webhook: 'hook-hush-14',
  argument: 'argument-hush-15',
  script: 'script-hush-16',
  room: 'room-hush-17',
  former: 'former-hush-18',
  rota: 'rota-hush-19',
};

const CONFIG = `
# ${SECRET.comment}
sources:
  ideas: { log: ./ideas.json, key: title, task: build }
  shows: { schedule: ./shows.json, task: build, timezone: UTC }
  nightly: { every: "0 3 * * *", payload: { note: ${SECRET.rota}, deep: [{ er: ${SECRET.rota} }] }, task: build }
alerts:
  - { on: [stuck, gave-up], webhook: "https://hooks.example.org/services/${SECRET.webhook}" }
  - exec: [./notify.sh, ${SECRET.argument}, --quiet]
  - { on: [disk], exec: [sh, -c, 'X=1 curl -d "$DOGGED_ALERT_TEXT" https://chat.example.org/${SECRET.room}?k=${SECRET.script}'] }
tasks:
  build:
    run: [curl, "--token=${SECRET.option}", --password, ${SECRET.next}, -H, "Authorization: Bearer ${SECRET.header}",
          "https://me:${SECRET.user}@host.example/hook?sig=${SECRET.query}"]
    env: { MODEL_KEY: ${SECRET.env}, SPELLED: '${SECRET.spelled}', CUT: ${SECRET.cut}, LEVEL: "3" }
`;

/** A system in which secrets stand wherever users and their handlers have put them. */
async function secretive(config = CONFIG): Promise<Bench> {
  const place = bench(config);
  const files = stateFiles(place.stateFolder);
  const store = await place.store('worker');
  await store.takeOwnership(someOwner, 1);
  await store.configureTasks(['default'], [{ task: 'build', groupLimit: null, maxAttempts: 1 }]);
  const rejects = [reject({ path: '/srv/ideas.json', reason: 'schema', detail: SECRET.payload })];
  await admit(store, [{ key: 'a lamp', task: 'build', content: JSON.stringify({ note: SECRET.payload }) }], {
    rejects,
  });
  const claim = await claimOne(store);
  const reason = `exit 1: used ${SECRET.env} and password=${SECRET.printed} and ${SECRET.cut.slice(0, 20)}…`;
  const stdout = `the model said ${SECRET.output}\n`;
  await turn(store, { ends: [end(claim, { to: 'failed', reason }, { stdout })] });
  await store.close();
  const line = {
    level: 50,
    time: '2026-01-01T00:00:00.000Z',
    msg: `Failed 1: ${reason}`,
    spelled: SECRET.spelled,
  };
  appendFileSync(files.workerLog, `${JSON.stringify(line)}\nauthorization: Basic ${SECRET.header}\n`);
  appendFileSync(files.monitorLog, `${JSON.stringify({ msg: `inherited ${SECRET.inherited}` })}\n`);
  appendFileSync(files.recovery, `${JSON.stringify({ at: 'x', evidence: { log: SECRET.option } })}\n`);
  writeFileSync(
    beatFile(place.stateFolder),
    JSON.stringify(
      aBeat({
        sources: [
          { name: 'ideas', records: 1, rejected: 1, lastPollMs: 1, problem: `cannot read ?x=${SECRET.env}` },
        ],
      }),
    ),
  );
  writeHang(place.stateFolder, aHang({ lastStep: { step: 'run.spawn', detail: SECRET.next } as never }));
  writeFileSync(
    join(place.stateFolder, 'evidence-2026-01-01T00-00-00.000Z.json'),
    JSON.stringify({ why: 'it hung', log: [SECRET.env, SECRET.user] }),
  );
  // The worker was started with another config than the one that stands there now.
  writeFileSync(place.configFile, CONFIG.replace(SECRET.webhook, SECRET.former));
  writeSettings(await loadConfig(place.configFile));
  writeFileSync(place.configFile, config);
  const failed = `alert "disk" could not be sent (exec sh): https://chat.example.org/${SECRET.room} said no to ${SECRET.argument}, nor services/${SECRET.former}`;
  writeFileSync(files.alerts, JSON.stringify({ records: [{ label: 'exec sh', lastFailure: failed }] }));
  appendFileSync(files.monitorLog, `${JSON.stringify({ msg: failed })}\n`);
  process.env['GARAGE_TOKEN'] = SECRET.inherited;
  onTestFinished(() => void delete process.env['GARAGE_TOKEN']);
  return place;
}

/** Writes one and reads it. */
async function report(place: Bench, ...flags: string[]) {
  const file = join(place.folder, 'report.txt');
  const ran = await place.run('report', file, ...flags);
  return { ...ran, file, text: readFileSync(file, 'utf8') };
}

const section = (text: string, title: string) =>
  text.split('\n## ').find((part) => part.startsWith(title)) ?? `no section ${title}`;

function expectNoSecrets(text: string, allowed: readonly string[] = []): void {
  for (const secret of Object.values(SECRET)) {
    if (allowed.includes(secret)) continue;
    for (const form of [secret, JSON.stringify(secret).slice(1, -1)]) expect(text).not.toContain(form);
  }
  // Nor the recognisable part of one.
  const left = [...text.matchAll(/[^\s"]*hush-\d+/g)].map(([word]) => word);
  expect(left.filter((word) => !allowed.some((secret) => secret.includes(word)))).toEqual([]);
}

test('a report holds what a stranger needs, and none of the secrets, wherever they stand', async () => {
  const place = await secretive();
  const { code, stdout, text, file } = await report(place);
  expect(code).toBe(0);
  expectNoSecrets(text);
  expect(text).not.toContain('cut-hush');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(stdout).toContain(file);
  expect(stdout).toMatch(/Read it before you share it/);
  expect(stdout).toMatch(/Payloads and output of jobs are left out/);
  expect(section(text, 'Versions')).toMatch(/dogged \d.*\nNode v\d.*\nSQLite 3\./);
  expect(section(text, 'Diagnosis')).toMatch(/Source ideas .*1 failed[\s\S]*SYSTEM/);
  expect(section(text, 'Status')).toContain('ideas');
  expect(section(text, 'Config')).toContain('"--token=[removed]"');
  expect(section(text, 'Config')).toContain('"LEVEL": "[removed]"');
  expect(JSON.parse(section(text, 'heartbeat.json').split('\n').slice(2).join('\n'))).toMatchObject({
    pid: aBeat().pid,
  });
  expect(section(text, 'Recoveries')).toContain('[removed]');
  expect(section(text, 'hang-')).toContain('run.spawn');
  expect(section(text, 'evidence-')).toContain('it hung');
  expect(section(text, 'Rejects')).toContain('ideas: schema 1');
  expect(section(text, 'The last 20 failed jobs')).toMatch(
    /#1 build, source ideas, key "a lamp"[\s\S]*attempt 1: failed/,
  );
  expect(section(text, 'State folder')).toMatch(/0600 .*dogged\.db\n/);
  expect(section(text, 'Machine')).toMatch(/memory .*\ndisk/);
  expect(section(text, 'worker.log')).toContain('Failed 1: exit 1: used [removed]');
  expect(section(text, 'health_monitor.log')).toContain('inherited [removed]');
});

test('of alerts it tells events, hosts and programs, and of a source that repeats all but its payload', async () => {
  const place = await secretive();
  const { text } = await report(place);
  const config = JSON.parse(section(text, 'Config').split('\n').slice(3).join('\n'));
  expect(config).toMatchObject({
    alerts: [
      { on: ['stuck', 'gave-up'], webhook: 'https://hooks.example.org/[removed]' },
      { exec: ['./notify.sh', '[removed]', '[removed]'] },
      { on: ['disk'], exec: ['sh', '[removed]', '[removed]'] },
    ],
    sources: {
      shows: { schedule: './shows.json', task: 'build', timezone: 'UTC' },
      nightly: { every: '0 3 * * *', task: 'build', payload: '[left out: it is a payload]' },
    },
  });
  const settings = JSON.parse(section(text, 'settings.json').split('\n').slice(2).join('\n'));
  expect(settings.alerts[0]).toMatchObject({
    on: ['stuck', 'gave-up'],
    via: { kind: 'webhook', url: 'https://hooks.example.org/[removed]' },
  });
  expect(settings.alerts[1].via).toEqual({ kind: 'exec', argv: ['./notify.sh', '[removed]', '[removed]'] });
  expect(section(text, 'alerts.json')).toContain('could not be sent (exec sh): https://chat.example.org/');
  expect(section(text, 'health_monitor.log')).toMatch(/could not be sent .*\[removed\]/);
});

test('settings that are torn are left out, and say so', async () => {
  const place = await secretive();
  appendFileSync(stateFiles(place.stateFolder).settings, '{"alerts":');
  const { text } = await report(place);
  expect(section(text, 'settings.json')).toMatch(/could not be read: it is no JSON/);
  expect(section(text, 'settings.json')).not.toContain('hooks.example.org');
});

test('payload and output of failed jobs are in it for who asks, cleaned as all else', async () => {
  const place = await secretive();
  const { text, stdout } = await report(place, '--with-payloads');
  const allowed = [SECRET.payload, SECRET.output, SECRET.rota];
  expectNoSecrets(text, allowed);
  for (const secret of [SECRET.payload, SECRET.output])
    expect(section(text, 'The last 20 failed jobs')).toContain(secret);
  expect(section(text, 'Config')).toContain(SECRET.rota);
  expect(stdout).toContain('as you asked');
});

test('nothing is overwritten, and what cannot be written is said', async () => {
  const place = await secretive();
  const { file, text } = await report(place);
  const again = await place.run('report', file);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('there is something of that name')]);
  expect(readFileSync(file, 'utf8')).toBe(text);
  const nowhere = await place.run('report', join(place.folder, 'none', 'x.txt'));
  expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining('dogged report -')]);
});

test('without a name it is a file of its own in this folder, and "-" is stdout alone', async () => {
  const place = await secretive();
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [builtCli(), 'report', ...args, '-c', place.configFile], {
      cwd: place.folder,
      encoding: 'utf8',
    });
  const shown = run('-');
  expect([shown.status, shown.stderr]).toEqual([0, '']);
  expect(shown.stdout).toMatch(/^# dogged report/);
  const before = readdirSync(place.folder);
  expect(run().status).toBe(0);
  const made = readdirSync(place.folder).filter((name) => !before.includes(name));
  expect(made).toEqual([expect.stringMatching(/^dogged-report-\d{4}-.*Z\.txt$/)]);
  expect((await place.run('report', '-', '--json')).code).toBe(64);
});

test('with --json it says where it is and what could not be read', async () => {
  const place = await secretive();
  const file = join(place.folder, 'r.txt');
  const [said] = await place.json('report', file);
  expect(said).toEqual({ file, sizeBytes: statSync(file).size, removed: expect.any(Number), failed: [] });
});

test('where nothing has run yet it tells so, part by part', async () => {
  const { code, text, stdout } = await report(bench());
  expect(code).toBe(0);
  expect(section(text, 'heartbeat.json')).toContain('there is none');
  expect(section(text, 'Outages')).toContain('could not be read: There is no database');
  expect(stdout).toMatch(/Could not be read, and say why: Outages, Rejects/);
});

test('a config that no parser can read is left out, and its secrets are removed all the same', async () => {
  const place = await secretive();
  writeFileSync(place.configFile, `${CONFIG}\n  broken: [`);
  const { code, text } = await report(place);
  expect(code).toBe(0);
  expect(section(text, 'Config')).toMatch(/its text is left out[\s\S]*not valid YAML/);
  expectNoSecrets(text);
  expect(section(text, 'worker.log')).toContain('Failed 1: exit 1');
});

test('a config that is refused is shown with what is wrong, and without its secrets', async () => {
  const place = await secretive(`${CONFIG}tusks: { x: { env: { A: ${SECRET.env} } } }\n`);
  const { text } = await report(place);
  expect(section(text, 'Config')).toMatch(/"tusks"[\s\S]*tusks is unknown|"tusks"[\s\S]*tusks/);
  expectNoSecrets(text);
});

test('a database that is locked, or damaged, hides none of the rest', async () => {
  const place = await secretive();
  const database = join(place.stateFolder, 'dogged.db');
  const locker = new SqliteDatabase(database);
  locker.pragma('locking_mode = EXCLUSIVE');
  locker.exec('BEGIN EXCLUSIVE');
  const locked = await report(place);
  locker.close();
  expect(locked.code).toBe(0);
  expect(section(locked.text, 'Outages')).toMatch(/could not be read: .*locked/);
  expect(section(locked.text, 'worker.log')).toContain('Failed 1');
  writeFileSync(database, 'torn '.repeat(5_000));
  const damaged = await place.run('report', join(place.folder, 'damaged.txt'));
  expect(damaged.code).toBe(0);
  const text = readFileSync(join(place.folder, 'damaged.txt'), 'utf8');
  expect(section(text, 'Outages')).toMatch(/could not be read: .*damaged/);
  expect(section(text, 'Diagnosis')).toContain('SYSTEM UNHEALTHY');
  expectNoSecrets(text);
}, 60_000);

test('state files that are no files, and logs that no terminal should see, do no harm', async () => {
  const place = await secretive();
  const files = stateFiles(place.stateFolder);
  appendFileSync(files.workerLog, 'plain \u001b[2J and \u202e text\n');
  mkdirSync(files.desired);
  const { text } = await report(place);
  expect(section(text, 'desired.json')).toContain('is no file');
  expect(section(text, 'worker.log')).toContain('plain \\x1b[2J and \\u202e text');
});
