import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { DoggedError } from '../../src/job/errors.js';
import { type Clock, systemClock } from '../../src/platform/clock.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import type { Turn } from '../../src/store/contract.js';
import type { Store } from '../../src/store/engine.js';
import { openStore } from '../../src/store/open.js';
import { until } from '../support/until.js';
import { commandTask, createRig, fixtureTask, type Rig, storePart } from './rig.js';

/** Never fires the tick that looks for news: what happens then happens by a timer of its own. */
const withoutTick: Clock = {
  ...systemClock,
  after: (delayMs, action, options) =>
    delayMs === 250 ? () => undefined : systemClock.after(delayMs, action, options),
};

/** Runs until the file `go` is there. */
const HELD = ['sh', '-c', 'while ! [ -e go ]; do sleep 0.02; done'];

describe('limits', () => {
  test('no more jobs run than there are slots; the next starts when one ends', async () => {
    const rig = await createRig({ tasks: [commandTask('held', HELD)], slots: 2 });
    rig.dispatcher.start();
    const ids = [await rig.add('held'), await rig.add('held'), await rig.add('held')];
    await until(() => rig.dispatcher.status().freeSlots === 0);
    await rig.until(ids[0] ?? '', 'running');
    const { turns } = rig.dispatcher.counters;
    rig.dispatcher.nudge();
    await until(() => rig.dispatcher.counters.turns > turns);
    expect(rig.dispatcher.drained()).toBe(false);
    expect(rig.dispatcher.status().slots.map(({ slot, state, job }) => [slot, state, job])).toEqual([
      [0, 'working', ids[0]],
      [1, 'working', ids[1]],
    ]);
    expect(await rig.job(ids[2] ?? '')).toMatchObject({ place: 'ready', attempts: 0 });
    rig.write('go', '');
    for (const id of ids) await rig.until(id, 'completed');
    await until(() => rig.dispatcher.drained());
    expect(rig.dispatcher.counters).toMatchObject({ claims: 3, completed: 3, failed: 0 });
  });

  test('a task keeps to its concurrency and leaves the other slots to others', async () => {
    const tasks = [commandTask('narrow', HELD, { concurrency: 1 }), commandTask('wide', HELD)];
    const rig = await createRig({ tasks, slots: 4 });
    rig.dispatcher.start();
    for (let n = 0; n < 3; n += 1) await rig.add('narrow');
    const other = await rig.add('wide');
    await rig.until(other, 'running');
    const { runningByTask, freeSlots } = rig.dispatcher.status();
    expect([...runningByTask]).toEqual([
      ['narrow', 1],
      ['wide', 1],
    ]);
    expect(freeSlots).toBe(2);
  });

  test('a group keeps to its limit', async () => {
    const task = commandTask('grouped', HELD, { group: { by: 'project', limit: 1 } });
    const rig = await createRig({ tasks: [task], slots: 4 });
    rig.dispatcher.start();
    for (const group of ['a', 'a', 'a', 'b']) await rig.add('grouped', { project: group }, { group });
    await until(() => rig.dispatcher.status().freeSlots === 2);
    const { turns } = rig.dispatcher.counters;
    rig.dispatcher.nudge();
    await until(() => rig.dispatcher.counters.turns > turns);
    expect(rig.dispatcher.counters.claims).toBe(2);
  });
});

