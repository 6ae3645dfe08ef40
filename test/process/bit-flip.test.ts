import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { expect, test } from 'vitest';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';

/** Turns over one bit of a stored payload, as memory or a disk may do it. */
function flipBit(folder: string, table: 'jobs' | 'payloads', id: string): void {
  const [column, key] = table === 'jobs' ? ['payload', 'id'] : ['bytes', 'job_id'];
  const db = new SqliteDatabase(join(folder, 'state', 'dogged.db'));
  const bytes = db
    .prepare<[string], Buffer>(`SELECT ${column} FROM ${table} WHERE ${key} = ?`)
    .pluck()
    .get(id);
  if (bytes === undefined) throw new Error(`no payload of job ${id} in ${table}`);
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`).run(bytes, id);
  db.close();
}

test('one flipped bit in a stored payload is caught before anything runs, named everywhere, and holds nobody up', () => {
  const { folder, run, json } = workplace(tempFolder());
  writeFileSync(
    join(folder, 'dogged.config.yaml'),
    'sources: {}\ntasks:\n  work: { run: [sh, -c, "cat > ran-$DOGGED_JOB_ID"] }\n',
  );
  const small = JSON.stringify({ title: 'small' });
  const large = JSON.stringify({ title: 'large', text: 'x'.repeat(5_000) });
  const ids = [small, small, large, large].map((payload) => json('add', 'work', '--payload', payload)[0].id);
  const [whole, flipped, wholeLarge, flippedLarge] = ids;
  flipBit(folder, 'jobs', flipped);
  flipBit(folder, 'payloads', flippedLarge);
  // Before anybody claims it, too.
  expect(json('job', flipped)[0]).toMatchObject({ state: 'pending', reason: 'integrity', payload: null });

  expect(run('worker', '--until-idle').status).toBe(0);
  expect(readFileSync(join(folder, `ran-${whole}`), 'utf8')).toBe(`${small}\n`);
  expect(readFileSync(join(folder, `ran-${wholeLarge}`), 'utf8')).toBe(`${large}\n`);
  for (const id of [flipped, flippedLarge]) {
    expect(existsSync(join(folder, `ran-${id}`))).toBe(false);
    const [job] = json('job', id);
    expect(job).toMatchObject({ state: 'failed', reason: 'integrity', attempts: 1, payload: null });
    expect(job.history).toMatchObject([{ kind: 'attempt', attempt: 1, outcome: 'damaged' }]);
  }
  expect(run('jobs', '--state', 'failed').stdout.match(/integrity/g)).toHaveLength(2);

  const traced = run('trace', flipped);
  expect(traced.status).toBe(1);
  expect(traced.stdout).toMatch(
    /✓ ENQUEUED +1 .*\n✗ QUEUE_READ +1 .*does not match its hash: set aside, nothing was run/,
  );
  expect(traced.stdout).not.toContain('RUN ');
  expect(run('trace', whole ?? '').status).toBe(0);

  const payloads = () =>
    json('health')[0].checks.filter(({ name }: { name: string }) => name.startsWith('payload'));
  expect(payloads()).toMatchObject(
    [flipped, flippedLarge].map((id) => ({
      name: `payload:${id}`,
      status: 'critical',
      remedy: `dogged trace ${id}`,
    })),
  );
  expect(run('health').status).toBe(2);
  expect(json('health', '--acknowledge')).toEqual([{ acknowledged: null, payloads: 2 }]);
  expect(payloads()).toMatchObject([{ name: 'payloads', status: 'ok' }]);

  // A retry looks again, and turns the diagnosis red again.
  expect(run('retry', flipped).status).toBe(0);
  run('worker', '--until-idle');
  expect(json('job', flipped)[0]).toMatchObject({ state: 'failed', reason: 'integrity', attempts: 2 });
  expect(payloads()).toMatchObject([{ name: `payload:${flipped}`, status: 'critical' }]);
});
