import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { mirrorKeys } from '../../../src/store/mirror/keys.js';
import { ReadThroughMirror } from '../../../src/store/mirror/reader.js';
import { RedisMirror } from '../../../src/store/mirror/redis-mirror.js';
import { MirrorRelay } from '../../../src/store/mirror/relay.js';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { admit, batch, claimOne, end, ideas, T0, turn } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { keysOf } from '../bullmq/machine.js';
import {
  BadLine,
  counting,
  expectSame,
  inRedis,
  linkTo,
  type Mirrored,
  mirrored,
  mirrorIn,
  sendAll,
  WHOLE,
  working,
} from './rig.js';

let server: RedisServer;

/** A relay that is driven by hand, over a line that may be bad. */
async function byHand(place: Mirrored) {
  const line = new BadLine(await mirrorIn(server, place));
  const { results, onResult } = counting();
  return { line, results, relay: new MirrorRelay({ sqlite: place.store, mirror: line, onResult }) };
}

const failuresOf = ({ db }: Mirrored, id: number) =>
  db.prepare('SELECT failures FROM mirror_outbox WHERE job_id = ?').pluck().get(id);

/** The same mirror as a user who may do less. */
async function asUser(place: Mirrored, name: string, ...rules: string[]): Promise<RedisMirror> {
  await server.client.acl(
    'SETUSER',
    name,
    'on',
    'nopass',
    '~dogged:*',
    '+@all',
    '-@admin',
    '-@dangerous',
    ...rules,
  );
  const client = new Redis({
    host: '127.0.0.1',
    port: server.port,
    username: name,
    password: 'any',
    enableReadyCheck: false,
  });
  onTestFinished(() => client.disconnect());
  return new RedisMirror(
    { isUp: true, why: '', client, call: (work) => work(), exec: async (all) => (await all.exec()) ?? [] },
    place.mirror,
  );
}

/** The mirror in a Redis that comes no further than so many jobs of those that it is sent. */
async function stuckAt(job: number, place: Mirrored): Promise<RedisMirror> {
  const link = await linkTo(server);
  const { client } = link;
  await new RedisMirror(link, place.mirror).setMark();
  let sent = 0;
  const pipeline = () => {
    const inner = client.pipeline() as ReturnType<Redis['pipeline']> &
      Record<string, (...args: unknown[]) => unknown>;
    const put = inner['dogged_mirror_put'];
    let own: number | null = null;
    inner['dogged_mirror_put'] = (...args) => {
      if (put === undefined) throw new Error('no such script');
      sent += 1;
      if (sent === job) {
        own = inner.length;
        inner.eval('while true do end', 0);
      }
      return put.apply(inner, args);
    };
    const exec = inner.exec.bind(inner);
    inner.exec = async () => (await exec())?.filter((_, n) => n !== own) ?? null;
    return inner;
  };
  const slow = Object.assign(Object.create(client), { pipeline }) as Redis;
  return new RedisMirror(
    { isUp: true, why: '', client: slow, call: (work) => link.call(work), exec: (all) => link.exec(all) },
    place.mirror,
  );
}

/**
 * What may go wrong in the middle of a write: a command that is refused, a key that is something else, a Redis that is full; each
 * begins and gives back what ends it.
 */
const FAILURES: readonly (readonly [
  string,
  (place: Mirrored) => Promise<readonly [RedisMirror, () => Promise<unknown>]>,
])[] = [
  ...['hset', 'sadd', 'srem', 'zadd', 'zrem', 'del'].map(
    (command) =>
      [
        `${command} is refused`,
        async (place: Mirrored) =>
          [await asUser(place, `no-${command}`, `-${command}`), async () => undefined] as const,
      ] as const,
  ),
  ...(['job', 'gone', 'pending', 'running', 'expired'] as const).map(
    (part) =>
      [
        `the key of ${part} is another thing`,
        async (place: Mirrored) => {
          const keys = mirrorKeys(place.mirror, 'default');
          const named = {
            job: keys.job('1'),
            gone: keys.gone,
            pending: keys.states[0],
            running: keys.states[1],
            expired: keys.states[5],
          };
          const key = named[part] ?? '';
          const kept = await server.client.dumpBuffer(key);
          await server.client.multi().del(key).lpush(key, 'x').exec();
          const restore = async () => {
            await server.client.del(key);
            if (kept !== null) await server.client.restore(key, 0, kept);
          };
          return [await mirrorIn(server, place), restore] as const;
        },
      ] as const,
  ),
  [
    'Redis is full',
    async (place: Mirrored) => {
      const side = await mirrorIn(server, place);
      await server.client.config('SET', 'maxmemory', '1mb');
      return [side, () => server.client.config('SET', 'maxmemory', '0')] as const;
    },
  ],
];