describe('retries', () => {
  test('a job that fails until its budget is used up leaves one dead letter with every attempt', async () => {
    const task = commandTask('bad', [
      'sh',
      '-c',
      'echo "out $DOGGED_ATTEMPT"; echo "err $DOGGED_ATTEMPT" >&2; exit 7',
    ]);
    const rig = await createRig({ tasks: [task] });
    rig.dispatcher.start();
    const id = await rig.add('bad');
    const job = await rig.until(id, 'failed');
    expect(job).toMatchObject({ attempts: 3, charged: 3, crashes: 0, reason: 'exit 7: err 3', exitCode: 7 });
    expect(await rig.attempts(id)).toMatchObject(
      [1, 2, 3].map((attempt) => ({
        attempt,
        outcome: 'failed',
        exitCode: 7,
        signal: null,
        reason: `exit 7: err ${attempt}`,
        stdout: `out ${attempt}\n`,
        stderr: `err ${attempt}\n`,
      })),
    );
    for (const { atMs, endedAtMs } of await rig.attempts(id)) expect(endedAtMs).toBeGreaterThanOrEqual(atMs);
    const logged = rig.logged();
    expect(logged).toContain('(failed tries 1 of 3)');
    expect(logged).toContain('(failed tries 2 of 3)');
    expect(logged).toContain(`Failed ${id} for good: exit 7: err 3`);
    expect((await rig.store.counts()).total).toMatchObject({ failed: 1, ready: 0, scheduled: 0 });
  });

  test('a job that comes right in the end is completed, and has its failures in its history', async () => {
    const rig = await createRig({
      tasks: [commandTask('slow-starter', ['sh', '-c', '[ "$DOGGED_ATTEMPT" = 3 ]'])],
    });
    rig.dispatcher.start();
    const id = await rig.add('slow-starter');
    expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 3, charged: 2 });
    expect((await rig.attempts(id)).map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'done']);
  });

  test('a job that asks for another try waits without being charged, until the bound', async () => {
    const retry = { attempts: 1, backoff: { minMs: 0, maxMs: 1 } };
    const rig = await createRig({ tasks: [fixtureTask('ends', ['75'], { retry })] });
    rig.dispatcher.start();
    const id = await rig.add('ends');
    expect(await rig.until(id, 'failed')).toMatchObject({ attempts: 10, reason: 'exit 75' });
    expect(new Set((await rig.attempts(id)).map(({ outcome }) => outcome))).toEqual(new Set(['deferred']));
  });
});

describe('what others do to the queue', () => {
  async function otherProcess(rig: Rig): Promise<Store> {
    return openStore(rig.stateFolder, 'command', systemClock);
  }

  test('a cancel ends a running job, and leaves nothing of it', async () => {
    const rig = await createRig({ tasks: [fixtureTask('family', ['wait'], { killGraceMs: 50 })] });
    rig.dispatcher.start();
    const id = await rig.add('family');
    await until(
      () => existsSync(join(rig.stateFolder, 'family')) && rig.read('state/family').split('\n').length > 3,
    );
    const other = await otherProcess(rig);
    expect(await other.cancel('default', [id], systemClock.wallMs())).toEqual(['requested']);
    await other.close();
    expect(await rig.until(id, 'cancelled')).toMatchObject({ reason: 'cancelled while it ran' });
    expect(await rig.attempts(id)).toMatchObject([{ outcome: 'cancelled' }]);
    expect(rig.read('state/family').trim().split('\n').map(Number).filter(isAlive)).toEqual([]);
  });

  test('a pause holds back what waits, a resume lets it go, both without being told', async () => {
    const rig = await createRig({ tasks: [commandTask('quick', ['true'])] });
    const other = await otherProcess(rig);
    await other.setPaused('default', 'quick', true, systemClock.wallMs());
    rig.dispatcher.start();
    const id = await rig.add('quick');
    await until(() => rig.dispatcher.drained());
    expect((await rig.job(id)).attempts).toBe(0);
    await other.setPaused('default', 'quick', false, systemClock.wallMs());
    await other.close();
    await rig.until(id, 'completed', 2_000);
  });

  test('a job that is not due waits for its time, and starts then without anybody looking', async () => {
    const rig = await createRig({ tasks: [commandTask('later', ['true'])], clock: withoutTick });
    rig.dispatcher.start();
    const id = await rig.add('later', {}, { runAtMs: systemClock.wallMs() + 400 });
    await until(() => rig.dispatcher.counters.turns > 0);
    expect(await rig.job(id)).toMatchObject({ place: 'scheduled' });
    expect((await rig.until(id, 'completed')).lateByMs).toBeGreaterThanOrEqual(0);
  });

  test('a wall clock that is set makes due what it passes over', async () => {
    let jumpMs = 0;
    const clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + jumpMs };
    const rig = await createRig({ tasks: [commandTask('later', ['true'])], clock });
    rig.dispatcher.start();
    const id = await rig.add('later', {}, { runAtMs: systemClock.wallMs() + 3_600_000 });
    await until(() => rig.dispatcher.drained());
    expect(await rig.job(id)).toMatchObject({ place: 'scheduled' });
    jumpMs = 3_700_000;
    await rig.until(id, 'completed', 3_000);
  });
});

