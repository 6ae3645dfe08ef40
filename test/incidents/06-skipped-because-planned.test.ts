import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDispatcher } from '../../src/dispatch/loop.js';
import { createLog } from '../../src/platform/log.js';
import { TRUSTED_CLOCK } from '../../src/policy/clock-trust.js';
import { commandTask, configOf } from '../dispatch/rig.js';
import { HOUR, iso, MINUTE, type PlanRig, planRig, show } from '../intake/plan/plan-rig.js';
import { until } from '../support/until.js';

/*
 * A show was skipped as "already playing" because the schedule data held it, while nothing played: it began an hour late.
 * The consumer also slept until the next start that it knew, while an earlier one arrived late.
 *
 * Six hourly shows, rows 2553 to 2558, from 17:00 to 23:00 UTC, with plans that change around each boundary.
 */

const SEVENTEEN = Date.UTC(2026, 6, 16, 17);
const ROWS = [2553, 2554, 2555, 2556, 2557, 2558] as const;
const startOf = (row: number) => SEVENTEEN + (row - ROWS[0]) * HOUR;
const rowOf = (row: number, more: Record<string, unknown> = {}) =>
  show(String(row), startOf(row), { file: `${row}.ogg`, ...more });

describe('the old logic, in small', () => {
  interface Row {
    readonly id: number;
    readonly startMs: number;
  }

  /** Believes the schedule about what plays, and looks at it when it wakes: at the next start that it knew of. */
  class PlanBeliever {
    readonly started: string[] = [];
    readonly #playing = new Set<number>();
    #wakeAtMs: number;

    constructor(plan: readonly Row[], nowMs: number) {
      // "Already playing": it stands there as being on the air.
      for (const { id, startMs } of plan)
        if (startMs <= nowMs && nowMs < startMs + HOUR) this.#playing.add(id);
      this.#wakeAtMs = nextStart(plan, nowMs);
    }

    tick(plan: readonly Row[], nowMs: number): void {
      if (nowMs < this.#wakeAtMs) return;
      for (const { id, startMs } of plan) {
        if (startMs > nowMs || this.#playing.has(id)) continue;
        this.#playing.add(id);
        this.started.push(`${id} at ${iso(nowMs).slice(11, 19)}`);
      }
      this.#wakeAtMs = nextStart(plan, nowMs);
    }
  }

  const nextStart = (plan: readonly Row[], nowMs: number) =>
    Math.min(...plan.map(({ startMs }) => startMs).filter((at) => at > nowMs));
  const rows = ROWS.map((id) => ({ id, startMs: startOf(id) }));

  test('skips a show because the plan names it, though nothing plays', () => {
    const restartedAt = startOf(2554) + 5 * MINUTE;
    const onAir = rows.filter(({ id }) => id >= 2554);
    const old = new PlanBeliever(onAir, restartedAt);
    for (let at = restartedAt; at <= startOf(2555); at += MINUTE) old.tick(onAir, at);
    expect(old.started).toEqual(['2555 at 19:00:00']);
  });

  test('sleeps until 20:00 while a show for 19:00 arrives at 19:01:54', () => {
    const known = rows.filter(({ id }) => id >= 2556);
    const arrivesAt = startOf(2555) + MINUTE + 54_000;
    const old = new PlanBeliever(known, startOf(2555) - 5 * MINUTE);
    for (let at = startOf(2555) - 5 * MINUTE; at <= startOf(2556); at += 1_000) {
      old.tick(at < arrivesAt ? known : rows.filter(({ id }) => id >= 2555), at);
    }
    expect(old.started).toEqual(['2555 at 20:00:00', '2556 at 20:00:00']);
  });
});

/** The real intake, store and dispatcher under one clock that is moved by hand. The shows are real processes. */
async function station(): Promise<{
  readonly rig: PlanRig;
  goTo(ms: number): Promise<void>;
  /** `2553 17:00:00 +0s`: when each show was started, and how late it was. */
  starts(): Promise<string[]>;
}> {
  const rig = await planRig(
    { task: 'play', pollMs: 2_000 },
    { wallMs: SEVENTEEN - 10 * MINUTE, tasks: [PLAY] },
  );
  const config = configOf(rig.folder, rig.state, { tasks: [PLAY], slots: 4 });
  const ownership = await rig.store.takeOwnership(
    { bootId: 'boot', pid: process.pid, startTicks: 1, nonce: 'n' },
    rig.now(),
  );
  const dispatcher = createDispatcher({
    config,
    store: rig.store,
    clock: rig.clock,
    log: createLog('silent'),
    epoch: ownership.epoch,
    storeId: ownership.storeId,
    nonce: 'n',
    breakers: [],
    clockTrust: TRUSTED_CLOCK,
  });
  dispatcher.start();
  onTestFinished(async () => {
    const stopped = dispatcher.stop(0);
    for (let n = 0; n < 200; n += 1) await rig.clock.advance(100);
    await stopped;
  });
  const settle = () => until(() => dispatcher.drained(), { withinMs: 10_000 });
  return {
    rig,
    /** In strides far from the goal, in steps of a poll close to it; a new job nudges the dispatcher, as in the worker. */
    async goTo(ms) {
      await rig.poll();
      dispatcher.nudge();
      while (rig.now() < ms) {
        const leftMs = ms - rig.now();
        await rig.clock.advance(
          leftMs > 12_000 ? Math.min(leftMs - 10_000, 10 * MINUTE) : Math.min(leftMs, 2_000),
        );
        await rig.poll();
        dispatcher.nudge();
        await settle();
      }
    },
    async starts() {
      const jobs = (await rig.jobs()).filter(({ attempts }) => attempts > 0);
      return jobs.map(({ key, runAtMs, lateByMs }) => {
        const at = iso(runAtMs + (lateByMs ?? 0)).slice(11, 19);
        return `${key} ${at} +${Math.floor((lateByMs ?? 0) / 1_000)}s`;
      });
    },
  };
}

const PLAY = commandTask('play', ['true']);

describe('now', () => {
  test('six hourly shows start at their hour, whatever plans are written around it', async () => {
    const { rig, goTo, starts } = await station();
    const all = ROWS.map((row) => rowOf(row));
    rig.plan(all);
    for (const row of ROWS) {
      // The plan is written anew just before, at, and just after each boundary: with and without what is on the air.
      await goTo(startOf(row) - 4_000);
      rig.plan(all);
      await goTo(startOf(row));
      rig.plan(all.filter((one) => Number(one['id']) > row - 2));
      await goTo(startOf(row) + 4_000);
      rig.plan(all);
    }
    await goTo(startOf(2558) + 10_000);
    expect(await starts()).toEqual(ROWS.map((row) => `${row} ${iso(startOf(row)).slice(11, 19)} +0s`));
    expect((await rig.jobs()).map(({ key, place }) => `${key} ${place}`)).toEqual(
      ROWS.map((row) => `${row} completed`),
    );
  }, 60_000);

  test('a show that is fetched 1 min 54 s late starts with that very poll, and says how late it is', async () => {
    const { rig, goTo, starts } = await station();
    rig.plan(ROWS.filter((row) => row !== 2555).map((row) => rowOf(row)));
    // 19:01:54: the dispatcher sleeps until 20:00.
    await goTo(startOf(2555) + MINUTE + 54_000);
    rig.plan(ROWS.map((row) => rowOf(row)));
    await goTo(rig.now() + 2_000);
    expect((await starts()).filter((start) => start.startsWith('2555'))).toEqual(['2555 19:01:54 +114s']);
  }, 60_000);

  test('a show that stands in the plan and has never run is not skipped, also by a worker that was just started', async () => {
    const { rig, goTo, starts } = await station();
    const all = ROWS.map((row) => rowOf(row));
    rig.plan(all);
    await goTo(startOf(2554) - 2_000);
    rig.restart();
    await goTo(startOf(2554) + 2_000);
    rig.restart();
    rig.plan(all);
    await goTo(startOf(2555) + 2_000);
    expect((await starts()).map((start) => start.slice(0, 13))).toEqual([
      '2553 17:00:00',
      '2554 18:00:00',
      '2555 19:00:00',
    ]);
  }, 60_000);

  test('a consumer that reads an older plan does no harm where the plan has a version, and follows the newest', async () => {
    const rig = await planRig({ version: 'rev' }, { wallMs: SEVENTEEN - 10 * MINUTE });
    const newer = rowOf(2553, { rev: 8, file: 'new.ogg' });
    const older = show('2553', startOf(2557), { rev: 7, file: 'old.ogg' });
    rig.plan([newer]);
    await rig.read();
    rig.plan([older]);
    await rig.read();
    expect(await rig.payloads()).toMatchObject([{ rev: 8, file: 'new.ogg' }]);
    expect(rig.lines.join('\n')).toContain('older than the known version');
    await rig.clock.advance(10 * MINUTE);
    expect((await rig.claim()).map(({ key, lateByMs }) => [key, lateByMs])).toEqual([['2553', 0]]);
    expect(join(rig.folder, 'schedule.json')).toBe(rig.path);
  });
});
