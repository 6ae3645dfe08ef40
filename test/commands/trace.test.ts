import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { expect, test } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const CONFIG = `
sources:
  ideas: { log: ./ideas.json, key: title, task: work, require: { type: object, required: [title, tags] } }
tasks:
  work: { run: ["true"] }
`;
const RECORDS = [
  { title: 'a', tags: [] },
  { title: 'b', tags: [] },
  { title: 'c' },
  { title: 'a', tags: [2] },
];

function project() {
  const place = workplace(tempFolder());
  writeFileSync(join(place.folder, 'dogged.config.yaml'), CONFIG);
  writeFileSync(join(place.folder, 'ideas.json'), JSON.stringify(RECORDS));
  place.run('worker', '--until-idle');
  return { ...place, cycle: place.json('job', '1')[0].cycle as string };
}

test('a cycle, a job and a key each print their way, with the reason of every record that came no further', () => {
  const { run, json, cycle } = project();
  const whole = run('trace', cycle);
  expect(whole.status).toBe(0);
  const steps = whole.stdout
    .split('\n')
    .flatMap((line) => /^[✓✗…] (\w+) +(\d+)/.exec(line)?.slice(1, 3).join(' ') ?? []);
  expect(steps).toEqual([
    'FEED_IN 4',
    'AFTER_NORMALIZE 3',
    'AFTER_DIFF_OR_SUPPRESS 2',
    'WRITE_OUT_PREPUT 2',
    'WRITE_OUT_PAYLOAD 2',
    'ENQUEUED 2',
    'QUEUE_READ 2',
  ]);
  expect(whole.stdout).toContain('2 of 2 read, hash equal');
  expect(whole.stdout).toContain('c  rejected: schema  at AFTER_NORMALIZE');
  expect(whole.stdout).toContain('a  changed-ignored  at AFTER_DIFF_OR_SUPPRESS');

  const [byCycle] = json('trace', cycle);
  expect(byCycle).toMatchObject({ cycle, source: 'ideas', job: null, verdict: 'ok' });
  expect(byCycle.lost).toEqual([
    { key: 'c', at: 'AFTER_NORMALIZE', reason: 'rejected: schema' },
    { key: 'a', at: 'AFTER_DIFF_OR_SUPPRESS', reason: 'changed-ignored' },
  ]);
  expect(Object.keys(byCycle.checkpoints[0])).toEqual([
    'name',
    'at',
    'count',
    'hash',
    'ok',
    'remark',
    'reasons',
  ]);
  for (const what of ['2', 'ideas:b']) {
    const [way] = json('trace', what);
    expect(way).toMatchObject({ cycle, job: '2', verdict: 'ok', lost: [] });
    expect(way.checkpoints.slice(-2)).toMatchObject([
      { name: 'RUN' },
      { name: 'RECORDED', remark: 'attempt 1: done' },
    ]);
  }
  expect(json('trace', 'ideas:c')[0]).toMatchObject({ cycle, job: null });
  const unknown = run('trace', 'ideas:nobody');
  expect([unknown.status, unknown.stderr]).toEqual([
    1,
    expect.stringContaining('Nothing is known of ideas:nobody'),
  ]);
});

test('--follow goes on until the job has ended', async () => {
  const { folder, run, json } = project();
  const [{ id }] = json('add', 'work', '--payload', '{}');
  const child = spawn(process.execPath, [builtCli(), 'trace', id, '--follow'], { cwd: folder });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await until(() => said.includes('not claimed yet'));
  run('worker', '--until-idle');
  expect(await ended).toBe(0);
  expect(said).toMatch(/✓ RECORDED .*attempt 1: done[\s\S]*Cycle .* ok\n$/);
});

test('the newest 10,000 cycles are kept', () => {
  const { folder, json, run, cycle } = project();
  const db = new SqliteDatabase(join(folder, 'state', 'dogged.db'));
  const count = () => db.prepare('SELECT count(*) FROM cycles').pluck().get();
  db.prepare(`
    INSERT INTO cycles (cycle, scope_id, at, broken, jobs, body)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
    SELECT 'filler-' || i, 1, 0, 0, '[]', '{"marks":{},"reasons":{},"lost":[],"waiting":0,"broken":null}' FROM n`).run();
  expect([count(), run('trace', cycle).status]).toEqual([10_000, 0]);
  json('add', 'work', '--payload', '{}');
  expect([count(), run('trace', cycle).status]).toEqual([10_000, 1]);
  db.close();
  // What its job tells is there all the same.
  expect(json('trace', '1')[0].checkpoints.map(({ name }: { name: string }) => name)).toEqual([
    'QUEUE_READ',
    'RUN',
    'RECORDED',
  ]);
});