describe('a database that takes no turn', () => {
  test('loses nothing: what ends while another process holds the lock is written when it lets go', async () => {
    const rig = await createRig({ tasks: [commandTask('held', HELD)] });
    rig.dispatcher.start();
    const id = await rig.add('held');
    await rig.until(id, 'running');
    const locker = new Database(join(rig.stateFolder, 'dogged.db'));
    locker.exec('BEGIN IMMEDIATE');
    rig.write('go', '');
    await until(() => rig.dispatcher.status().freeSlots === 2);
    expect(await rig.job(id)).toMatchObject({ place: 'running' });
    expect(rig.dispatcher.drained()).toBe(false);
    locker.exec('ROLLBACK');
    locker.close();
    await rig.until(id, 'completed');
    expect(await rig.attempts(id)).toHaveLength(1);
  });

  test('is asked again and again: the ends are kept, it is said, and nothing new is started', async () => {
    let busy = false;
    const rig = await createRig({
      tasks: [commandTask('held', HELD)],
      slots: 1,
      wrapStore: (store) => ({
        ...storePart(store),
        turn: async (turn: Turn) => {
          if (busy) throw new DoggedError('STORE_BUSY', { file: 'dogged.db', waitedMs: 1 });
          return store.turn(turn);
        },
      }),
    });
    rig.dispatcher.start();
    const ids = [await rig.add('held'), await rig.add('held')];
    await rig.until(ids[0] ?? '', 'running');
    busy = true;
    rig.write('go', '');
    await until(() => rig.logged().includes('; 1 end of jobs is kept until then'));
    const [job = ''] = ids;
    const { endsKept, freeSlots } = rig.dispatcher.status();
    expect(endsKept).toEqual([{ job, workspace: 'default', task: 'held', attempt: 1 }]);
    expect(freeSlots).toBe(1);
    expect(rig.dispatcher.drained()).toBe(false);
    expect(await rig.job(ids[1] ?? '')).toMatchObject({ attempts: 0 });
    busy = false;
    for (const id of ids) expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 1 });
    expect(rig.dispatcher.status().endsKept).toEqual([]);
  });

  test('that belongs to another worker ends this one: its children are killed, and it says so once', async () => {
    const fatal: DoggedError[] = [];
    let fenced = false;
    const rig = await createRig({
      tasks: [commandTask('held', ['sh', '-c', 'echo $$ > pid; exec sleep 60'])],
      wrapStore: (store) => ({
        ...storePart(store),
        turn: async (turn: Turn) => {
          if (fenced) throw new DoggedError('OWNER_CHANGED', { found: 2, ours: 1 });
          return store.turn(turn);
        },
      }),
      onFatal: (error) => fatal.push(error),
    });
    rig.dispatcher.start();
    await rig.add('held');
    await until(() => existsSync(join(rig.folder, 'pid')) && rig.read('pid').endsWith('\n'));
    fenced = true;
    rig.dispatcher.nudge();
    await until(() => fatal.length > 0);
    expect(fatal.map(({ code }) => code)).toEqual(['OWNER_CHANGED']);
    expect(isAlive(Number(rig.read('pid')))).toBe(false);
  });

  test('an end that is told lost is said so, and counts for nothing', async () => {
    const rig = await createRig({
      tasks: [commandTask('quick', ['true'])],
      wrapStore: (store) => ({
        ...storePart(store),
        turn: async (turn: Turn) => {
          const stale = turn.ends.map((end) => ({ ...end, claim: { ...end.claim, attempt: 99 } }));
          return store.turn({ ...turn, ends: stale });
        },
      }),
    });
    rig.dispatcher.start();
    const id = await rig.add('quick');
    await until(() => rig.logged().includes(`Lost: attempt 1 of job ${id}`));
    expect(rig.dispatcher.counters).toMatchObject({ claims: 1, completed: 0 });
    expect(await rig.job(id)).toMatchObject({ place: 'running' });
  });
});