describe.skipIf(!hasRedis())(`dual writes${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  beforeAll(async () => {
    server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  });
  beforeEach(async () => {
    await server.client.flushall();
  });
  afterAll(() => server.stop());

  it('a retry is allowed after a failed first write', async () => {
    const place = await mirrored(server);
    const { line, results, relay } = await byHand(place);
    line.fault = (call) => (call === 1 ? 'before' : null);
    // Whoever adds is not told of it: the row is the truth.
    expect(await admit(place.store, [{ key: 'a' }])).toMatchObject([{ result: 'queued' }]);
    expect(await relay.send('fresh')).toMatchObject({ sent: 1, failed: 1, isBlocked: true });
    expect(await inRedis(server, place, '1')).toBeNull();
    expect(failuresOf(place, 1)).toBe(1);
    // Nothing that was kept of the first try stands in the way of the second.
    expect(await admit(place.store, [{ key: 'a' }])).toMatchObject([{ result: 'already-queued' }]);
    expect(await relay.send('failed')).toMatchObject({ sent: 1, failed: 0 });
    expect(await inRedis(server, place, '1')).toMatchObject({ names: WHOLE, states: ['pending'] });
    expect(results).toEqual(
      new Map([
        ['default failed', 1],
        ['default written', 1],
      ]),
    );
  });

  it('no partial record after a failure at any write', async () => {
    for (const [name, fail] of FAILURES) {
      const place = await mirrored(server);
      const whole = await mirrorIn(server, place);
      const { onResult } = counting();
      const send = (side: Pick<RedisMirror, 'write'>) =>
        sendAll(new MirrorRelay({ sqlite: place.store, mirror: side, onResult }));
      await admit(place.store, [{ key: 'a' }]);
      await send(whole);
      const before = await inRedis(server, place, '1');
      // Job 1 changes its state, and another one is new.
      await claimOne(place.store);
      await admit(place.store, [{ key: 'b' }]);

      const [side, mend] = await fail(place);
      await expect(send(side), name).rejects.toThrow('nothing gets through');
      await mend();
      expect(await inRedis(server, place, '1'), name).toEqual(before);
      const other = await inRedis(server, place, '2');
      if (other !== null) expect(other, name).toMatchObject({ names: WHOLE, states: ['pending'] });
      await send(whole);
      await expectSame(server, place);
    }
  });

  it('a failed second update is raised to telemetry and repaired', async () => {
    const place = await mirrored(server);
    const { results, problems } = working(server, place);
    await admit(place.store, [{ key: 'a' }]);
    await until(() => (results.get('default written') ?? 0) > 0);

    // Redis has room for nothing more when the job is claimed.
    await server.client.config('SET', 'maxmemory', '1mb');
    const claim = await claimOne(place.store);
    await until(() => (results.get('default failed') ?? 0) >= 1);
    await until(() => problems.some((problem) => problem?.includes('OOM')));
    expect(readMove(place.db)).toMatchObject({ behind: 1, mirrorProblem: expect.stringContaining('OOM') });
    expect((await inRedis(server, place, '1'))?.states).toEqual(['pending']);

    // The one who works on it goes on all the same.
    await server.client.config('SET', 'maxmemory', '0');
    expect((await turn(place.store, { ends: [end(claim, { to: 'completed' })], freeSlots: 0 })).ends).toEqual(
      ['recorded'],
    );
    await until(() => readMove(place.db)?.mirrorProblem === null);
    expect(await inRedis(server, place, '1')).toMatchObject({ names: WHOLE, states: ['completed'] });
    expect(problems.at(-1)).toBeNull();
    await expectSame(server, place);
  });

  it('empty, missing and malformed workspace ids are refused at add and at update', async () => {
    const place = await mirrored(server);
    const { relay, results } = await byHand(place);
    await admit(place.store, [{ key: 'a' }]);
    await sendAll(relay);
    const keysBefore = (await server.client.keys('*')).sort();
    const malformed = [
      '',
      undefined,
      null,
      ' ',
      ':',
      'Not One',
      '../up',
      'a'.repeat(33),
      'a\n',
      'a:b',
    ] as string[];
    const refused = { code: 'WORKSPACE_INVALID' };
    for (const workspace of malformed) {
      const scope = { ...ideas, workspace };
      await expect(
        place.store.admit(batch([{ key: 'b' }], { scope })),
        `add in ${workspace}`,
      ).rejects.toMatchObject(refused);
      const newer = { key: 'a', content: '{"title":"a","v":2}', onChange: 'rerun' } as const;
      await expect(
        place.store.admit(batch([newer], { scope })),
        `update in ${workspace}`,
      ).rejects.toMatchObject(refused);
      expect(await place.store.cancel(workspace, ['1'], T0)).toEqual(['unknown']);
      expect(() => mirrorKeys(place.mirror, workspace)).toThrow(expect.objectContaining(refused));
    }
    // Also of a row that somebody has written past all doors.
    place.db.exec("INSERT INTO mirror_outbox (job_id, workspace, revision) VALUES (77, 'Not One', 99)");
    expect(await relay.send('fresh')).toMatchObject({
      sent: 1,
      failed: 1,
      why: expect.stringContaining('"Not One" is not a workspace id'),
    });
    expect(results.get('Not One failed')).toBe(1);
    expect((await server.client.keys('*')).sort()).toEqual(keysBefore);
  });

  it('a normal duplicate is refused', async () => {
    const place = await mirrored(server);
    const { relay, results } = await byHand(place);
    expect(await admit(place.store, [{ key: 'a' }])).toMatchObject([{ result: 'queued', id: '1' }]);
    await sendAll(relay);
    const before = await inRedis(server, place, '1');
    expect(await admit(place.store, [{ key: 'a' }])).toMatchObject([{ result: 'already-queued' }]);
    expect(readMove(place.db)?.behind).toBe(0);
    await sendAll(relay);
    expect(await inRedis(server, place, '1')).toEqual(before);
    expect(results).toEqual(new Map([['default written', 1]]));
    expect((await place.store.counts()).total.ready).toBe(1);
  });

  it('reading falls back from new to old', async () => {
    const place = await mirrored(server, (store) => admit(store, [{ key: 'old' }]));
    const { relay } = await byHand(place);
    await admit(place.store, [{ key: 'new' }]);
    await sendAll(relay);
    const link = await linkTo(server, 500);
    const reads = new ReadThroughMirror({ sqlite: place.store, link, mirror: place.mirror });
    // The mirror has the new one, and does not know the old one.
    expect(await reads.get('default', '2')).toEqual(await place.store.get('default', '2'));
    expect(reads.from).toEqual({ mirror: 1, rows: 0 });
    expect(await reads.get(null, '1')).toEqual(await place.store.get(null, '1'));
    expect(reads.from).toEqual({ mirror: 1, rows: 1 });
    // A change that the mirror has not followed is shown as it is here.
    await place.store.cancel('default', ['2'], T0);
    expect(await reads.get(null, '2')).toMatchObject({ place: 'cancelled' });
    expect(reads.from).toEqual({ mirror: 1, rows: 2 });
    expect((await reads.list({ limit: 10 })).map(({ key, place }) => `${key} ${place}`)).toEqual([
      'new cancelled',
      'old ready',
    ]);
    // Gone from here, it is no job any more, whatever the mirror has.
    await place.store.prune(T0 + 1e12, 10);
    expect(await reads.get(null, '2')).toBeNull();
    server.freeze();
    expect(await reads.get(null, '1')).toMatchObject({ key: 'old' });
    server.thaw();
    expect(reads.divergent.size).toBe(0);
  });

  it('updating a job that the new side does not know makes no half record there', async () => {
    const place = await mirrored(server, (store) => admit(store, keysOf(3)));
    const { relay } = await byHand(place);
    expect(await inRedis(server, place, '1')).toBeNull();
    // Claimed, cancelled, given a newer version: all of them were there before the mirror.
    await claimOne(place.store);
    await place.store.cancel('default', ['2'], T0);
    await admit(place.store, [{ key: 'k2', content: '{"title":"k2","v":2}', onChange: 'rerun' }]);
    await sendAll(relay);
    for (const [id, state] of [
      ['1', 'running'],
      ['2', 'cancelled'],
      ['3', 'pending'],
    ] as const) {
      const found = await inRedis(server, place, id);
      expect(found).toMatchObject({ names: WHOLE, states: [state] });
      expect(JSON.parse(found?.fields['record'] ?? '')).toMatchObject({
        id,
        workspace: 'default',
        task: 'build',
      });
    }
    expect((await inRedis(server, place, '3'))?.fields['payload']).toBe('{"title":"k2","v":2}');
  });

  it('all-or-nothing writes', async () => {
    const place = await mirrored(server);
    await admit(place.store, keysOf(400));
    // Redis is killed when it has come to the 175th of four hundred jobs.
    await server.client.config('SET', 'busy-reply-threshold', '20');
    const { onResult } = counting();
    const stuck = new MirrorRelay({ sqlite: place.store, mirror: await stuckAt(175, place), onResult });
    const sending = stuck.send('fresh');
    await until(() =>
      server.client.ping().then(
        () => false,
        (error: Error) => error.message.includes('BUSY'),
      ),
    );
    await server.kill();
    const { failed } = await sending;
    expect(failed).toBeGreaterThan(0);
    await server.start();
    const found = await Promise.all(keysOf(400).map((_, n) => inRedis(server, place, String(n + 1))));
    const whole = found.filter((job) => job !== null);
    expect(whole.length).toBeGreaterThanOrEqual(150);
    expect(whole.length).toBeLessThan(175);
    for (const job of whole) expect(job).toMatchObject({ names: WHOLE, states: ['pending'] });
    // What Redis has not said to have is sent again, whether it has it or not.
    const { behind } = readMove(place.db) ?? { behind: 0 };
    expect(whole.length).toBeGreaterThanOrEqual(400 - behind);
    expect(behind).toBeGreaterThanOrEqual(400 - 175);
    const { line, relay } = await byHand(place);
    line.fault = (call) => (call % 3 === 0 ? 'after' : null);
    await until(() => sendAll(relay).then(() => true));
    await expectSame(server, place);
  });
});
