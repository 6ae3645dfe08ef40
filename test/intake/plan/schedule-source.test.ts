import { appendFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { DAY, HOUR, iso, MINUTE, NOON, planRig, show } from './plan-rig.js';

describe('a plan', () => {
  it('gives each record its time, and is the same as an array or as an object keyed by id', async () => {
    for (const content of [
      [show('a', NOON + HOUR), show('b', NOON + 2 * HOUR, { end: null })],
      { a: show('ignored', NOON + HOUR), b: { start: NOON + 2 * HOUR } },
    ]) {
      const rig = await planRig();
      rig.plan(content);
      await rig.read();
      expect(await rig.jobs()).toMatchObject([
        { key: 'a', place: 'scheduled', runAtMs: NOON + HOUR, expiresAtMs: NOON + 2 * HOUR },
        { key: 'b', place: 'scheduled', runAtMs: NOON + 2 * HOUR, expiresAtMs: null },
      ]);
    }
  });

  it('hands over the record as it stands in the file, its times with it', async () => {
    const rig = await planRig();
    rig.plan(`[ {"id": "a",  "start": "2026-07-16T12:00:00Z", "gain": 1.50} ]`);
    await rig.read();
    const [claim] = await rig.claim();
    expect(claim?.payload.bytes.toString()).toBe('{"id":"a","start":"2026-07-16T12:00:00Z","gain":1.50}');
  });

  it('that is written anew touches only what it has changed', async () => {
    const rig = await planRig();
    const many = (changed: number) =>
      Array.from({ length: 1_000 }, (_, n) => show(`s${n}`, NOON + HOUR + (n === changed ? 1 : 0)));
    rig.plan(many(-1));
    await rig.read();
    rig.lines.length = 0;
    for (let n = 0; n < 5; n += 1) {
      rig.plan(many(n));
      await rig.polls(1);
    }
    const loads = rig.lines.filter((line) => line.includes('Loaded'));
    expect(loads).toHaveLength(5);
    expect(loads[0]).toContain('0 queued, 1 replaced by a newer version, 999 unchanged');
    // One is moved on, and the one before is moved back.
    expect(loads[4]).toContain('0 queued, 2 replaced');
    expect((await rig.store.counts()).total.scheduled).toBe(1_000);
  });

  it('withdraws what it no longer has, though it was read by an earlier worker', async () => {
    const rig = await planRig();
    rig.plan([show('a', NOON + HOUR), show('b', NOON + HOUR)]);
    await rig.read();
    rig.restart();
    rig.plan([show('b', NOON + HOUR)]);
    await rig.read();
    expect(await rig.places()).toEqual(['a cancelled', 'b scheduled']);
    expect(rig.lines.join('\n')).toContain('1 withdrawn');
  });

  it('with nothing in it withdraws all that waits', async () => {
    const rig = await planRig();
    rig.plan([show('a', NOON + HOUR)]);
    await rig.read();
    rig.plan([]);
    await rig.polls(1);
    expect(await rig.places()).toEqual(['a cancelled']);
  });

  it.each([
    ['is emptied', (path: string) => truncateSync(path, 0)],
    ['is deleted', (path: string) => rmSync(path)],
    ['is cut off', (path: string) => truncateSync(path, statSync(path).size - 1)],
    ['has lost its middle', (path: string) => writeFileSync(path, '[{"id":"a"},,]')],
    ['is no JSON at all', (path: string) => writeFileSync(path, 'tomorrow')],
    ['is followed by more', (path: string) => appendFileSync(path, ' {}')],
  ])('that %s changes nothing: the one before holds', async (_, harm) => {
    const rig = await planRig();
    rig.plan([show('a', NOON + HOUR)]);
    await rig.read();
    harm(rig.path);
    await rig.polls(40);
    expect(await rig.places()).toEqual(['a scheduled']);
    rig.restart();
    await rig.polls(40);
    expect(await rig.places()).toEqual(['a scheduled']);
    // And the next one is taken as if nothing had been.
    rig.plan([show('b', NOON + HOUR)]);
    await rig.polls(2);
    expect(await rig.places()).toEqual(['a cancelled', 'b scheduled']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('that stays broken is refused as a whole, with line and remedy, once', async () => {
    const rig = await planRig();
    rig.plan('[\n{"id":"a"},\n,]');
    await rig.polls(40);
    expect(await rig.store.rejects(null, 10)).toMatchObject([
      { reason: 'json', path: rig.path, line: 3, remedy: 'mend the JSON here' },
    ]);
    expect(rig.lines.filter((line) => line.includes('rejected'))).not.toHaveLength(0);
  });

  it('that is written over itself counts once two looks have found it the same', async () => {
    const rig = await planRig();
    rig.planInPlace([show('a', NOON + HOUR)]);
    expect(await rig.poll()).toBe(false);
    expect(await rig.poll()).toBe(true);
    rig.planInPlace([show('a', NOON + HOUR), show('b', NOON + HOUR)]);
    expect(await rig.poll()).toBe(false);
    expect(await rig.places()).toEqual(['a scheduled']);
    rig.planInPlace([show('c', NOON + HOUR)]);
    expect(await rig.poll()).toBe(false);
    expect(await rig.poll()).toBe(true);
    expect(await rig.places()).toEqual(['a cancelled', 'c scheduled']);
  });

  it('that is torn in the midst of a write in place is never half of each', async () => {
    const rig = await planRig();
    rig.plan([show('a', NOON + HOUR), show('b', NOON + HOUR), show('c', NOON + HOUR)]);
    await rig.read();
    const after = JSON.stringify(['a', 'b', 'c'].map((id) => show(id, NOON + 2 * HOUR)));
    const before = JSON.stringify(['a', 'b', 'c'].map((id) => show(id, NOON + HOUR)));
    for (const at of [20, 90, 150]) {
      writeFileSync(rig.path, after.slice(0, at) + before.slice(at));
      await rig.poll();
      writeFileSync(rig.path, after);
      await rig.poll();
    }
    await rig.poll();
    expect((await rig.jobs()).map(({ runAtMs }) => runAtMs)).toEqual(Array(3).fill(NOON + 2 * HOUR));
    expect((await rig.jobs()).every(({ attempts }) => attempts === 0)).toBe(true);
    const history = (await rig.store.get(null, '1'))?.history ?? [];
    expect(history.filter((entry) => entry.kind === 'event')).toHaveLength(1);
  });
});

describe('a record of a plan', () => {
  it('that arrives late in its window starts at once, and tells how late it is', async () => {
    const rig = await planRig();
    rig.plan([show('later', NOON + 2 * HOUR)]);
    await rig.read();
    await rig.clock.advance(HOUR + MINUTE + 54_000);
    rig.plan([show('now', NOON + HOUR), show('later', NOON + 2 * HOUR)]);
    await rig.read();
    expect(await rig.claim()).toMatchObject([{ key: 'now', lateByMs: MINUTE + 54_000 }]);
  });

  it('whose end has passed is expired and counted, and is not told of again with the next plan', async () => {
    const rig = await planRig();
    rig.plan([show('past', NOON - 2 * HOUR)]);
    await rig.read();
    expect(await rig.jobs()).toMatchObject([{ key: 'past', place: 'expired' }]);
    expect(rig.lines.join('\n')).toContain('0 queued, 1 expired: their end had passed');
    rig.lines.length = 0;
    rig.plan([show('past', NOON - 2 * HOUR), show('next', NOON + HOUR)]);
    await rig.read();
    expect(rig.lines.join('\n')).not.toContain('expired');
  });

  it('that runs, or has run, is passed over on that evidence after a restart too', async () => {
    const rig = await planRig();
    const shows = [show('a', NOON), show('b', NOON)];
    rig.plan(shows);
    await rig.read();
    const [a, b] = await rig.claim();
    if (a === undefined || b === undefined) throw new Error('both are due');
    await rig.finish(a);
    rig.restart();
    await rig.read();
    expect(await rig.claim()).toEqual([]);
    expect((await rig.store.get(null, b.id))?.history).toContainEqual(
      expect.objectContaining({ event: 'skipped', detail: expect.stringContaining('runs since') }),
    );
  });

  it('that stands twice counts where it stands last, and the other one is refused', async () => {
    const rig = await planRig();
    rig.plan([show('a', NOON + HOUR), show('b', NOON + HOUR), show('a', NOON + 3 * HOUR)]);
    await rig.read();
    expect((await rig.jobs()).map(({ key, runAtMs }) => [key, runAtMs])).toEqual([
      ['b', NOON + HOUR],
      ['a', NOON + 3 * HOUR],
    ]);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'repeated-id', key: 'a', offset: 1 }]);
    // The later one goes: what stands there first is no repetition any more.
    rig.plan([show('a', NOON + HOUR), show('b', NOON + HOUR)]);
    await rig.read();
    expect((await rig.jobs())[1]?.runAtMs).toBe(NOON + HOUR);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('is found again wherever the next plan has it: moved, between others, or beside one that is new', async () => {
    const rig = await planRig();
    const all = Array.from({ length: 40 }, (_, n) => show(`s${n}`, NOON + HOUR + n));
    const plans = [
      all,
      [...all].reverse(),
      [...all.slice(20), ...all.slice(0, 20)],
      [all[5], ...all.slice(0, 5), ...all.slice(6)],
      [...all.slice(0, 20), show('new', NOON + HOUR), ...all.slice(20)],
      all.map((one, n) => (n % 7 === 0 ? { ...one, title: 'x' } : one)),
      all.slice(1),
      [],
      all,
    ];
    for (const plan of plans) {
      rig.plan(plan);
      await rig.read();
      const open = (await rig.jobs()).filter(({ place }) => place === 'scheduled');
      const stands = open.map(({ key, payload }) => [key, JSON.parse(payload.bytes.toString())]).sort();
      expect(stands).toEqual(plan.map((one) => [one?.['id'], one]).sort());
    }
  });

  it('that is refused harms no other, keeps what was planned, and is told once, until it is mended', async () => {
    const rig = await planRig();
    rig.plan([show('a', NOON + HOUR), show('b', NOON + HOUR)]);
    await rig.read();
    const bad = (n: number) => [show('a', NOON + 9 * HOUR, { end: iso(NOON) }), show('b', NOON + HOUR + n)];
    for (const n of [1, 2, 3]) {
      rig.plan(bad(n));
      await rig.read();
    }
    expect((await rig.jobs()).map(({ key, place, runAtMs }) => [key, place, runAtMs])).toEqual([
      ['a', 'scheduled', NOON + HOUR],
      ['b', 'scheduled', NOON + HOUR + 3],
    ]);
    expect(await rig.store.rejects(null, 10)).toMatchObject([
      { reason: 'end-before-start', key: 'a', line: 1 },
    ]);
    expect(rig.lines.filter((line) => line.includes('rejected (end-before-start 1)'))).toHaveLength(2);
    rig.plan([show('a', NOON + 9 * HOUR), show('b', NOON + HOUR)]);
    await rig.read();
    expect(await rig.store.rejects(null, 10)).toEqual([]);
    expect((await rig.jobs())[0]?.runAtMs).toBe(NOON + 9 * HOUR);
  });

  it('that overlaps another, or starts with it, waits for room like any job', async () => {
    const rig = await planRig();
    rig.plan([show('a', NOON), show('b', NOON), show('c', NOON + 30 * MINUTE)]);
    await rig.read();
    expect((await rig.claim()).map(({ key }) => key)).toEqual(['a', 'b']);
    await rig.clock.advance(31 * MINUTE);
    expect((await rig.claim()).map(({ key }) => key)).toEqual(['c']);
  });

  it('is open again when a clock that stood in the future is set right', async () => {
    const rig = await planRig();
    rig.clock.jumpWall(2 * DAY);
    rig.plan([show('a', NOON + HOUR)]);
    await rig.read();
    expect(await rig.places()).toEqual(['a expired']);
    rig.clock.jumpWall(-2 * DAY);
    await rig.polls(2);
    expect(await rig.places()).toEqual(['a expired', 'a scheduled']);
  });

  it('is gated, routed and grouped like any other', async () => {
    const rig = await planRig({
      require: { type: 'object', required: ['file'] },
      route: [{ when: { kind: ['news'] }, task: null, priority: 9, timeoutMs: 1_000, group: 'g' }],
    });
    rig.plan([show('a', NOON, { file: 'x', kind: 'news' }), show('b', NOON)]);
    await rig.read();
    expect(await rig.claim()).toMatchObject([{ key: 'a', priority: 9, timeoutMs: 1_000, group: 'g' }]);
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ key: 'b', reason: 'schema' }]);
  });

  it('is accounted for by a reconciliation and an audit, whatever became of it', async () => {
    const rig = await planRig({}, { clock: systemClock });
    const nowMs = systemClock.wallMs();
    rig.plan([show('next', nowMs + HOUR), show('past', nowMs - 2 * HOUR), show('bad', nowMs, { end: 5 })]);
    const done = await rig.poller.reconcile('all', () => undefined);
    expect(done?.account).toMatchObject({
      records: 3,
      openCount: 0,
      problem: null,
      reasons: { 'bad-time': 1 },
    });
    expect(done?.account.states).toMatchObject({ pending: 1, expired: 1 });
    expect((await rig.poller.reconcile('all', () => undefined))?.queued).toBe(0);
  });
});

