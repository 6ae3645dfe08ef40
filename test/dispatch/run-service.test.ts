import { describe, expect, test } from 'vitest';
import type { TaskConfig } from '../../src/config/config.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import { until } from '../support/until.js';
import { commandTask, createRig, FIXTURES } from './rig.js';

const ONE_TRY = { attempts: 1, backoff: { minMs: 1, maxMs: 1 } };

function serviceTask(more: Partial<TaskConfig> = {}, workers = 1): TaskConfig {
  const runner = { kind: 'service' as const, argv: [`${FIXTURES}/service.mjs`], workers, pipeline: 1 };
  return commandTask('serve', [], { runner, retry: ONE_TRY, killGraceMs: 50, ...more });
}

function moduleTask(path = `${FIXTURES}/module.mjs`, more: Partial<TaskConfig> = {}): TaskConfig {
  const runner = { kind: 'module' as const, path, workers: 1, pipeline: 1 };
  return commandTask('module', [], { runner, retry: ONE_TRY, killGraceMs: 300, ...more });
}

describe('a service', () => {
  test('answers many jobs with one child', async () => {
    const rig = await createRig({ tasks: [serviceTask()] });
    rig.dispatcher.start();
    const ids = await Promise.all([1, 2, 3, 4, 5].map(() => rig.add('serve', { do: 'pid' })));
    const pids = new Set<unknown>();
    for (const id of ids) pids.add((await rig.until(id, 'completed')).result);
    expect(pids.size).toBe(1);
  });

  test('is told the job with its payload, number spelling included, and its result is kept', async () => {
    const rig = await createRig({ tasks: [serviceTask()] });
    rig.dispatcher.start();
    const id = await rig.add('serve', { do: 'echo', big: 1 });
    const job = await rig.until(id, 'completed');
    expect(JSON.parse(job.result ?? '')).toEqual({
      id,
      attempt: 1,
      key: job.key,
      task: 'serve',
      source: null,
      workspace: 'default',
      payload: { do: 'echo', big: 1 },
    });
  });

  test.each([
    ['a failed attempt', {}, 'failed', 1],
    ['never again', { retry: false }, 'refused', 0],
  ])('can say: %s', async (_name, more, outcome, charged) => {
    const rig = await createRig({ tasks: [serviceTask()] });
    rig.dispatcher.start();
    const id = await rig.add('serve', { do: 'fail', more });
    const job = await rig.until(id, 'failed');
    expect(job).toMatchObject({ reason: 'as asked', charged });
    expect(await rig.attempts(id)).toMatchObject([{ outcome }]);
  });

  test.each([
    ['try again later', { retry: 'later' }, 'deferred'],
    ['what I need is away', { unavailable: true }, 'unavailable'],
  ])('can say, at no cost: %s', async (_name, more, outcome) => {
    const retry = { attempts: 1, backoff: { minMs: 60_000, maxMs: 60_000 } };
    const rig = await createRig({ tasks: [serviceTask({ retry })] });
    rig.dispatcher.start();
    const id = await rig.add('serve', { do: 'fail', more });
    await until(async () => (await rig.attempts(id))[0]?.outcome === outcome);
    expect(await rig.job(id)).toMatchObject({ place: 'scheduled', charged: 0 });
  });

  test('may print what is no answer: it stands with the job', async () => {
    const rig = await createRig({ tasks: [serviceTask()] });
    rig.dispatcher.start();
    const id = await rig.add('serve', { do: 'text' });
    await rig.until(id, 'completed');
    expect(await rig.attempts(id)).toMatchObject([{ stdout: 'a library says hello\n' }]);
  });

  test.each([
    ['dies', { do: 'die' }, 'the service ended before it answered: exit 1: last words'],
    ['answers nonsense', { do: 'nonsense' }, 'JSON that is no answer'],
    ['answers for another job', { do: 'other' }, 'answered for job another job'],
    ['floods its stdout with lines', { do: 'flood-lines' }, 'bytes that are no answer'],
    ['writes a line without end', { do: 'flood-line' }, 'a line of more than 1048576 bytes'],
  ])('that %s costs its job an attempt and is replaced', async (_name, payload, reason) => {
    const rig = await createRig({ tasks: [serviceTask()] });
    rig.dispatcher.start();
    const bad = await rig.add('serve', payload);
    const good = await rig.add('serve', { do: 'ok', result: 'fine' });
    const failed = await rig.until(bad, 'failed');
    expect(failed).toMatchObject({ charged: 1 });
    expect(failed.reason).toContain(reason);
    expect(await rig.until(good, 'completed')).toMatchObject({ result: '"fine"', attempts: 1 });
  });

  test.each(['twice', 'twice-late'])(
    'that answers %s is replaced: its first answer stands, and nobody else gets or pays for the second',
    async (act) => {
      const rig = await createRig({ tasks: [serviceTask()] });
      rig.dispatcher.start();
      const twice = await rig.add('serve', { do: act });
      const next = await rig.add('serve', { do: 'slow' });
      expect(await rig.until(twice, 'completed')).toMatchObject({ result: '1', attempts: 1 });
      expect(await rig.until(next, 'completed')).toMatchObject({ result: '"slow"', attempts: 1 });
      await until(() => rig.logged().includes(`answered twice for job ${twice}; it is replaced`));
      await rig.until(await rig.add('serve', { do: 'ok' }), 'completed');
    },
  );

  test('that hangs is killed at the time-out, and only its own job is charged', async () => {
    const rig = await createRig({ tasks: [serviceTask({ timeoutMs: 400 }, 2)] });
    rig.dispatcher.start();
    const hanging = await rig.add('serve', { do: 'hang' });
    const others = await Promise.all([1, 2, 3].map(() => rig.add('serve', { do: 'pid' })));
    await until(() => rig.dispatcher.status().slots.some(({ progress }) => progress === 0.4));
    for (const id of others)
      expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 1, charged: 0 });
    expect(await rig.until(hanging, 'failed')).toMatchObject({ charged: 1 });
    expect(await rig.attempts(hanging)).toMatchObject([{ outcome: 'timed-out' }]);
    const after = await rig.add('serve', { do: 'pid' });
    await rig.until(after, 'completed');
  });

  test('that cannot be started is unavailable: no attempt is charged', async () => {
    const runner = { kind: 'service' as const, argv: ['/nonexistent/service'], workers: 1, pipeline: 1 };
    const retry = { attempts: 1, backoff: { minMs: 60_000, maxMs: 60_000 } };
    const rig = await createRig({ tasks: [serviceTask({ runner, retry })] });
    rig.dispatcher.start();
    const id = await rig.add('serve', { do: 'ok' });
    await until(async () => (await rig.attempts(id))[0]?.outcome === 'unavailable');
    expect((await rig.job(id)).charged).toBe(0);
  });

  test('ends with the dispatcher', async () => {
    const rig = await createRig({ tasks: [serviceTask()] });
    rig.dispatcher.start();
    const id = await rig.add('serve', { do: 'pid' });
    const pid = Number((await rig.until(id, 'completed')).result);
    await rig.dispatcher.stop(1_000);
    expect(readProcessStat(pid)).toBeNull();
  });
});

