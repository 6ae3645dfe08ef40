import { describe, expect, test } from 'vitest';
import { commandTask, createRig, type Rig } from '../dispatch/rig.js';
import { until } from '../support/until.js';

/*
 * The loop that waited for the end looked at the pending jobs, saw none, and shut down with one still running. Ten
 * seconds later that one was killed, and run again after the next start: its work was done twice by halves.
 */

const HELD = ['sh', '-c', 'echo begun >> story; while ! [ -e go ]; do sleep 0.02; done; echo ended >> story'];

async function rigWithOneRunning(): Promise<{ rig: Rig; id: string }> {
  const rig = await createRig({ tasks: [commandTask('held', HELD)] });
  rig.dispatcher.start();
  const id = await rig.add('held');
  await rig.until(id, 'running');
  await until(() => rig.read('story') === 'begun\n');
  return { rig, id };
}

describe('the old logic', () => {
  test('sees nothing pending while a job runs, and takes that for the end of all work', async () => {
    const { rig } = await rigWithOneRunning();
    const { total } = await rig.store.counts();
    const oldIdle = total.ready + total.parked + total.scheduled === 0;
    expect(oldIdle).toBe(true);
    await rig.dispatcher.stop(0);
    expect(rig.read('story')).toBe('begun\n');
  });
});

describe('now', () => {
  test('a running job is work that is left: nothing counts as drained until its end is committed', async () => {
    const { rig, id } = await rigWithOneRunning();
    expect((await rig.store.counts()).total).toMatchObject({ ready: 0, parked: 0, scheduled: 0, running: 1 });
    expect(rig.dispatcher.drained()).toBe(false);
    rig.write('go', '');
    await until(() => {
      const drained = rig.dispatcher.drained();
      // Never drained before the work was done.
      if (drained) expect(rig.read('story')).toBe('begun\nended\n');
      return drained;
    });
    expect(await rig.job(id)).toMatchObject({ place: 'completed', attempts: 1 });
  });

  test('a retry that waits for its time is work that is left, too', async () => {
    const retry = { attempts: 2, backoff: { minMs: 300, maxMs: 300 } };
    const task = commandTask('twice', ['sh', '-c', '[ "$DOGGED_ATTEMPT" = 2 ]'], { retry });
    const rig = await createRig({ tasks: [task] });
    rig.dispatcher.start();
    const id = await rig.add('twice');
    await until(async () => (await rig.job(id)).place === 'scheduled');
    expect((await rig.store.counts()).total).toMatchObject({ ready: 0, running: 0, scheduled: 1 });
    expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 2 });
  });

  test('a stop waits for what runs, and its work is done once', async () => {
    const { rig, id } = await rigWithOneRunning();
    const stopped = rig.dispatcher.stop(10_000);
    rig.write('go', '');
    expect(await stopped).toEqual([]);
    expect(rig.read('story')).toBe('begun\nended\n');
    expect(await rig.job(id)).toMatchObject({ place: 'completed', attempts: 1 });
  });

  test('what is cut off after all is named, waits again uncharged, and is never forgotten', async () => {
    const { rig, id } = await rigWithOneRunning();
    const cutOff = await rig.dispatcher.stop(1);
    expect(cutOff.map((job) => job.id)).toEqual([id]);
    expect(await rig.job(id)).toMatchObject({ place: 'ready', charged: 0, crashes: 0 });
  });
});
