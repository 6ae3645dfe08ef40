import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { TaskConfig } from '../../src/config/config.js';
import { systemClock } from '../../src/platform/clock.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { commandTask, createRig, FIXTURES, type Rig } from './rig.js';

/** Leaves a file for each job that it runs. */
const LEAVES_A_FILE = commandTask('work', ['sh', '-c', 'cat > ran-$DOGGED_JOB_ID'], {
  concurrency: 1,
  group: { by: 'team', limit: 1 },
});

/** Changes what is stored behind the back of the program, as a bad disk or an editor would. */
function bend({ stateFolder }: Rig, sql: string, ...values: unknown[]): number {
  const db = new SqliteDatabase(join(stateFolder, 'dogged.db'));
  try {
    return db.prepare(sql).run(...values).changes;
  } finally {
    db.close();
  }
}

const LARGE = { text: 'x'.repeat(5_000) };

test.each([
  ['in its row', {}, 'UPDATE jobs SET payload = CAST(\'{"n":9}\' AS BLOB) WHERE id = ?'],
  ['one bit of it', {}, "UPDATE jobs SET payload = CAST(replace(payload, 'n', 'o') AS BLOB) WHERE id = ?"],
  ['its hash', {}, 'UPDATE jobs SET payload_hash = zeroblob(32) WHERE id = ?'],
  ['a hash that is too short', {}, "UPDATE jobs SET payload_hash = x'00' WHERE id = ?"],
  [
    'in the table of large ones',
    LARGE,
    "UPDATE payloads SET bytes = CAST(replace(bytes, 'xxx', 'xyx') AS BLOB) WHERE job_id = ?",
  ],
  ['a large one that is gone', LARGE, 'DELETE FROM payloads WHERE job_id = ?'],
])('a stored payload that was changed (%s) never runs, and its neighbours do', async (_, payload, sql) => {
  const rig = await createRig({ tasks: [LEAVES_A_FILE] });
  const group = { group: 'red' };
  const before = await rig.add('work', { n: 1 }, group);
  const damaged = await rig.add('work', { n: 2, ...payload }, group);
  const after = await rig.add('work', { n: 3 }, group);
  expect(bend(rig, sql, damaged)).toBe(1);
  rig.dispatcher.start();

  for (const id of [before, after]) await rig.until(id, 'completed');
  const job = await rig.until(damaged, 'failed');
  expect(job).toMatchObject({ reason: 'integrity', attempts: 1, charged: 0, exitCode: null });
  expect(await rig.attempts(damaged)).toMatchObject([
    { outcome: 'damaged', reason: 'the stored payload does not match its hash' },
  ]);
  expect(existsSync(join(rig.folder, `ran-${damaged}`))).toBe(false);
  expect(existsSync(join(rig.folder, `ran-${after}`))).toBe(true);

  await until(() => rig.dispatcher.drained());
  const { total } = await rig.store.counts();
  expect(total).toMatchObject({ ready: 0, parked: 0, running: 0, completed: 2, failed: 1 });
  expect(rig.dispatcher.status()).toMatchObject({ freeSlots: 2 });
  // Its permit went back: the group has room for one more.
  await rig.until(await rig.add('work', { n: 4 }, group), 'completed');
  expect(rig.logged()).toContain(`Failed ${damaged} for good: integrity`);
  expect((await rig.store.damaged(9)).map(({ id }) => id)).toEqual([damaged]);
});

test.each<[string, TaskConfig['runner']]>([
  ['service', { kind: 'service', argv: [join(FIXTURES, 'service.mjs')], workers: 1, pipeline: 4 }],
  ['module', { kind: 'module', path: join(FIXTURES, 'module.mjs'), workers: 1, pipeline: 4 }],
])('nor is it given to a %s', async (_, runner) => {
  const rig = await createRig({ tasks: [commandTask('work', ['true'], { runner })] });
  const damaged = await rig.add('work', { n: 1 });
  const whole = await rig.add('work', { do: 'ok' });
  bend(rig, 'UPDATE jobs SET payload = CAST(\'{"n":9}\' AS BLOB) WHERE id = ?', damaged);
  rig.dispatcher.start();
  await rig.until(whole, 'completed');
  expect(await rig.until(damaged, 'failed')).toMatchObject({ reason: 'integrity', result: null });
});