describe('a module', () => {
  test('returns the result, and is told its job', async () => {
    const rig = await createRig({ tasks: [moduleTask()] });
    rig.dispatcher.start();
    const id = await rig.add('module', { do: 'context' });
    const job = await rig.until(id, 'completed');
    expect(JSON.parse(job.result ?? '')).toEqual({
      jobId: id,
      key: job.key,
      task: 'module',
      source: null,
      workspace: 'default',
      attempt: 1,
      aborted: false,
      canTellProgress: true,
    });
  });

  test('may print: it is kept as the output of its job, never taken for an answer', async () => {
    const rig = await createRig({ tasks: [moduleTask()] });
    rig.dispatcher.start();
    const id = await rig.add('module', { do: 'print' });
    expect(await rig.until(id, 'completed')).toMatchObject({ result: '"done"' });
    expect((await rig.attempts(id))[0]?.stderr).toContain('printed by the module');
  });

  test.each([
    ['is a failed attempt', {}, 'failed'],
    ['with retry = false is never tried again', { retry: false }, 'refused'],
  ])('what it throws %s, with the stack in its stderr', async (_name, more, outcome) => {
    const rig = await createRig({ tasks: [moduleTask()] });
    rig.dispatcher.start();
    const id = await rig.add('module', { do: 'throw', more });
    expect(await rig.until(id, 'failed')).toMatchObject({ reason: 'thrown by the module' });
    const [attempt] = await rig.attempts(id);
    expect(attempt).toMatchObject({ outcome });
    expect(attempt?.stderr).toContain('module.mjs');
  });

  test.each([
    ['a rejection that nobody waits for', { do: 'reject-late' }, 'nobody waits for this'],
    ['a result that is no JSON', { do: 'unserialisable' }, 'BigInt'],
  ])('%s costs its job an attempt', async (_name, payload, reason) => {
    const rig = await createRig({ tasks: [moduleTask()] });
    rig.dispatcher.start();
    const id = await rig.add('module', payload);
    const job = await rig.until(id, 'failed');
    expect(`${job.reason}\n${(await rig.attempts(id))[0]?.stderr}`).toContain(reason);
    expect(job.charged).toBe(1);
  });

  test('is told by its signal that it takes too long, and shows its progress until then', async () => {
    const rig = await createRig({ tasks: [moduleTask(undefined, { timeoutMs: 1_500 })] });
    rig.dispatcher.start();
    const id = await rig.add('module', { do: 'progress' });
    await until(() => rig.dispatcher.status().slots[0]?.progress === 0.6);
    await rig.until(id, 'failed');
    // It ended by itself once told: no SIGKILL was needed.
    expect(await rig.attempts(id)).toMatchObject([{ outcome: 'timed-out', exitCode: 0, signal: null }]);
  });

  test.each([
    ['does not exist', null],
    ['has a syntax error', 'export default function ( {'],
    ['has no default export', 'export const x = 1;'],
  ])('that %s is unavailable: its jobs wait and are not charged', async (_name, source) => {
    const retry = { attempts: 1, backoff: { minMs: 60_000, maxMs: 60_000 } };
    const folder = await createRig({ tasks: [] });
    const path = source === null ? '/nonexistent.mjs' : folder.write('broken.mjs', source);
    const rig = await createRig({ tasks: [moduleTask(path, { retry })] });
    rig.dispatcher.start();
    const id = await rig.add('module');
    await until(async () => (await rig.attempts(id))[0]?.outcome === 'unavailable');
    expect((await rig.job(id)).charged).toBe(0);
  });
});
