import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { clockCheck } from '../../src/health/check-clock.js';
import { hardwareChecks } from '../../src/health/check-hardware.js';
import { pagesCheck } from '../../src/health/check-pages.js';
import { type SourcePlace, sourceFilesCheck } from '../../src/health/check-sources.js';
import { diagnose } from '../../src/health/diagnose.js';
import type { Beat } from '../../src/heartbeat/beat.js';
import { systemClock } from '../../src/platform/clock.js';
import { aBeat } from '../heartbeat/a-beat.js';
import { tempFolder } from '../support/temp-folder.js';

const NOW = Date.UTC(2026, 5, 1);

/** What the kernel of some machine would tell, as files. */
async function machine(
  files: Readonly<Record<string, string>>,
  nowMs = NOW,
  beat: Pick<Beat, 'clock'> | null = null,
) {
  const root = tempFolder();
  for (const [path, text] of Object.entries({ 'proc/meminfo': MEMINFO(50), ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const roots = { proc: join(root, 'proc'), sys: join(root, 'sys'), run: join(root, 'run') };
  const { checks } = await diagnose(
    [clockCheck({ nowWallMs: nowMs, beat, heartbeatFolder: root, roots }), ...hardwareChecks(roots)],
    systemClock,
  );
  return Object.fromEntries(checks.map((one) => [one.name, one]));
}

const MEMINFO = (percent: number) => `MemTotal: 1000000 kB\nMemAvailable: ${percent * 10_000} kB\n`;
const THROTTLED = 'sys/devices/platform/soc/soc:firmware/get_throttled';

test('a machine that tells nothing of heat, power and clock has nothing to answer for', async () => {
  expect(await machine({})).toMatchObject({
    memory: { status: 'ok', text: '50 % available (488 of 977 MB)' },
    clock: { status: 'not-applicable' },
    temperature: { status: 'not-applicable' },
    power: { status: 'not-applicable' },
  });
});

test('memory that runs out, heat and a weak power supply are told with their figures', async () => {
  const sick = await machine({
    'proc/meminfo': MEMINFO(4),
    'sys/class/thermal/thermal_zone0/temp': '51200\n',
    'sys/class/thermal/thermal_zone1/temp': '86100\n',
    [THROTTLED]: '50005\n',
  });
  expect(sick).toMatchObject({
    memory: { status: 'warning' },
    temperature: { status: 'critical', text: '86 °C: it slows itself down' },
    power: { status: 'critical', text: 'under-voltage now' },
  });
  const warm = await machine({ 'sys/class/thermal/thermal_zone0/temp': '81000\n', [THROTTLED]: '50000\n' });
  expect(warm).toMatchObject({ temperature: { status: 'warning' }, power: { status: 'warning' } });
  const well = await machine({ 'sys/class/thermal/thermal_zone0/temp': '45000\n', [THROTTLED]: '0\n' });
  expect(well).toMatchObject({ temperature: { status: 'ok', text: '45 °C' }, power: { status: 'ok' } });
});

test('a clock is believed when it was synchronised, and never when it stands before this program', async () => {
  const synced = { 'run/systemd/timesync/synchronized': '', 'run/systemd/timesync/clock': '' };
  expect((await machine(synced))['clock']).toMatchObject({ status: 'ok' });
  expect((await machine({ 'run/systemd/timesync/clock': '' }))['clock']).toMatchObject({ status: 'warning' });
  expect((await machine(synced, 5_000))['clock']).toMatchObject({
    status: 'warning',
    text: expect.stringContaining('1970-01-01'),
  });
});

test('a clock that the worker does not trust is told with why, until when, and what to do', async () => {
  const clock = async (told: NonNullable<Beat['clock']> | null) =>
    (await machine({}, NOW, told === null ? {} : { clock: told }))['clock'];
  const why = 'it is not synchronised yet';
  expect(await clock({ state: 'suspect', why, forMs: 30_000, believedInMs: 90_000 })).toMatchObject({
    status: 'warning',
    text: `not trusted for 30s: ${why}; jobs for a time of day wait for it, 1m 30s more at most`,
    remedy: 'timedatectl set-ntp true',
  });
  expect(await clock({ state: 'believed', why, forMs: 120_000 })).toMatchObject({
    status: 'warning',
    text: `believed only because clock.timeout is over: ${why}`,
    remedy: expect.stringContaining('clock: { trust: always }'),
  });
  expect(await clock(null)).toMatchObject({ status: 'ok', text: expect.stringMatching(/^trusted; /) });
});

test('a clock that jumped within the hour is told with the size, how often, and how long ago', async () => {
  const judge = async (clockJumps: Beat['clockJumps'] & {}, files: Readonly<Record<string, string>> = {}) => {
    const wallTime = new Date(NOW - 60_000).toISOString();
    return (await machine({ 'heartbeat.json': JSON.stringify(aBeat({ wallTime, clockJumps })), ...files }))[
      'clock'
    ];
  };
  expect(await judge([{ agoMs: 180_000, byMs: -7_200_000 }])).toMatchObject({
    status: 'warning',
    text: 'nothing here tells whether it is synchronised; it jumped back by 2h, 4m ago: it was set, or the machine slept',
    remedy: 'timedatectl',
  });
  const two = [
    { agoMs: 600_000, byMs: 5_000 },
    { agoMs: 0, byMs: 3_000 },
  ];
  expect(await judge(two, { 'run/systemd/timesync/synchronized': '' })).toMatchObject({
    status: 'warning',
    text: 'synchronised; it jumped 2 times within the hour, last forward by 3s, 1m ago: it was set, or the machine slept',
  });
  expect(await judge([{ agoMs: 3_541_000, byMs: 5_000 }])).toMatchObject({ status: 'not-applicable' });
});

test('a clock that is not trusted and has jumped is told with both, and what to do about the first', async () => {
  const why = 'it is not synchronised yet';
  const clock: Beat['clock'] = { state: 'suspect', why, forMs: 30_000, believedInMs: 90_000 };
  const beat = aBeat({
    wallTime: new Date(NOW).toISOString(),
    clock,
    clockJumps: [{ agoMs: 60_000, byMs: -5_000 }],
  });
  expect((await machine({ 'heartbeat.json': JSON.stringify(beat) }, NOW, beat))['clock']).toMatchObject({
    status: 'warning',
    text: `not trusted for 30s: ${why}; jobs for a time of day wait for it, 1m 30s more at most; it jumped back by 5s, 1m ago: it was set, or the machine slept`,
    remedy: 'timedatectl set-ntp true',
  });
});

test('what the kernel should tell and does not is unknown', async () => {
  expect((await machine({ 'proc/meminfo': 'nothing' }))['memory']).toMatchObject({ status: 'unknown' });
});

test('a folder that is gone, and what has the wrong kind, are named; a log that is not begun yet is not', async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'file'), '');
  const place = (name: string, kind: SourcePlace['kind'], path: string, network = false): SourcePlace => ({
    name,
    kind,
    path: join(folder, path),
    network,
  });
  const { checks } = await diagnose(
    [
      sourceFilesCheck(async () => [
        place('later', 'log', 'not-yet'),
        place('there', 'log', 'file'),
        place('gone', 'directory', 'nowhere'),
        place('mount', 'directory', 'nowhere', true),
        place('wrong', 'directory', 'file'),
        place('folder', 'log', '.'),
      ]),
    ],
    systemClock,
  );
  expect(checks.map(({ name, status }) => [name, status])).toEqual([
    ['source-file:gone', 'warning'],
    ['source-file:wrong', 'warning'],
    ['source-file:folder', 'warning'],
  ]);
});

test.skipIf(process.getuid?.() === 0)(
  'a file that this user may not read is named (not tested as root)',
  async () => {
    const path = join(tempFolder(), 'secret');
    writeFileSync(path, '');
    chmodSync(path, 0o000);
    const place: SourcePlace = { name: 'secret', kind: 'log', path, network: false };
    const { checks } = await diagnose([sourceFilesCheck(async () => [place])], systemClock);
    expect(checks).toMatchObject([{ status: 'warning', text: expect.stringContaining('EACCES') }]);
  },
);

test('pages that are torn are critical, and a database that is too large to read now counts for nothing', async () => {
  const run = async (find: (signal: AbortSignal) => Promise<string | null>) =>
    (await diagnose([pagesCheck(find)], systemClock)).checks[0];
  expect(await run(async () => null)).toMatchObject({ status: 'ok' });
  expect(await run(async () => 'page 7: torn')).toMatchObject({ status: 'critical', text: 'page 7: torn' });
  const untilAborted = (signal: AbortSignal) =>
    new Promise<null>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  expect(await run(untilAborted)).toMatchObject({ status: 'not-applicable' });
  expect(await run(() => Promise.reject(new Error('no such program')))).toMatchObject({ status: 'unknown' });
});
