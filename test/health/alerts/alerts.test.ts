import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AlertConfig } from '../../../src/config/config.js';
import { Alerts } from '../../../src/health/alerts/alerts.js';
import { defaultSettings, type Settings } from '../../../src/heartbeat/settings.js';
import { stateFiles } from '../../../src/heartbeat/state-files.js';
import { systemClock } from '../../../src/platform/clock.js';
import { aBeat } from '../../heartbeat/a-beat.js';
import { FakeClock } from '../../support/fake-clock.js';
import { type MountKind, mounted, whyNoMount } from '../../support/mount.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';

const ALL = ['stuck', 'recovered', 'gave-up', 'outage', 'dead-letter', 'disk'] as const;
const SMALL: MountKind = { type: 'tmpfs', options: 'size=3m', mkfs: null };
const cannot = whyNoMount(SMALL);
if (cannot !== null) console.warn(`NOT TESTED: a low disk, since nothing can be mounted here (${cannot})`);

/** Monitors one after another on one state folder, with a real program that keeps what it is told. */
function stand(stateFolder = tempFolder(), clock: FakeClock | typeof systemClock = systemClock) {
  const folder = tempFolder();
  const configFile = join(folder, 'dogged.config.yaml');
  const keeping: AlertConfig = { on: ALL, via: { kind: 'exec', argv: ['sh', '-c', 'cat >> got'] } };
  const logged: string[] = [];
  const say = (message: string) => void logged.push(message);
  return {
    stateFolder,
    logged,
    settings: (alerts: Settings['alerts'] = [keeping], diskBelowBytes: number | null = null): Settings => ({
      ...defaultSettings(stateFolder, configFile),
      ...(alerts === undefined ? {} : { alerts }),
      diskBelowBytes,
    }),
    monitor() {
      const alerts = new Alerts({ stateFolder, clock, log: { info: say, warn: say, error: say } });
      onTestFinished(() => alerts.close());
      return alerts;
    },
    /** Kind and phase of each alert that arrived. */
    got: () =>
      existsSync(join(folder, 'got'))
        ? readFileSync(join(folder, 'got'), 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
            .map(({ alert, phase, count }) => [alert, phase ?? count].join(' '))
        : [],
    book: () => JSON.parse(readFileSync(stateFiles(stateFolder).alerts, 'utf8')),
    /** As if the minute of each kind were over. */
    minutePasses: () => {
      const { alerts } = stateFiles(stateFolder);
      const book = JSON.parse(readFileSync(alerts, 'utf8'));
      for (const record of book.records) record.begunAtMs = {};
      writeFileSync(alerts, JSON.stringify(book));
    },
  };
}

const away = (id: string) => ({
  outages: [{ id, dependency: 'model', since: '2026-01-01T00:00:00.000Z', cause: 'refused' }],
});
const failures = (failed: number) => {
  const beat = aBeat();
  return {
    counters: { ...beat.counters, failed },
    queue: { ...beat.queue, failed },
  };
};

test('a monitor that takes over tells nothing twice, and what came about while there was none is not lost', async () => {
  const place = stand();
  const first = place.monitor();
  first.see(aBeat(failures(3)), place.settings());
  first.trouble('gave-up', 'ended again and again');
  first.see(aBeat({ ...failures(3), ...away('1'), seq: 2 }), place.settings());
  await until(() => place.got().length === 2);
  expect(place.got().sort()).toEqual(['gave-up 1', 'outage begun']);
  await first.close();
  place.minutePasses();

  const second = place.monitor();
  second.see(null, place.settings());
  second.see(aBeat({ ...failures(3), ...away('1'), seq: 3 }), place.settings());
  second.trouble('gave-up', 'ended again');
  second.see(aBeat({ ...failures(5), seq: 4 }), place.settings());
  await until(() => place.got().length === 4);
  expect(place.got().slice(2).sort()).toEqual(['dead-letter 2', 'outage ended']);
  await second.close();

  const third = place.monitor();
  third.see(aBeat({ ...failures(5), seq: 9 }), place.settings());
  third.well(1);
  await until(() => place.got().length === 5);
  expect(place.got()[4]).toBe('recovered 1');
});

test('what already goes on when alerts are new is told; what failed before is not', async () => {
  const place = stand();
  const alerts = place.monitor();
  alerts.see(aBeat({ ...failures(7), ...away('1') }), place.settings());
  alerts.well(1);
  await until(() => place.got().length === 1);
  await until(() => place.book().records[0].waiting.length === 0);
  expect(place.got()).toEqual(['outage begun']);
});

test('without alerts nothing is kept; when they are taken away what was kept goes', async () => {
  const place = stand();
  const file = stateFiles(place.stateFolder).alerts;
  const alerts = place.monitor();
  alerts.see(aBeat(away('1')), place.settings([]));
  alerts.trouble('stuck', 'dead');
  expect(existsSync(file)).toBe(false);
  alerts.see(aBeat(away('1')), place.settings());
  await until(() => place.got().length === 1);
  expect(existsSync(file)).toBe(true);
  alerts.see(aBeat(away('1')), place.settings([]));
  expect(existsSync(file)).toBe(false);
});

test('a book that cannot be read is said, and alerts begin anew', async () => {
  const place = stand();
  writeFileSync(stateFiles(place.stateFolder).alerts, '{"schema":1');
  const alerts = place.monitor();
  alerts.see(aBeat(away('1')), place.settings());
  expect(place.logged[0]).toContain('cannot be read, alerts begin anew');
  await until(() => place.got().length === 1);
});

test('each alert of the config goes its own way: one that hangs holds up no other', async () => {
  const place = stand();
  const hanging: AlertConfig = { on: ['stuck'], via: { kind: 'exec', argv: ['sleep', '60'] } };
  const alerts = place.monitor();
  alerts.see(null, place.settings([hanging, ...(place.settings().alerts ?? [])]));
  alerts.trouble('stuck', 'dead');
  await until(() => place.got().length === 1);
  const [first, second] = place.book().records;
  expect(first.waiting).toHaveLength(1);
  await until(() => place.book().records[1].waiting.length === 0);
  expect([first.label, second.label]).toEqual(['exec sleep', 'exec sh']);
});

test.skipIf(cannot !== null)(
  `a disk that gets full is told although no worker runs, and what cannot be written down is said once${cannot ?? ''}`,
  async () => {
    const disk = mounted(SMALL);
    const clock = new FakeClock();
    const place = stand(disk.folder, clock);
    const alerts = place.monitor();
    alerts.see(null, place.settings(undefined, 1_000_000));
    await clock.advance(60_000);
    expect(place.got()).toEqual([]);
    const filler = join(disk.folder, 'fill');
    try {
      writeFileSync(filler, Buffer.alloc(4 * 1024 * 1024));
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    }
    await clock.advance(30_000);
    await until(() => place.got().length === 1);
    alerts.trouble('stuck', 'dead');
    await until(() => place.got().length === 2);
    await until(() => place.logged.filter((line) => line.includes('sent')).length === 2);
    expect(place.logged.filter((line) => line.includes('cannot be written down'))).toHaveLength(1);
    rmSync(filler);
    // The disk is looked at beside the clock: on a busy machine a look takes longer than its turn.
    await until(async () => {
      await clock.advance(30_000);
      return place.got().length === 3;
    });
    expect(place.got()).toEqual(['disk begun', 'stuck 1', 'disk ended']);
    await until(() => place.book().memory.diskLow === false);
  },
);
