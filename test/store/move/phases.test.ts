import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import type { Store, StoreUse } from '../../../src/store/engine.js';
import { isMirroring } from '../../../src/store/mirror/mirroring.js';
import { MoveDesk } from '../../../src/store/move/desk.js';
import { openJobReads, openStore } from '../../../src/store/open.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import { admit, end } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { keysOf, type MovingMachine, movingMachine } from './moving-machine.js';

let redis: RedisServer;

const beside = async (one: MovingMachine, use: StoreUse): Promise<Store> => {
  const store = await openStore(one.folder, use, systemClock);
  onTestFinished(() => store.close());
  return store;
};
const deskOf = async (one: MovingMachine): Promise<MoveDesk> => {
  const desk = new MoveDesk(await openSqliteStore(one.folder, 'command', systemClock), systemClock);
  onTestFinished(() => desk.close());
  return desk;
};
const idOf = async (store: Pick<Store, 'list'>, key: string): Promise<string> =>
  (await store.list({ limit: 1_000 })).find((job) => job.key === key)?.id ?? '';
const placeOf = async (one: MovingMachine, key: string) =>
  (await one.store.get(null, await idOf(one.store, key)))?.place;
const OTHER = JSON.stringify({ site: 'pi-garage', seenAtMs: 0 });

interface Phase {
  /** Brings the move there, and keeps it there. */
  readonly enter: (one: MovingMachine, desk: MoveDesk) => Promise<void>;
  /** Lets it go on, to its end. */
  readonly leave: (one: MovingMachine, desk: MoveDesk) => Promise<void>;
}

const toMoved = async (one: MovingMachine, desk: MoveDesk) => {
  await desk.begin(redis.url);
  await desk.copy();
  await desk.ask('dual', 'cutover');
  await one.untilIn(redis.url);
};
const rolledBack = async (one: MovingMachine) => {
  await until(async () => (await one.move()) === null && (await one.current()) === 'sqlite');
};

/** `moved-back`, `home`: the same phases on the way to SQLite. */
const PHASES: Readonly<Record<string, Phase>> = {
  dual: {
    enter: (_, desk) => desk.begin(redis.url),
    leave: async (one, desk) => {
      await desk.ask('dual', 'ending');
      await rolledBack(one);
    },
  },
  cutover: {
    async enter(one, desk) {
      await desk.begin(redis.url);
      await redis.kill();
      await desk.ask('dual', 'cutover');
      await until(async () => (await one.move())?.problem ?? null);
    },
    leave: async (one) => {
      await redis.start();
      await one.untilIn(redis.url);
    },
  },
  moved: {
    enter: toMoved,
    leave: async (one, desk) => {
      await desk.ask('moved', 'ending');
      await until(async () => (await one.move()) === null);
    },
  },
  'moved, while Redis is away': {
    async enter(one, desk) {
      await toMoved(one, desk);
      await redis.kill();
    },
    leave: async () => redis.start(),
  },
  return: {
    async enter(one, desk) {
      await toMoved(one, desk);
      await redis.client.hset('dogged:machines', 'x', OTHER);
      await desk.ask('moved', 'return');
      await until(async () => (await one.move())?.problem ?? null);
    },
    leave: async (one) => {
      await redis.client.hdel('dogged:machines', 'x');
      await rolledBack(one);
    },
  },
};

