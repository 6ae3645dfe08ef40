import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const CONFIG = 'heartbeat: 1s\nhealth: { fresh: 2s, stuck: 10m }\ntasks: { build: { run: ["true"] } }\n';
/** The promise is 5 s; a machine that runs other tests meanwhile gets twice that. */
const ANSWERS_WITHIN_MS = 10_000;

function running() {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  const place = workplace(folder);
  place.run('start');
  const diagnosis = () => {
    const args = [builtCli(), 'health', '--diagnose'];
    const { status, stdout, signal } = spawnSync(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1' },
      encoding: 'utf8',
      timeout: ANSWERS_WITHIN_MS,
    });
    expect(signal).toBeNull();
    return { status, first: stdout.split('\n')[0] ?? '', text: stdout };
  };
  return { folder, place, database: join(folder, 'state', 'dogged.db'), diagnosis };
}

test('when all is well it says so in its first line and its last', () => {
  const { diagnosis } = running();
  const { status, first, text } = diagnosis();
  expect([status, text]).toEqual([0, expect.stringMatching(/✅ Database pages {4}all sound/)]);
  expect(first).toMatch(/^DOGGED OK - \d+ checks$/);
  expect(text.trimEnd()).toMatch(/✅ SYSTEM HEALTHY - All checks passed$/);
});

test('with a worker that hangs it says how old its last word is', async () => {
  const { place, diagnosis } = running();
  const pid = place.workerPid();
  process.kill(pid, 'SIGSTOP');
  onTestFinished(() => void process.kill(pid, 'SIGCONT'));
  const late = await until(
    () => {
      const found = diagnosis();
      return found.status === 0 ? null : found;
    },
    { withinMs: 20_000 },
  );
  expect(late.status).toBe(1);
  expect(late.first).toMatch(/^DOGGED WARNING - .*Status file late/);
  const report = place.run('report', '-');
  expect([report.status, report.stdout]).toEqual([
    0,
    expect.stringMatching(/## Diagnosis[^#]*Status file late/),
  ]);
});

test('with a database that is locked for all it answers, and calls what it could not see unknown', () => {
  const { place, database, diagnosis } = running();
  place.run('stop');
  const locker = new SqliteDatabase(database);
  onTestFinished(() => void locker.close());
  locker.pragma('locking_mode = EXCLUSIVE');
  locker.exec('BEGIN EXCLUSIVE');
  const { status, text } = diagnosis();
  expect(status).toBe(2);
  expect(text).toMatch(/locked|no answer/);
  expect(text).not.toMatch(/✅ (Queue|Dead letters|Database)/);
});

test('with a damaged database it says so, and still tells of everything else', () => {
  const { place, database, diagnosis } = running();
  place.run('stop');
  writeFileSync(database, 'torn '.repeat(5_000));
  const { status, text } = diagnosis();
  expect(status).toBe(2);
  expect(text).toMatch(/❌ State files .*not a database/);
  expect(text).toMatch(/❌ Database pages .*not a database: dogged restart/);
  expect(text).toMatch(/✅ Config/);
  expect(text).toMatch(/Disk {14}\d+ % free/);
});

test('with a broken config it names the first problem, and works from the state folder alone', () => {
  const { folder, diagnosis } = running();
  writeFileSync(join(folder, 'dogged.config.yaml'), 'tusks: {}\n');
  const { status, first, text } = diagnosis();
  expect(status).toBe(2);
  expect(first).toMatch(/^DOGGED CRITICAL - Config: 1 problem: .*tusks/);
  expect(text).toMatch(/✅ worker +PID: \d+/);
});
