import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EverySource } from '../../../src/config/config.js';
import { someOwner } from '../../conformance/given.js';
import { createRig, everySource } from '../rig.js';
import { DAY, HOUR, iso, MINUTE, NOON, type PlanRig, planRig, show, withPlans } from './plan-rig.js';

async function everyRig(every: string, changes: Partial<EverySource> = {}, wallMs = NOON): Promise<PlanRig> {
  const rig = await createRig(() => everySource(every, changes), { wallMs });
  await rig.store.takeOwnership(someOwner, wallMs);
  return withPlans(rig);
}

/** Polls and runs what is due, minute after minute. Returns when each occurrence ran: `06:00 +0`, late by whole minutes. */
async function live(rig: PlanRig, forMs: number, stepMs = MINUTE): Promise<string[]> {
  const ran: string[] = [];
  for (let at = 0; at <= forMs; at += stepMs) {
    if (at > 0) await rig.clock.advance(stepMs);
    await rig.poll();
    for (const claim of await rig.claim()) {
      ran.push(`${iso(claim.runAtMs).slice(8, 16)} +${Math.floor(claim.lateByMs / MINUTE)}`);
      await rig.finish(claim);
    }
  }
  return ran;
}

/** The machine was off for so long. */
async function off(rig: PlanRig, forMs: number): Promise<void> {
  rig.restart();
  await rig.clock.advance(forMs);
}

describe('a job that comes again and again', () => {
  it('runs at each of its times, and stands in the queue ahead of the next one', async () => {
    const rig = await everyRig('0 */6 * * *');
    await rig.poll();
    expect(await rig.jobs()).toMatchObject([
      { key: 'nightly@2026-07-16T18:00:00.000Z', place: 'scheduled', runAtMs: NOON + 6 * HOUR },
    ]);
    expect(await live(rig, DAY, 30 * MINUTE)).toEqual([
      '16T18:00 +0',
      '17T00:00 +0',
      '17T06:00 +0',
      '17T12:00 +0',
    ]);
  });

  it('does not run at the moment at which it is written down, nor for times before', async () => {
    const rig = await everyRig('0 12 * * *');
    expect(await live(rig, HOUR)).toEqual([]);
    expect((await rig.jobs()).map(({ runAtMs }) => iso(runAtMs))).toEqual(['2026-07-17T12:00:00.000Z']);
  });

  it('that comes every second is opened so far ahead that no poll is too late for it', async () => {
    const rig = await everyRig('* * * * * *');
    await rig.poll();
    const open = (await rig.jobs()).length;
    expect(open).toBeGreaterThanOrEqual(60);
    await rig.polls(5);
    expect((await rig.jobs()).length).toBe(open + 10);
  });

  it('runs once for each time over restarts, also when the worker dies at that very time', async () => {
    const rig = await everyRig('*/10 * * * *');
    const ran: string[] = [];
    for (let n = 0; n < 12; n += 1) {
      ran.push(...(await live(rig, 5 * MINUTE)));
      rig.restart();
    }
    expect(ran).toEqual(
      ['10', '20', '30', '40', '50', '00'].map((m) => `16T${m === '00' ? 13 : 12}:${m} +0`),
    );
  });

  it('writes nothing while nothing is due', async () => {
    const rig = await everyRig('0 3 * * *');
    await rig.poll();
    const before = await rig.store.cursors({ workspace: 'default', kind: 'source', name: 'nightly' });
    await rig.polls(50);
    expect(await rig.store.cursors({ workspace: 'default', kind: 'source', name: 'nightly' })).toEqual(
      before,
    );
  });

  it('whose times change is withdrawn from the old ones', async () => {
    const rig = await everyRig('0 18 * * *');
    await rig.poll();
    rig.restart({ every: '0 20 * * *' } as Partial<EverySource>);
    await rig.poll();
    expect(await rig.places()).toEqual([
      'nightly@2026-07-16T18:00:00.000Z cancelled',
      'nightly@2026-07-16T20:00:00.000Z scheduled',
    ]);
  });

  it('whose payload changes runs with the new one from the next time on', async () => {
    const rig = await everyRig('0 18 * * *', { payloadText: '{"to":"a"}' });
    await rig.poll();
    rig.restart({ payloadText: '{"to":"b"}' } as Partial<EverySource>);
    await rig.poll();
    expect(await rig.payloads()).toEqual([{ to: 'b' }]);
  });
});