it('a plan of several thousand records is accounted for as a whole, refused ones with it', async () => {
  const rig = await planRig({}, { clock: systemClock });
  const nowMs = systemClock.wallMs();
  const many = Array.from({ length: 2_500 }, (_, n) => show(`s${n}`, nowMs + HOUR));
  rig.plan([...many, show('bad', nowMs, { end: 5 })]);
  await rig.read();
  const done = await rig.poller.reconcile('all', () => undefined);
  expect(done?.account).toMatchObject({ records: 2_501, openCount: 0, reasons: { 'bad-time': 1 } });
  expect((await rig.store.counts()).sources[0]?.rejected).toBe(1);
});

describe('while the wall clock is not trusted', () => {
  it('a plan is not looked at, and that is said; once it is, what is due starts and tells how late it is', async () => {
    let why: string | null = 'nothing kept it while the power was off';
    const rig = await planRig({}, { clockTrust: { isSuspect: () => why } });
    rig.plan([show('a', NOON)]);
    await rig.polls(30);
    expect(await rig.places()).toEqual([]);
    expect(rig.poller.status().problem).toBe(`waits for a clock that can be trusted: ${why}`);
    expect(rig.poller.polls).toBeGreaterThanOrEqual(30);
    expect(await rig.poller.reconcile('moved', () => undefined)).toBeNull();
    why = null;
    await rig.read();
    expect(await rig.claim()).toMatchObject([{ key: 'a', lateByMs: MINUTE }]);
    expect(rig.poller.status().problem).toBeNull();
  });
});
