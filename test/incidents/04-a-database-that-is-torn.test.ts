import {
  appendFileSync,
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { readRecoveries } from '../../src/heartbeat/recovery-log.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/*
 * Incident 4: a recovery that destroyed what it should have saved. Whatever the database has become, it is kept, another
 * takes its place, and every record in the files is done at least once.
 */

const CONFIG = `
sources: { ideas: { log: ./ideas.ndjson, key: title, task: build } }
tasks: { build: { run: [sh, -c, 'cat >> done.ndjson'] } }
`;

let model: string | undefined;

/** A folder in which 60 records were done, a backup was made, and 20 more were done; nothing runs. Made once. */
function wornModel(): string {
  if (model !== undefined) return model;
  const folder = mkdtempSync(join(tmpdir(), 'dogged-test-'));
  model = folder;
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  const place = workplace(folder);
  const add = (from: number, to: number) => {
    for (let n = from; n <= to; n += 1)
      appendFileSync(
        join(folder, 'ideas.ndjson'),
        `${JSON.stringify({ title: `t${n}`, text: 'x'.repeat(200) })}\n`,
      );
  };
  add(1, 60);
  // The first run makes the backup at its end: it is due.
  place.run('worker', '--until-idle');
  add(61, 80);
  place.run('worker', '--until-idle');
  return folder;
}

afterAll(() => {
  if (model !== undefined) rmSync(model, { recursive: true });
});

/** A copy of it. */
function wornPlace(withBackup: boolean) {
  const folder = tempFolder();
  cpSync(wornModel(), folder, { recursive: true, preserveTimestamps: true });
  const place = workplace(folder);
  const state = join(folder, 'state');
  const runAll = () => place.run('worker', '--until-idle');
  if (!withBackup) rmSync(join(state, 'backups'), { recursive: true });
  const doneTimes = () => {
    const times = new Map<string, number>();
    for (const line of readFileSync(join(folder, 'done.ndjson'), 'utf8').split('\n').slice(0, -1)) {
      const { title } = JSON.parse(line);
      times.set(title, (times.get(title) ?? 0) + 1);
    }
    return times;
  };
  const damaged = () => readdirSync(state).filter((name) => /^dogged\.db\.damaged-.*Z$/.test(name));
  return { folder, place, state, database: join(state, 'dogged.db'), runAll, doneTimes, damaged };
}

function overwrite(file: string, at: number, bytes: Buffer): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

const junk = (length: number) => Buffer.alloc(length, 0xa5);

/** How a file may look after a power cut, a worn card or a careless copy. */
const WAYS: readonly (readonly [string, (file: string) => void])[] = [
  [
    'is no database at all',
    (file) => writeFileSync(file, 'this is not a database, and never was\n'.repeat(200)),
  ],
  ['has lost its first page', (file) => overwrite(file, 0, junk(4096))],
  ['has a torn schema', (file) => overwrite(file, 100, junk(3000))],
  ['has lost pages in its middle', (file) => overwrite(file, 4096 * 2, junk(4096 * 20))],
  [
    'was cut to half of its length',
    (file) => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096),
  ],
  ['was cut to nothing', (file) => truncateSync(file, 0)],
];

describe.each(WAYS)('a database that %s', (_, damage) => {
  test('is kept, the backup takes its place, and what came after that runs once more', () => {
    const { place, state, database, runAll, doneTimes, damaged } = wornPlace(true);
    damage(database);
    const bytes = readFileSync(database);
    // The first may be the one that finds it; then the next mends it.
    if (runAll().status !== 0) expect(runAll().status).toBe(0);
    const [name = '', ...others] = damaged();
    expect(others).toEqual([]);
    // What could still be written to it was; its head is as the damage left it.
    const kept = readFileSync(join(state, name));
    expect(kept.subarray(0, 16)).toEqual(bytes.subarray(0, 16));
    const times = doneTimes();
    for (let n = 1; n <= 80; n += 1) expect([n, times.get(`t${n}`)]).toEqual([n, n <= 60 ? 1 : 2]);
    expect(place.run('audit').status).toBe(0);
    expect(readRecoveries(state)).toMatchObject([{ cause: 'damaged', outcome: 'recovered' }]);
    const found = place
      .json('health', '--diagnose')[0]
      .checks.find((check: { name: string }) => check.name === 'restoration');
    expect(found).toMatchObject({ status: 'critical', remedy: 'dogged health --acknowledge' });
  });
});