describe('runs that were missed', () => {
  // At 06:00 each day; written down on the 16th at noon, and the machine is off from 05:00 on the 17th.
  const offFor = async (missedRuns: number, forMs: number) => {
    const rig = await everyRig('0 6 * * *', { missedRuns });
    await live(rig, 17 * HOUR, HOUR);
    await off(rig, forMs);
    const ran = await live(rig, 24 * HOUR, HOUR);
    return { rig, ran };
  };

  it('are skipped, each with its reason, and the next one is in time', async () => {
    const { rig, ran } = await offFor(0, 3 * HOUR);
    expect(ran).toEqual(['18T06:00 +0']);
    expect((await rig.jobs())[0]).toMatchObject({
      key: 'nightly@2026-07-17T06:00:00.000Z',
      place: 'expired',
      reason: 'missed: no worker was there to start it in time (missed: skip)',
    });
    expect(rig.lines.join('\n')).toContain('1 missed: no worker was there');
  });

  it('are made up for by one run: the newest of them', async () => {
    expect((await offFor(1, 3 * HOUR)).ran).toEqual(['17T06:00 +120', '18T06:00 +0']);
    expect((await offFor(1, 3 * DAY + 3 * HOUR)).ran).toEqual(['20T06:00 +120', '21T06:00 +0']);
  });

  it('are all made up for, oldest first, the newest so many of them', async () => {
    const three = await offFor(100, 3 * DAY + 3 * HOUR);
    expect(three.ran).toEqual(
      ['17', '18', '19', '20']
        .map((day, n) => `${day}T06:00 +${120 + (3 - n) * 24 * 60}`)
        .concat('21T06:00 +0'),
    );
    const two = await offFor(2, 3 * DAY + 3 * HOUR);
    expect(two.ran.map((run) => run.slice(0, 8))).toEqual(['19T06:00', '20T06:00', '21T06:00']);
  });

  it('are none when a worker was away for less than a minute', async () => {
    const rig = await everyRig('0 13 * * *');
    await live(rig, 59 * MINUTE);
    await off(rig, 90_000);
    expect(await live(rig, 0)).toEqual(['16T13:00 +0']);
  });

  it('are none when the queue was busy: what was opened in time only waits, until the next one is due', async () => {
    const rig = await everyRig('0 * * * *');
    await rig.poll();
    const passUnclaimed = async (minutes: number) => {
      for (let n = 0; n < minutes; n += 1) {
        await rig.clock.advance(MINUTE);
        await rig.poll();
      }
    };
    await passUnclaimed(90);
    expect((await rig.claim()).map(({ key }) => key)).toEqual(['nightly@2026-07-16T13:00:00.000Z']);
    await passUnclaimed(180);
    expect((await rig.claim()).map(({ runAtMs }) => iso(runAtMs).slice(11, 16))).toEqual(['16:00']);
  });

  it('are made up for after a clock that stood in 1970 has been set: no flood, and nothing before it was known', async () => {
    const rig = await everyRig('* * * * *', { missedRuns: 100 }, Date.UTC(1970, 0, 1, 0, 0, 30));
    await live(rig, 2 * MINUTE);
    rig.clock.jumpWall(NOON - rig.now());
    const ran = await live(rig, 3 * MINUTE);
    expect(ran.length).toBeLessThanOrEqual(100 + 4);
    expect(ran.at(-1)).toBe('16T12:03 +0');
  });

  it('are not run again when the clock is set back', async () => {
    const rig = await everyRig('0 * * * *', { missedRuns: 100 });
    expect(await live(rig, 2 * HOUR)).toEqual(['16T13:00 +0', '16T14:00 +0']);
    rig.clock.jumpWall(-90 * MINUTE);
    expect(await live(rig, 2 * HOUR)).toEqual([]);
    expect(await live(rig, HOUR)).toEqual(['16T15:00 +0']);
  });
});

