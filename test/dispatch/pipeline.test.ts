import { describe, expect, test } from 'vitest';
import type { TaskConfig } from '../../src/config/config.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import { until } from '../support/until.js';
import { commandTask, createRig, FIXTURES, type Rig } from './rig.js';

/** One child (unless more are asked for) that holds up to four jobs. */
function pipelined(more: Partial<TaskConfig> = {}, workers = 1, pipeline = 4): TaskConfig {
  const runner = { kind: 'service' as const, argv: [`${FIXTURES}/service.mjs`], workers, pipeline };
  const retry = { attempts: 3, backoff: { minMs: 5, maxMs: 10 } };
  return commandTask('serve', [], { runner, retry, killGraceMs: 50, ...more });
}

async function started(task: TaskConfig, slots = 8): Promise<Rig> {
  const rig = await createRig({ tasks: [task], slots });
  rig.dispatcher.start();
  return rig;
}

const running = (rig: Rig) => rig.dispatcher.status().slots.filter(({ state }) => state === 'working').length;

describe('a service with a pipeline', () => {
  test('holds several jobs at once, no more than it may, and answers in any order', async () => {
    const rig = await started(pipelined());
    const hanging = await Promise.all([1, 2, 3].map(() => rig.add('serve', { do: 'hang' })));
    await until(() => running(rig) === 3);
    const quick = await Promise.all([1, 2, 3, 4, 5].map(() => rig.add('serve', { do: 'pid' })));
    const pids = new Set<string | null>();
    for (const id of quick) pids.add((await rig.until(id, 'completed')).result);
    expect(pids.size).toBe(1);
    expect(await Promise.all(hanging.map(async (id) => (await rig.job(id)).place))).toEqual(
      Array(3).fill('running'),
    );
    const one = await rig.add('serve', { do: 'hang' });
    await until(async () => (await rig.job(one)).place === 'running');
    const waits = await rig.add('serve', { do: 'pid' });
    const { turns } = rig.dispatcher.counters;
    rig.dispatcher.nudge();
    await until(() => rig.dispatcher.counters.turns > turns);
    expect((await rig.job(waits)).place).toBe('ready');
    expect(running(rig)).toBe(4);
  });

  test('gets the requests of one turn in one piece', async () => {
    const rig = await createRig({ tasks: [pipelined({}, 1, 64)], slots: 64 });
    await Promise.all(Array.from({ length: 64 * 4 }, () => rig.add('serve', { do: 'chunks' })));
    rig.dispatcher.start();
    await until(() => rig.dispatcher.counters.completed === 64 * 4);
    const last = await rig.add('serve', { do: 'chunks' });
    const chunks = Number((await rig.until(last, 'completed')).result);
    expect(chunks).toBeLessThanOrEqual(rig.dispatcher.counters.turns);
  });

  test('spreads jobs over its children before any child gets a second one', async () => {
    const rig = await started(pipelined({}, 3));
    const ids = await Promise.all([1, 2, 3].map(() => rig.add('serve', { do: 'slow-pid' })));
    const pids = await Promise.all(ids.map(async (id) => (await rig.until(id, 'completed')).result));
    expect(new Set(pids).size).toBe(3);
  });

  test('that dies with several jobs in hand costs none of them; each runs alone next, and only the guilty one pays', async () => {
    const rig = await started(pipelined({ retry: { attempts: 2, backoff: { minMs: 5, maxMs: 10 } } }));
    const innocents = await Promise.all([1, 2, 3].map(() => rig.add('serve', { do: 'slow' })));
    await until(() => running(rig) === 3);
    const guilty = await rig.add('serve', { do: 'die' });
    expect(await rig.until(guilty, 'failed')).toMatchObject({ charged: 2 });
    for (const id of innocents) {
      expect(await rig.until(id, 'completed')).toMatchObject({ charged: 0, result: '"slow"' });
    }
    const [first] = await rig.attempts(guilty);
    expect(first).toMatchObject({ outcome: 'released' });
    expect(first?.reason).toContain('to run alone');
    expect(first?.reason).toContain('with 4 jobs in hand');
  });

  test('whose job takes too long is ended for that job: the others are given back uncharged', async () => {
    const rig = await started(pipelined());
    const patient = await rig.add('serve', { do: 'hang-once' });
    await until(() => running(rig) === 1);
    const late = await rig.add('serve', { do: 'hang' }, { timeoutMs: 200, maxAttempts: 1 });
    expect(await rig.until(late, 'failed')).toMatchObject({ charged: 1 });
    expect(await rig.until(patient, 'completed')).toMatchObject({ charged: 0, attempts: 2 });
    expect((await rig.attempts(patient))[0]).toMatchObject({
      outcome: 'released',
      reason: `given back: its service was ended for job ${late}`,
    });
  });

  test('that is stopped gives back all that it holds, and names it', async () => {
    const rig = await started(pipelined());
    const ids = await Promise.all([1, 2, 3].map(() => rig.add('serve', { do: 'hang' })));
    await until(() => running(rig) === 3);
    const cutOff = await rig.dispatcher.stop(1);
    expect(cutOff.map(({ id }) => id).sort()).toEqual([...ids].sort());
    for (const id of ids) expect(await rig.job(id)).toMatchObject({ place: 'ready', charged: 0 });
  });

  test('and that answers twice for a job of long ago is replaced, and nobody pays', async () => {
    const rig = await started(pipelined());
    const twice = await rig.add('serve', { do: 'twice-late' });
    await rig.until(twice, 'completed');
    const others = await Promise.all([1, 2, 3].map(() => rig.add('serve', { do: 'slow' })));
    for (const id of others) expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 1 });
    await until(() => rig.logged().includes(`answered twice for job ${twice}; it is replaced`));
  });

  test('leaves no child behind', async () => {
    const rig = await started(pipelined({}, 2));
    const ids = await Promise.all([1, 2, 3, 4, 5, 6].map(() => rig.add('serve', { do: 'slow-pid' })));
    const pids = await Promise.all(ids.map(async (id) => Number((await rig.until(id, 'completed')).result)));
    await rig.dispatcher.stop(1_000);
    expect(pids.filter((pid) => readProcessStat(pid) !== null)).toEqual([]);
  });
});
