import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import { openStore } from '../../src/store/open.js';
import { admit, end, turn } from '../conformance/given.js';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/* What people ask of jobs, with the real program and a real worker. */

const CONFIG = `
tasks:
  stubborn: { run: [sh, -c, "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"], concurrency: 1, killGrace: 100ms }
  quick: { run: [sh, -c, "cat > got-$DOGGED_ATTEMPT"] }
  bad: { run: [sh, -c, "exit 65"] }
`;

function project(): Workplace {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  return workplace(folder);
}

function begin(place: Workplace, ...args: string[]): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(process.execPath, [builtCli(), ...args], {
    cwd: place.folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.on('data', (part) => {
    stdout += part;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout })));
}

test('cancel ends what waits at once and what runs with all its processes, and wait tells of both', async () => {
  const place = project();
  place.run('start');
  const [running] = place.json('add', 'stubborn');
  await until(() => existsSync(join(place.folder, 'pid')));
  const [waiting] = place.json('add', 'stubborn');
  const waited = begin(place, 'wait', running.id, waiting.id);
  expect(place.json('cancel', waiting.id)).toEqual([
    { id: waiting.id, result: 'cancelled', state: 'cancelled' },
  ]);
  expect(place.json('cancel', running.id)).toMatchObject([{ id: running.id, result: 'requested' }]);
  const { code, stdout } = await waited;
  expect(code).toBe(1);
  expect(stdout.split('\n').sort()).toEqual(
    [
      '',
      `${running.id} cancelled: cancelled while it ran`,
      `${waiting.id} cancelled: cancelled while it waited`,
    ].sort(),
  );
  const pid = Number(readFileSync(join(place.folder, 'pid'), 'utf8'));
  expect([undefined, 'Z']).toContain(readProcessStat(pid)?.state);
  expect(place.run('cancel', running.id, waiting.id).status).toBe(0);
  const [job] = place.json('job', running.id);
  expect(job).toMatchObject({ state: 'cancelled', attempts: 1 });
  expect(
    job.history.map((entry: { outcome?: string; event?: string }) => entry.outcome ?? entry.event),
  ).toEqual(expect.arrayContaining(['cancelled', 'cancel requested']));
}, 60_000);

test('wait exits with 0 once all completed, and retry runs a dead letter again with a new budget', async () => {
  const place = project();
  place.run('start');
  const [done] = place.json('add', 'quick', '--payload', '{"n":1}');
  const [failed] = place.json('add', 'bad');
  expect(place.run('wait', done.id)).toMatchObject({ status: 0, stdout: `${done.id} completed\n` });
  expect(place.run('wait', done.id, failed.id).status).toBe(1);
  expect(place.run('retry', done.id).status).toBe(1);
  expect(place.json('retry', failed.id)).toEqual([{ queued: 1, refused: [] }]);
  place.run('wait', failed.id);
  const [job] = place.json('job', failed.id);
  expect(
    job.history.map((entry: { outcome?: string; event?: string }) => entry.outcome ?? entry.event),
  ).toEqual(['refused', 'redriven', 'refused']);
  expect(place.json('jobs', '--state', 'failed').map(({ id }) => id)).toEqual([failed.id]);
}, 60_000);

test('two processes that retry all dead letters at once give each job one new budget', async () => {
  const place = project();
  const JOBS = 2_500;
  const store = await openStore(join(place.folder, 'state'), 'worker', systemClock);
  const owner = { bootId: 'b', pid: 1, startTicks: 1, nonce: 'n' };
  const { epoch } = await store.takeOwnership(owner, systemClock.wallMs());
  await store.configureTasks(['default'], [{ task: 'quick', groupLimit: null, maxAttempts: 3 }]);
  const records = Array.from({ length: JOBS }, (_, n) => ({ key: `k${n}`, task: 'quick' }));
  await admit(store, records);
  const all = { freeSlots: JOBS, eligible: [{ task: 'quick', room: JOBS }] };
  const { claims } = await turn(store, all);
  await turn(store, {
    ends: claims.map((claim) => end(claim, { to: 'failed', reason: 'exit 1' })),
    freeSlots: 0,
  });
  await store.releaseOwnership(epoch, systemClock.wallMs());

  const both = await Promise.all([1, 2].map(() => begin(place, 'retry', '--state', 'failed', '--json')));
  const answers = both.map(({ stdout }) => JSON.parse(stdout));
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(answers.flatMap(({ refused }) => refused)).toEqual([]);
  expect(answers[0].queued + answers[1].queued).toBe(JOBS);
  expect((await store.counts()).total).toMatchObject({ ready: JOBS, failed: 0 });
  for (const { id } of claims) {
    const job = await store.get(null, id);
    const events = job?.history.filter(({ kind }) => kind === 'event') ?? [];
    expect(events, `job ${id}`).toHaveLength(1);
  }
  await store.close();
}, 60_000);