describe('changes of the clocks', () => {
  const runsFrom = async (every: string, fromMs: number) => {
    const rig = await everyRig(every, { timezone: 'Europe/Berlin' }, fromMs);
    return live(rig, 27 * HOUR, 10 * MINUTE);
  };

  it('forward: a time that does not exist is the first that does', async () => {
    expect(await runsFrom('30 2 * * *', Date.UTC(2026, 2, 28, 12))).toEqual(['29T01:00 +0']);
  });

  it('back: a time that comes twice comes once', async () => {
    expect(await runsFrom('30 2 * * *', Date.UTC(2026, 9, 24, 12))).toEqual(['25T00:30 +0']);
  });

  it('back: what comes every half hour comes every half hour', async () => {
    expect((await runsFrom('*/30 * * * *', Date.UTC(2026, 9, 24, 22, 30))).slice(0, 6)).toEqual(
      ['24T23:00', '24T23:30', '25T00:00', '25T00:30', '25T01:00', '25T01:30'].map((at) => `${at} +0`),
    );
  });
});

describe('a repeating record of a plan', () => {
  it('comes at each of its times, beside those that come once', async () => {
    const rig = await planRig({ timezone: 'Europe/Berlin' });
    rig.plan([{ id: 'jingle', every: '0 * * * *' }, show('show', NOON + 90 * MINUTE)]);
    await rig.read();
    expect(await live(rig, 3 * HOUR)).toEqual(['16T13:00 +0', '16T13:30 +0', '16T14:00 +0', '16T15:00 +0']);
  });

  it('is bound by its start and its end', async () => {
    const rig = await planRig();
    rig.plan([{ id: 'a', every: '0 * * * *', start: iso(NOON + 2 * HOUR), end: iso(NOON + 4 * HOUR) }]);
    await rig.read();
    expect(await live(rig, 8 * HOUR)).toEqual(['16T14:00 +0', '16T15:00 +0']);
  });

  it('that is changed, refused or gone takes its open job along', async () => {
    const rig = await planRig();
    rig.plan([{ id: 'a', every: '0 * * * *', gain: 1 }]);
    await rig.read();
    rig.plan([{ id: 'a', every: '0 * * * *', gain: 2 }]);
    await rig.read();
    expect(await rig.payloads()).toMatchObject([{ gain: 2 }]);
    rig.plan([{ id: 'a', every: 'hourly' }]);
    await rig.read();
    expect(await rig.places()).toEqual([`a@${iso(NOON + HOUR)} scheduled`]);
    rig.plan([{ id: 'a', every: '30 * * * *' }]);
    await rig.read();
    expect(await rig.places()).toEqual([
      `a@${iso(NOON + HOUR)} cancelled`,
      `a@${iso(NOON + HOUR / 2)} scheduled`,
    ]);
    rig.plan([]);
    await rig.read();
    expect((await rig.places()).at(-1)).toBe(`a@${iso(NOON + HOUR / 2)} cancelled`);
  });

  it('goes on after a restart where it stood', async () => {
    const rig = await planRig({ missedRuns: 1 });
    rig.plan([{ id: 'a', every: '0 * * * *' }, show('b', NOON + 10 * HOUR)]);
    await rig.read();
    await live(rig, 30 * MINUTE);
    await off(rig, 5 * HOUR);
    await rig.read();
    expect(await live(rig, HOUR)).toEqual(['16T17:00 +30', '16T18:00 +0']);
    expect(join(rig.folder, 'schedule.json')).toBe(rig.path);
  });
});
