import { describe, expect, it } from 'vitest';
import type { ScheduleSource } from '../../../src/config/config.js';
import { DAY, HOUR, iso, MINUTE, NOON, type PlanRig, planRig, show } from './plan-rig.js';

/* What becomes of the open jobs of repeating records when another worker reads the same plan. */

const HOURLY = { id: 'a', every: '0 * * * *' };

/** Id, key and place of each job. */
async function standing(rig: PlanRig): Promise<string[]> {
  return (await rig.jobs()).map(({ id, key, place }) => `${id} ${key} ${place}`);
}

describe('a restart under a plan with repeating records', () => {
  it('touches none of their jobs', async () => {
    const rig = await planRig();
    rig.plan([HOURLY, show('b', NOON + 10 * HOUR)]);
    await rig.read();
    const before = await standing(rig);
    for (let n = 0; n < 3; n += 1) {
      rig.lines.length = 0;
      rig.restart();
      await rig.read();
      expect(await standing(rig)).toEqual(before);
      expect(rig.lines.filter((line) => line.includes('Loaded'))).toEqual([]);
    }
    expect(before).toEqual([`1 a@${iso(NOON + HOUR)} scheduled`, '2 b scheduled']);
  });

  it('touches none of them in a plan of several megabytes, which nobody reconciles', async () => {
    const rig = await planRig();
    const many = Array.from({ length: 1_100 }, (_, n) =>
      show(`s${n}`, NOON + DAY, { text: 'x'.repeat(4_000) }),
    );
    rig.plan([HOURLY, ...many]);
    await rig.read();
    rig.restart();
    await rig.read();
    expect(await rig.poller.reconcile('moved', () => undefined)).toBeNull();
    expect((await rig.places())[0]).toBe(`a@${iso(NOON + HOUR)} scheduled`);
    expect((await rig.store.counts()).total).toMatchObject({ scheduled: 1_101, cancelled: 0 });
  });

  it.each([
    ['skip', 0],
    ['one', 1],
    ['all', 100],
  ])('leaves what waits for a slot in the line (missed: %s)', async (_, missedRuns) => {
    const rig = await planRig({ missedRuns });
    rig.plan([{ id: 'a', every: '*/20 * * * * *' }]);
    await rig.read();
    await rig.clock.advance(50_000);
    await rig.poll();
    const before = await standing(rig);
    rig.restart();
    await rig.read();
    expect((await standing(rig)).slice(0, before.length)).toEqual(before);
    expect(before.length).toBeGreaterThanOrEqual(5);
    expect(rig.lines.join('\n')).not.toMatch(/withdrawn|no longer planned/);
  });

  it('leaves what runs in the plan: nobody is told that it is no longer planned', async () => {
    const rig = await planRig({ missedRuns: 100 });
    rig.plan([{ id: 'a', every: '*/20 * * * * *' }]);
    await rig.read();
    await rig.clock.advance(20_000);
    const [claim] = await rig.claim();
    rig.restart();
    await rig.read();
    expect(rig.lines.join('\n')).not.toContain('no longer planned');
    const job = await rig.store.get(null, claim?.id ?? '');
    expect(JSON.stringify(job?.history)).not.toContain('gone from its plan');
  });

  it('after hours away makes up for each missed run once (missed: all), oldest first', async () => {
    const rig = await planRig({ missedRuns: 100 });
    rig.plan([HOURLY]);
    await rig.read();
    rig.restart();
    await rig.clock.advance(3 * HOUR + 5 * MINUTE);
    await rig.read();
    rig.restart();
    await rig.read();
    const due = await rig.claim();
    expect(due.map(({ key }) => key)).toEqual([1, 2, 3].map((n) => `a@${iso(NOON + n * HOUR)}`));
    expect((await rig.places()).at(-1)).toBe(`a@${iso(NOON + 4 * HOUR)} scheduled`);
  });

  it('withdraws the jobs of a record that was taken out meanwhile, and those alone', async () => {
    const rig = await planRig();
    rig.plan([HOURLY, { ...HOURLY, id: 'c' }]);
    await rig.read();
    rig.restart();
    rig.plan([{ ...HOURLY, id: 'c' }]);
    await rig.read();
    expect(await rig.places()).toEqual([
      `a@${iso(NOON + HOUR)} cancelled`,
      `c@${iso(NOON + HOUR)} scheduled`,
    ]);
    // And back again: the same job waits again.
    rig.restart();
    rig.plan([HOURLY, { ...HOURLY, id: 'c' }]);
    await rig.read();
    expect((await rig.jobs()).filter(({ place }) => place === 'scheduled').map(({ key }) => key)).toEqual([
      `c@${iso(NOON + HOUR)}`,
      `a@${iso(NOON + HOUR)}`,
    ]);
  });

  it('makes up for nothing while the record was out of the plan', async () => {
    const rig = await planRig({ missedRuns: 100 });
    rig.plan([HOURLY]);
    await rig.read();
    rig.plan([]);
    await rig.read();
    rig.restart();
    await rig.clock.advance(5 * HOUR + MINUTE);
    await rig.read();
    rig.plan([HOURLY]);
    await rig.read();
    expect(await rig.claim()).toEqual([]);
    expect(await rig.places()).toEqual([
      `a@${iso(NOON + HOUR)} cancelled`,
      `a@${iso(NOON + 6 * HOUR)} scheduled`,
    ]);
  });

  it.each([
    ['forward', Date.UTC(2026, 2, 28, 12), '29T04:30'],
    ['back', Date.UTC(2026, 9, 24, 12), '25T05:30'],
  ])('touches none of them when the clocks go %s before they are due', async (_, fromMs, runAt) => {
    const rig = await planRig({ timezone: 'Europe/Berlin' }, { wallMs: fromMs });
    rig.plan([{ id: 'a', every: '30 6 * * *' }]);
    await rig.read();
    const before = await standing(rig);
    for (const hours of [10, 4]) {
      rig.restart();
      await rig.clock.advance(hours * HOUR);
      await rig.read();
      expect(await standing(rig)).toEqual(before);
    }
    expect((await rig.jobs()).map(({ runAtMs }) => iso(runAtMs).slice(8, 16))).toEqual([runAt]);
  });

  it('withdraws the jobs of times that were changed meanwhile, or whose zone was', async () => {
    const rig = await planRig({ timezone: 'Europe/Berlin' });
    rig.plan([{ id: 'a', every: '0 18 * * *' }]);
    await rig.read();
    rig.restart();
    rig.plan([{ id: 'a', every: '0 20 * * *' }]);
    await rig.read();
    expect(await rig.places()).toEqual([
      `a@${iso(NOON + 4 * HOUR)} cancelled`,
      `a@${iso(NOON + 6 * HOUR)} scheduled`,
    ]);
    rig.restart({ timezone: 'UTC' } as Partial<ScheduleSource>);
    await rig.read();
    expect((await rig.places()).slice(1)).toEqual([
      `a@${iso(NOON + 6 * HOUR)} cancelled`,
      `a@${iso(NOON + 8 * HOUR)} scheduled`,
    ]);
  });

  it('keeps what was planned for a record that is refused now, whether it comes once or again and again', async () => {
    const rig = await planRig();
    rig.plan([HOURLY, show('b', NOON + HOUR), show('c', NOON + HOUR)]);
    await rig.read();
    const before = await standing(rig);
    rig.plan([{ ...HOURLY, every: 'hourly' }, { id: 'b', start: 'soon' }, show('c', NOON + HOUR)]);
    await rig.read();
    expect(await standing(rig)).toEqual(before);
    rig.restart();
    await rig.read();
    expect(await standing(rig)).toEqual(before);
    // Something else is opened and stored meanwhile.
    rig.plan([
      { ...HOURLY, every: 'hourly' },
      { id: 'b', start: 'soon' },
      { ...HOURLY, id: 'd' },
    ]);
    await rig.read();
    rig.restart();
    rig.plan([HOURLY, show('b', NOON + HOUR), { ...HOURLY, id: 'd' }]);
    await rig.read();
    const [b, c, a] = before;
    expect((await standing(rig)).slice(0, 3)).toEqual([b, c?.replace('scheduled', 'cancelled'), a]);
    // Taken out at last, both go.
    rig.plan([{ id: 'b', start: 'soon' }]);
    await rig.read();
    rig.restart();
    rig.plan([
      { id: 'b', start: 'soon' },
      { ...HOURLY, every: 'x' },
    ]);
    await rig.read();
    rig.plan([]);
    await rig.read();
    expect((await rig.jobs()).map(({ place }) => place)).toEqual(Array(4).fill('cancelled'));
  });

  it('keeps what a plan had opened that was cut off before it had told how far it came', async () => {
    const rig = await planRig({ missedRuns: 100 });
    rig.plan([HOURLY]);
    await rig.read();
    // As after a kill between two transactions of a large plan: the jobs are there, what is remembered of them is not.
    const [cursor] = await rig.store.cursors({ workspace: 'default', kind: 'source', name: 'playout' });
    await rig.store.admit({
      scope: { workspace: 'default', kind: 'source', name: 'playout' },
      cycle: 'forgets',
      records: [],
      rejects: [],
      rereadPaths: [],
      cursors: [{ path: rig.path, body: null, expectedEpoch: cursor?.epoch ?? 0 }],
      nowMs: rig.now(),
    });
    rig.restart();
    await rig.clock.advance(2 * HOUR + MINUTE);
    await rig.read();
    expect(await rig.places()).toEqual([
      `a@${iso(NOON + HOUR)} scheduled`,
      `a@${iso(NOON + 3 * HOUR)} scheduled`,
    ]);
  });

  it('touches none of them when the clock was set back or ahead just before', async () => {
    for (const jumpMs of [-30 * MINUTE, 30 * MINUTE]) {
      const rig = await planRig();
      rig.plan([HOURLY]);
      await rig.read();
      const before = await standing(rig);
      rig.clock.jumpWall(jumpMs);
      await rig.read();
      rig.restart();
      await rig.read();
      expect((await standing(rig)).slice(0, 1)).toEqual(before);
    }
  });
});