test('a retry checks again: damaged bytes are set aside once more, and bytes that are whole again run', async () => {
  const rig = await createRig({ tasks: [LEAVES_A_FILE] });
  const id = await rig.add('work', { n: 1 });
  const spoil = () => bend(rig, 'UPDATE jobs SET payload = CAST(\'{"n":9}\' AS BLOB) WHERE id = ?', id);
  spoil();
  rig.dispatcher.start();
  await rig.until(id, 'failed');
  const retry = async () => {
    expect(await rig.store.redrive('default', [id], systemClock.wallMs())).toEqual(['queued']);
    rig.dispatcher.nudge();
  };

  expect(await rig.store.acknowledgeDamaged(systemClock.wallMs())).toBe(1);
  expect(await rig.store.damaged(9)).toEqual([]);
  await retry();
  expect(await rig.until(id, 'failed')).toMatchObject({ attempts: 2, reason: 'integrity' });
  // What was acknowledged was the first time.
  expect(await rig.store.damaged(9)).toHaveLength(1);
  expect(existsSync(join(rig.folder, `ran-${id}`))).toBe(false);

  bend(rig, 'UPDATE jobs SET payload = CAST(\'{"n":1}\' AS BLOB) WHERE id = ?', id);
  await retry();
  await rig.until(id, 'completed');
  expect(rig.read(`ran-${id}`)).toBe('{"n":1}\n');
  expect((await rig.attempts(id)).map(({ outcome }) => outcome)).toEqual(['damaged', 'damaged', 'done']);
  expect(await rig.store.damaged(9)).toEqual([]);
});

test('a handler that calls its own failure "integrity" has damaged nothing', async () => {
  const refuses = commandTask('work', ['sh', '-c', 'echo integrity >&2; exit 65']);
  const rig = await createRig({ tasks: [refuses] });
  const id = await rig.add('work');
  rig.dispatcher.start();
  await rig.until(id, 'failed');
  bend(rig, "UPDATE jobs SET reason = 'integrity' WHERE id = ?", id);
  expect(await rig.store.damaged(9)).toEqual([]);
});

test('a module that changes its payload changes nothing else: a retry is given the bytes that were admitted', async () => {
  const path = join(tempFolder(), 'mutates.mjs');
  writeFileSync(path, MUTATES);
  const runner = { kind: 'module' as const, path, workers: 1, pipeline: 2 };
  const rig = await createRig({ tasks: [commandTask('work', ['true'], { runner })] });
  const events = ['a', 'b', 'c', 'd', 'e', 'f'];
  const id = await rig.add('work', { events }, { maxAttempts: 3 });
  const neighbour = await rig.add('work', { events }, { maxAttempts: 3 });
  rig.dispatcher.start();
  for (const one of [id, neighbour]) {
    const job = await rig.until(one, 'completed');
    expect(JSON.parse(job.result ?? '')).toEqual({ attempt: 2, saw: 6 });
    expect(job.payload.bytes.toString()).toBe(JSON.stringify({ events }));
    expect((await rig.attempts(one)).map(({ reason }) => reason)).toEqual(['saw 6', null]);
  }
});

/** Drops one of six events, as the consumer of incident 5 did, and fails the first time. */
const MUTATES = `
export default async function handle(payload, { attempt }) {
  const saw = payload.events.length;
  payload.events.pop();
  payload.more = 'of it';
  if (attempt === 1) throw new Error('saw ' + saw);
  return { attempt, saw };
}
`;
