import { expect, test } from 'vitest';
import type { Store } from '../../src/store/engine.js';
import type { AdmissionBatch, Scope } from '../../src/store/intake-contract.js';
import { onlyBatch } from '../../src/trace/cycle-trace.js';
import {
  batch,
  claimOne,
  end,
  ideas,
  ownedStore,
  type RecordSpec,
  retryAt,
  T0,
  turn,
} from '../conformance/given.js';
import { until } from '../support/until.js';
import { type Bench, bench } from './in-process.js';

/* What `dogged trace` says of a job that ended otherwise than by running, or that stands beside another of its name. */

async function given(): Promise<{ bench: Bench; store: Store }> {
  const here = bench();
  return { bench: here, store: await ownedStore({ open: here.store }) };
}

async function hand(store: Store, specs: RecordSpec[], rest: Partial<AdmissionBatch> = {}): Promise<void> {
  const planned = batch(
    specs.map((spec) => ({ onChange: 'replan' as const, ...spec })),
    rest,
  );
  await store.admit({ ...planned, trace: onlyBatch(planned.records, T0) });
}

const later = { runAtMs: T0 + 1_000 };
const NO_MORE = { keys: [], series: [], missed: [] };

test.each<[string, string, RegExp, (store: Store) => Promise<unknown>]>([
  [
    'withdrawn',
    'cancelled before it was read: withdrawn: its plan no longer has it',
    /withdrawn {2}while it was scheduled, by c-2/,
    (store) => hand(store, [], { cycle: 'c-2', plan: NO_MORE }),
  ],
  [
    'expired',
    'expired before it was read',
    /QUEUE_READ/,
    (store) => turn(store, { nowMs: T0 + 9_000, freeSlots: 0 }),
  ],
  [
    'cancelled by somebody',
    'cancelled before it was read',
    /cancelled/,
    (store) => store.cancel('default', ['1'], T0),
  ],
])('a job that was %s is over, and is told why', async (_, reason, told, endIt) => {
  const { bench, store } = await given();
  await hand(store, [{ key: 'W', ...later, expiresAtMs: T0 + 5_000 }], { cycle: 'c-1' });
  expect((await bench.run('trace', 'ideas:W')).stdout).toContain('not claimed yet');
  await endIt(store);
  for (const what of ['ideas:W', '1']) {
    const { code, stdout } = await bench.run('trace', what, '--follow');
    expect(code).toBe(0);
    expect(stdout).toContain(`− 1 ${reason}`);
    expect(stdout).toMatch(told);
    expect(stdout).not.toMatch(/waiting|not claimed yet/);
    expect(stdout.match(/^Cycle /gm)).toHaveLength(1);
  }
  const [way] = await bench.json('trace', '1');
  expect(way).toMatchObject({ verdict: 'ok', checkpoints: { length: 7 } });
  expect(way.checkpoints.at(-1)).toMatchObject({
    name: 'QUEUE_READ',
    ok: true,
    count: 0,
    remark: 'never claimed',
  });
});

test('a changed version that was dropped, as the one before has run, is over; a newer one is not mixed up with its attempts', async () => {
  const { bench, store } = await given();
  await hand(store, [{ key: 'W' }], { cycle: 'c-1' });
  const claim = await claimOne(store);
  await hand(store, [{ key: 'W', content: '{"n":2}' }], { cycle: 'c-2' });
  expect((await bench.json('trace', '2'))[0].verdict).toBe('waiting');
  await turn(store, { ends: [end(claim)], freeSlots: 0 });
  expect((await bench.json('trace', '2'))[0]).toMatchObject({ cycle: 'c-2', verdict: 'ok' });
  expect((await bench.run('trace', '2')).stdout).toContain('cancelled before it was read');

  await hand(store, [{ key: 'V' }], { cycle: 'c-3' });
  const first = await claimOne(store);
  await turn(store, { ends: [end(first, retryAt(T0 + 99))], freeSlots: 0 });
  await hand(store, [{ key: 'V', content: '{"n":2}', ...later }], { cycle: 'c-4' });
  const [way] = await bench.json('trace', 'ideas:V');
  expect(way).toMatchObject({ cycle: 'c-4', verdict: 'waiting' });
  expect(way.checkpoints.at(-1)).toMatchObject({ name: 'QUEUE_READ', count: 0, remark: 'not claimed yet' });
  expect(way.events).toMatchObject([{ event: 'superseded' }]);
});

test('a cycle that only took something out of its plan is known, and names it', async () => {
  const { bench, store } = await given();
  await hand(store, [{ key: 'W', ...later }, { key: 'V' }], { cycle: 'c-1' });
  await claimOne(store);
  await hand(store, [], { cycle: 'c-2', plan: NO_MORE });
  const { stdout } = await bench.run('trace', 'c-2');
  expect(stdout).toContain('W  withdrawn  job 1');
  expect(stdout).toContain('V  left running  job 2');
  expect((await bench.json('trace', 'c-2'))[0].gone).toEqual({
    counts: { withdrawn: 1, 'left-running': 1 },
    named: expect.arrayContaining([{ key: 'W', job: '1', result: 'withdrawn' }]),
  });
});

test('of a source and a task with one name both are named, and each is told what it is', async () => {
  const { bench, store } = await given();
  const scope: Scope = { ...ideas, kind: 'task' };
  await hand(store, [{ key: 'a:b' }], { cycle: 'c-1', scope });
  await hand(store, [{ key: 'a:b' }], { cycle: 'c-2' });
  const { stdout, stderr } = await bench.run('trace', 'ideas:a:b');
  expect(stdout).toContain('source ideas  job 2');
  expect(stderr).toContain(
    'The same key is known to the task ideas (added by hand, workspace default): dogged trace 1',
  );
  expect(stderr).not.toContain('workspaces');
});

test('--follow says each checkpoint once, also when its time is told more exactly at the end', async () => {
  const { bench, store } = await given();
  await hand(store, [{ key: 'W' }], { cycle: 'c-1' });
  const { written, ended } = bench.begin('trace', '1', '--follow');
  await until(() => written.stdout.includes('not claimed yet'));
  const claim = await claimOne(store, { nowMs: T0 + 1 });
  await until(() => written.stdout.includes('attempt 1 runs'));
  const exactly = { startedAtMs: T0 + 5, endedAtMs: T0 + 9 };
  await turn(store, { ends: [end(claim, undefined, exactly)], freeSlots: 0, nowMs: T0 + 9 });
  const { stdout } = await ended;
  expect(stdout.match(/QUEUE_READ.*SHA/g)).toHaveLength(1);
  expect(stdout.match(/RUN /g)).toHaveLength(1);
  expect(stdout).toMatch(/RECORDED .*attempt 1: done[\s\S]*Cycle .* ok\n$/);
});

test('a key of many letters is cut, in the head and in what is not known', async () => {
  const { bench, store } = await given();
  const key = 'k'.repeat(10_000);
  await hand(store, [{ key }], { cycle: 'c-1' });
  await hand(store, [{ key }], { cycle: 'c-2' });
  for (const what of [`ideas:${key}`, 'c-2', `ideas:x${key}`]) {
    const { stdout, stderr } = await bench.run('trace', what);
    expect(Math.max(...`${stdout}${stderr}`.split('\n').map((line) => line.length))).toBeLessThan(250);
  }
});