describe('a plan with repeating records', () => {
  it('withdraws the job of a record that came once and repeats now, and the other way round', async () => {
    const rig = await planRig();
    rig.plan([show('a', NOON + 5 * HOUR), show('b', NOON + 5 * HOUR)]);
    await rig.read();
    rig.plan([HOURLY, show('b', NOON + 5 * HOUR)]);
    await rig.read();
    expect(await rig.places()).toEqual(['a cancelled', 'b scheduled', `a@${iso(NOON + HOUR)} scheduled`]);
    rig.plan([show('a', NOON + 5 * HOUR), show('b', NOON + 5 * HOUR)]);
    await rig.read();
    const open = (await rig.jobs()).filter(({ place }) => place === 'scheduled').map(({ key }) => key);
    expect(open).toEqual(['b', 'a']);
  });

  it('withdraws a record whose id only looks like one of their times', async () => {
    const rig = await planRig();
    rig.plan([HOURLY, show('a@night', NOON + 5 * HOUR)]);
    await rig.read();
    rig.plan([HOURLY]);
    await rig.read();
    expect(await rig.places()).toEqual([`a@${iso(NOON + HOUR)} scheduled`, 'a@night cancelled']);
  });

  it.each([
    ['the same worker', false],
    ['another one', true],
  ])(
    'is neither flooded nor held up by a clock that stood far ahead and is set back under %s',
    async (_, isOther) => {
      const rig = await planRig();
      rig.plan([HOURLY, { ...HOURLY, id: 'b', end: iso(NOON + DAY) }]);
      await rig.read();
      rig.clock.jumpWall(400 * DAY);
      await rig.read();
      rig.clock.jumpWall(-400 * DAY);
      if (isOther) rig.restart();
      await rig.read();
      expect((await rig.jobs()).length).toBeLessThan(10);
      const ran: string[] = [];
      for (let n = 0; n < 150; n += 1) {
        await rig.clock.advance(MINUTE);
        await rig.poll();
        for (const claim of await rig.claim()) {
          ran.push(claim.key);
          await rig.finish(claim);
        }
      }
      expect(ran).toEqual([1, 2].flatMap((n) => ['a', 'b'].map((id) => `${id}@${iso(NOON + n * HOUR)}`)));
    },
  );
});