describe.skipIf(!hasRedis())(`in each phase of a move${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    redis = await startRedis(['--appendonly', 'yes']);
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis.stop());

  it.each(Object.keys(PHASES))(
    'commands that were opened before read, add, update, cancel and try again: %s',
    async (name) => {
      const phase = PHASES[name];
      if (phase === undefined) throw new Error(name);
      const one = await movingMachine();
      await one.admit([{ key: 'failed' }]);
      await one.turn(await one.claim(1), 0, { to: 'failed', reason: 'exit 1' });
      await one.admit([...keysOf(3, 'wait'), { key: 'old', content: '{"v":1}' }]);
      const [command, reader, desk] = [
        await beside(one, 'command'),
        await beside(one, 'read'),
        await deskOf(one),
      ];
      const known = [{ key: 'failed' }, ...keysOf(3, 'wait')];
      await phase.enter(one, desk);

      const again = await admit(command, known, { nowMs: Date.now() });
      expect(again.map(({ result }) => result)).toEqual([
        'already-done',
        'already-queued',
        'already-queued',
        'already-queued',
      ]);
      const nowMs = Date.now();
      const [added] = await admit(command, [{ key: 'new', runAtMs: nowMs }], { nowMs });
      expect(added?.result).toBe('queued');
      const update = { key: 'old', content: '{"v":2}', onChange: 'rerun' } as const;
      const [updated] = await admit(command, [{ runAtMs: nowMs, ...update }], { nowMs });
      // What Redis may hold is called back by the worker alone: a command lets the newer version wait behind it.
      const isOursAlone = name === 'dual' || name === 'cutover';
      expect(updated?.result).toBe(isOursAlone ? 'superseded' : 'queued');
      const jobs = await openJobReads(reader, systemClock);
      expect(await jobs.get(null, await idOf(reader, 'new'))).toMatchObject({ key: 'new', place: 'ready' });
      const keys = ['failed', 'new', 'old', 'wait0', 'wait1', 'wait2'];
      expect([...new Set((await jobs.list({ limit: 9 })).map(({ key }) => key))].sort()).toEqual(keys);
      jobs.close();
      const answers = await command.cancel('default', [await idOf(reader, 'wait1')], Date.now());
      expect(['cancelled', 'requested']).toContain(answers[0]);
      expect(await command.redrive('default', [await idOf(reader, 'failed')], Date.now())).toEqual([
        'queued',
      ]);

      await phase.leave(one, desk);
      await until(async () => (await placeOf(one, 'wait1')) === 'cancelled');
      await one.work(async () => {
        const { ready, running, parked } = (await one.store.counts()).total;
        return ready + running + parked === 0;
      });
      const isOver = (await one.move()) === null;
      expect(await one.store.sqlite.look(({ db }) => isMirroring(db))).toBe(!isOver);
      const runs = one.runs.filter((run) => run !== 'old 1').sort();
      expect(runs).toEqual(['failed 1', 'failed 2', 'new 1', 'wait0 1', 'wait2 1']);
      expect(one.runs.length - runs.length).toBe(1);
      const versions = (await one.store.list({ limit: 9 })).filter(({ key }) => key === 'old');
      const ran = versions.filter(({ place }) => place === 'completed');
      expect(ran.map(({ payload }) => payload.bytes.toString())).toEqual(['{"v":2}']);
      expect(await admit(command, [...known, { key: 'new' }, update], { nowMs: Date.now() })).toMatchObject(
        Array(6).fill({ result: 'already-done' }),
      );
    },
    30_000,
  );

  it('a worker that dies after the cutover leaves what it had begun before to the next, once', async () => {
    const one = await movingMachine();
    await one.admit(keysOf(4));
    const [first, second] = await one.claim(2);
    if (first === undefined || second === undefined) throw new Error('claims');
    await one.begin(redis.url, 'cutover');
    await one.untilIn(redis.url);
    await one.close();
    const next = await movingMachine({ folder: one.folder });
    const orphans = await next.store.orphans();
    expect(orphans.map(({ claim }) => claim.key).sort()).toEqual(['k0', 'k1']);
    const crash = { kind: 'crashed', reason: 'its worker died', ranAlone: false, killedByUs: false } as const;
    const ends = orphans.map(({ claim }) =>
      end(
        claim,
        { to: 'pending', runAtMs: Date.now(), charged: false, crashed: true, reason: 'died' },
        { outcome: crash },
      ),
    );
    expect(await next.store.rescue(ends, Date.now())).toEqual(['recorded', 'recorded']);
    // What the dead one might still say is lost.
    expect(await next.store.rescue(ends, Date.now())).toEqual(['lost', 'lost']);
    await next.work(async () => (await next.store.counts()).total.completed === 4);
    expect(next.runs.sort()).toEqual(['k0 2', 'k1 2', 'k2 1', 'k3 1']);
  });

  it('open jobs that are gone, or that Redis holds with another payload, are told of', async () => {
    const one = await movingMachine();
    await one.admit(keysOf(5));
    const desk = await deskOf(one);
    await desk.begin(redis.url);
    desk.remember();
    await desk.ask('dual', 'cutover');
    await one.untilIn(redis.url);
    const move = await one.move();
    if (move === null) throw new Error('no move');
    const [claim] = await one.claim(1);
    if (claim !== undefined) await one.turn([claim]);
    expect(await desk.checkOpen(move)).toEqual({ before: 5, open: 4, ended: 1, compared: 4, wrong: [] });
    const [gone, changed] = [Number(await idOf(one.store, 'k3')), Number(await idOf(one.store, 'k4'))];
    const keyOf = async (jobId: number) =>
      `dogged:default.build:${await one.store.sqlite.look(({ db }) =>
        db.prepare<[number], string>('SELECT redis_id FROM outbox WHERE job_id = ?').pluck().get(jobId),
      )}`;
    const data = JSON.parse((await redis.client.hget(await keyOf(changed), 'data')) ?? '{}');
    await redis.client.hset(
      await keyOf(changed),
      'data',
      JSON.stringify({ ...data, text: '{"title":"k5"}' }),
    );
    await redis.client.del(await keyOf(gone));
    expect((await desk.checkOpen(move)).wrong).toEqual([gone, changed]);
  });
});