describe('stop', () => {
  test('takes no more jobs and waits for what runs', async () => {
    const rig = await createRig({ tasks: [commandTask('held', HELD)], slots: 1 });
    rig.dispatcher.start();
    const running = await rig.add('held');
    const waiting = await rig.add('held');
    await rig.until(running, 'running');
    const stopped = rig.dispatcher.stop(10_000);
    rig.write('go', '');
    expect(await stopped).toEqual([]);
    expect(await rig.job(running)).toMatchObject({ place: 'completed' });
    expect(await rig.job(waiting)).toMatchObject({ place: 'ready', attempts: 0 });
  });

  test('gives back uncharged what is not done within the grace, names it, and leaves nothing of it', async () => {
    const rig = await createRig({ tasks: [fixtureTask('family', ['wait'], { killGraceMs: 50 })] });
    rig.dispatcher.start();
    const id = await rig.add('family');
    await until(
      () => existsSync(join(rig.stateFolder, 'family')) && rig.read('state/family').split('\n').length > 3,
    );
    const { key } = await rig.job(id);
    expect(await rig.dispatcher.stop(100)).toEqual([{ id, task: 'family', key }]);
    expect(await rig.job(id)).toMatchObject({ place: 'ready', attempts: 1, charged: 0, crashes: 0 });
    expect(await rig.attempts(id)).toMatchObject([{ outcome: 'released' }]);
    expect(rig.read('state/family').trim().split('\n').map(Number).filter(isAlive)).toEqual([]);
  });

  test('asked a second time, with no grace, waits no longer', async () => {
    const rig = await createRig({ tasks: [commandTask('held', HELD, { killGraceMs: 60_000 })] });
    rig.dispatcher.start();
    const id = await rig.add('held');
    await rig.until(id, 'running');
    const startedMs = performance.now();
    const first = rig.dispatcher.stop(60_000);
    expect(await rig.dispatcher.stop(0)).toHaveLength(1);
    expect(await first).toHaveLength(1);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expect(await rig.job(id)).toMatchObject({ place: 'ready', charged: 0 });
  });

  test('with no grace at all kills at once, whatever grace the task gives', async () => {
    const task = commandTask('deaf', ['sh', '-c', 'trap "" TERM; touch deaf; while :; do sleep 0.1; done'], {
      killGraceMs: 60_000,
    });
    const rig = await createRig({ tasks: [task] });
    rig.dispatcher.start();
    await rig.add('deaf');
    await until(() => existsSync(join(rig.folder, 'deaf')));
    const startedMs = performance.now();
    expect(await rig.dispatcher.stop(0)).toHaveLength(1);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  test('with no grace leaves nothing of a stubborn family either', async () => {
    const rig = await createRig({ tasks: [fixtureTask('family', ['wait'], { killGraceMs: 60_000 })] });
    rig.dispatcher.start();
    const id = await rig.add('family');
    await until(
      () => existsSync(join(rig.stateFolder, 'family')) && rig.read('state/family').split('\n').length > 3,
    );
    expect(await rig.dispatcher.stop(0)).toHaveLength(1);
    expect(rig.read('state/family').trim().split('\n').map(Number).filter(isAlive)).toEqual([]);
    expect(await rig.job(id)).toMatchObject({ place: 'ready', charged: 0, crashes: 0 });
  });

  test('hastens also a kill that is under way', async () => {
    const task = commandTask('deaf', ['sh', '-c', 'trap "" TERM; touch deaf; while :; do sleep 0.1; done'], {
      killGraceMs: 60_000,
    });
    const rig = await createRig({ tasks: [task] });
    rig.dispatcher.start();
    await rig.add('deaf');
    await until(() => existsSync(join(rig.folder, 'deaf')));
    const first = rig.dispatcher.stop(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await rig.dispatcher.stop(0);
    expect(await first).toHaveLength(1);
  });
});

function isAlive(pid: number): boolean {
  const stat = readProcessStat(pid);
  return stat !== null && stat.state !== 'Z';
}