test('a damaged backup is passed over for an older one that is sound', () => {
  const { state, database, runAll, doneTimes } = wornPlace(true);
  writeFileSync(join(state, 'backups', 'dogged-2098-01-01T00-00-00-000Z.db'), junk(50_000));
  writeFileSync(database, junk(50_000));
  expect(runAll().status).toBe(0);
  expect(doneTimes().get('t1')).toBe(1);
  expect(doneTimes().get('t80')).toBe(2);
});

test('without any backup an empty database takes its place, and everything in the files runs again', () => {
  const { place, database, runAll, doneTimes, damaged } = wornPlace(false);
  writeFileSync(database, junk(50_000));
  const { stderr } = runAll();
  expect(stderr).toContain('No sound backup was there');
  expect(damaged()).toHaveLength(1);
  expect([...doneTimes().values()]).toEqual(Array.from({ length: 80 }, () => 2));
  expect(place.run('health', '--acknowledge').stdout).toContain(damaged()[0]);
  const [{ checks }] = place.json('health', '--diagnose');
  expect(checks.map(({ name }: { name: string }) => name)).not.toContain('restoration');
});

test('a move that was broken off is finished, and nothing is moved twice', () => {
  const { state, database, runAll, doneTimes, damaged } = wornPlace(true);
  const [backup = ''] = readdirSync(join(state, 'backups'));
  const sound = readFileSync(join(state, 'backups', backup));
  const note = {
    schema: 1,
    detail: 'torn',
    alarms: 1,
    pending: true,
    move: { damagedAs: 'dogged.db.damaged-2026-01-01T00-00-00-000Z', from: backup },
  };
  writeFileSync(join(state, 'damage.json'), JSON.stringify(note));
  writeFileSync(join(state, 'dogged.db.restored.part'), sound);
  // As after a crash between the two moves: the damaged one is aside, its WAL is not.
  writeFileSync(join(state, note.move.damagedAs), readFileSync(database));
  rmSync(database);
  writeFileSync(`${database}-wal`, junk(9_000));
  expect(runAll().status).toBe(0);
  expect(damaged()).toEqual([note.move.damagedAs]);
  expect(readFileSync(join(state, `${note.move.damagedAs}-wal`)).equals(junk(9_000))).toBe(true);
  expect(existsSync(join(state, 'damage.json'))).toBe(false);
  expect(doneTimes().get('t1')).toBe(1);
  expect(doneTimes().get('t80')).toBeGreaterThanOrEqual(1);
});

test('damage under a running pair: the worker stops, the next one mends it, and nothing in the files is lost', async () => {
  const { folder, place, state, database, doneTimes, damaged } = wornPlace(true);
  place.run('start');
  const first = place.workerPid();
  // Behind SQLite's back, as a dying card does it. The worker has most pages in its cache, and meets it by and by.
  const db = new SqliteDatabase(database);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  overwrite(database, 4096, junk(statSync(database).size - 4096));
  for (let n = 81; n <= 90; n += 1)
    appendFileSync(join(folder, 'ideas.ndjson'), `${JSON.stringify({ title: `t${n}`, text: 'y' })}\n`);
  await until(() => damaged().length === 1 && place.workerPid() !== first, { withinMs: 30_000 });
  await until(() => [...doneTimes().keys()].length === 90, { withinMs: 30_000 });
  expect(place.run('drain', '--timeout', '20s').status).toBe(0);
  expect(place.run('audit').status).toBe(0);
  const log = readFileSync(join(state, 'worker.log'), 'utf8');
  expect(log).toMatch(/"level":60.*is damaged/);
  expect(log).toMatch(/"level":60.*The database was damaged and is kept as dogged\.db\.damaged-/);
  expect(readRecoveries(state).map(({ cause }) => cause)).toContain('damaged');
});

test('after an unclean stop every page is read beside the work, and what is torn is found', async () => {
  const { place, state, database, damaged } = wornPlace(true);
  place.run('start');
  const sound = () =>
    readFileSync(join(state, 'worker.log'), 'utf8').includes('every page of the database is sound');
  const first = place.workerPid();
  process.kill(first, 'SIGKILL');
  await until(sound, { withinMs: 20_000 });
  expect(damaged()).toEqual([]);
  place.run('stop');

  // A page that no query of an idle worker touches: of an index of jobs that have ended.
  const db = new SqliteDatabase(database);
  const page = db
    .prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'outages_over'")
    .pluck()
    .get() as number;
  db.exec('UPDATE meta SET clean_stop = 0');
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  overwrite(database, (page - 1) * 4096, junk(4096));
  place.run('start');
  await until(() => damaged().length === 1, { withinMs: 30_000 });
  await until(() => place.json('status')[0].verdict === 'running', { withinMs: 20_000 });
});
