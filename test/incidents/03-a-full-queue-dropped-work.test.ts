import { describe, expect, test } from 'vitest';
import { commandTask, createRig } from '../dispatch/rig.js';
import { until } from '../support/until.js';

/*
 * The slow queue had room for 50 in memory: the 51st was logged and forgotten. A job that timed out was also pruned from
 * its source, so nobody could ever run it again.
 */

describe('the old logic, in small', () => {
  test('forgets the 51st job', () => {
    const queue: number[] = [];
    const log: string[] = [];
    const enqueue = (job: number) => {
      if (queue.length >= 50) log.push(`queue full, dropping ${job}`);
      else queue.push(job);
    };
    for (let job = 1; job <= 51; job += 1) enqueue(job);
    expect(queue).not.toContain(51);
    expect(log).toEqual(['queue full, dropping 51']);
  });

  test('takes a time-out for an end, and erases the job at its source', async () => {
    let source = ['slow idea'];
    const process = async (job: string) => {
      const outcome = await Promise.race([new Promise(() => {}), Promise.resolve('timed out')]);
      if (outcome === 'timed out') source = source.filter((other) => other !== job);
    };
    await process('slow idea');
    expect(source).toEqual([]);
  });
});

describe('now', () => {
  test('every job of a line much longer than the slots is run, each once, and none is held in memory', async () => {
    const script = 'cat >> done; while ! [ -e go ]; do sleep 0.02; done';
    const rig = await createRig({ tasks: [commandTask('slow', ['sh', '-c', script])], slots: 1 });
    rig.dispatcher.start();
    const ids: string[] = [];
    for (let n = 1; n <= 60; n += 1) ids.push(await rig.add('slow', { n }));
    await rig.until(ids[0] ?? '', 'running');
    const { total } = await rig.store.counts();
    expect([total.running, total.ready]).toEqual([1, 59]);
    expect(rig.dispatcher.counters.claims).toBe(1);

    rig.write('go', '');
    for (const id of ids) await rig.until(id, 'completed');
    const ran = rig
      .read('done')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { n: number }).n);
    expect(ran).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  });

  test('a job that timed out is still there, is tried again, and does its work', async () => {
    const script = 'if [ "$DOGGED_ATTEMPT" = 1 ]; then exec sleep 60; fi; cat > done';
    const rig = await createRig({ tasks: [commandTask('slow', ['sh', '-c', script], { timeoutMs: 200 })] });
    rig.dispatcher.start();
    const id = await rig.add('slow', { title: 'slow idea' });
    await until(async () => (await rig.attempts(id))[0]?.outcome === 'timed-out');
    expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 2, charged: 1 });
    expect(rig.read('done')).toBe('{"title":"slow idea"}\n');
  });
});
