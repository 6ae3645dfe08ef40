import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Beat } from '../heartbeat/beat.js';
import { NO_EARLIER_THAN_MS } from '../platform/clock.js';
import { readClockFacts } from '../platform/clock-facts.js';
import { durationText } from '../platform/duration-text.js';
import { type Check, type CheckResult, result } from './check.js';

/** Where the kernel tells of the machine; another root in tests. */
export interface HardwareRoots {
  readonly proc: string;
  readonly sys: string;
  readonly run: string;
}

const ROOTS: HardwareRoots = { proc: '/proc', sys: '/sys', run: '/run' };

const MEMORY_WARN_BELOW_SHARE = 0.05;
/** A Raspberry Pi slows itself down from 80 °C on, and hard from 85 °C on. */
const HOT_C = 80;
const VERY_HOT_C = 85;

const SET_CLOCK = 'timedatectl set-ntp true';

/** Bits of what a Raspberry Pi reports: now, and since it was booted. */
const UNDER_VOLTAGE_NOW = 0x1;
const UNDER_VOLTAGE_SINCE_BOOT = 0x1_00_00;

/** Small reads of what the kernel tells; what it does not tell on this machine is not applicable. `beat`: of the running worker. */
export function hardwareChecks(
  nowWallMs: number,
  beat: Pick<Beat, 'clock'> | null,
  roots: HardwareRoots = ROOTS,
): Check[] {
  return [
    { name: 'memory', run: () => [checkMemory(roots)] },
    { name: 'clock', run: () => [checkClock(nowWallMs, beat, roots)] },
    { name: 'temperature', run: () => [checkTemperature(roots)] },
    { name: 'power', run: () => [checkPower(roots)] },
  ];
}

function checkMemory({ proc }: HardwareRoots): CheckResult {
  const text = readFileSync(join(proc, 'meminfo'), 'utf8');
  const total = Number(/^MemTotal:\s+(\d+) kB/m.exec(text)?.[1]);
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1]);
  if (!(total > 0) || Number.isNaN(available))
    throw new Error('the kernel does not tell how much is available');
  const words = `${Math.floor((100 * available) / total)} % available (${Math.round(available / 1024)} of ${Math.round(total / 1024)} MB)`;
  if (available / total < MEMORY_WARN_BELOW_SHARE)
    return result('memory', 'Memory', 'warning', `${words}, need 5 %`, 'ps aux --sort=-rss');
  return result('memory', 'Memory', 'ok', words);
}

function checkClock(nowWallMs: number, beat: Pick<Beat, 'clock'> | null, roots: HardwareRoots): CheckResult {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) =>
    result('clock', 'Clock', status, text, remedy);
  const distrust = beat?.clock;
  if (distrust?.state === 'suspect') {
    const { why, forMs, believedInMs = 0 } = distrust;
    const limit = `jobs for a time of day wait for it, ${durationText(believedInMs)} more at most`;
    return say('warning', `not trusted for ${durationText(forMs)}: ${why}; ${limit}`, SET_CLOCK);
  }
  if (distrust?.state === 'believed') {
    const text = `believed only because clock.timeout is over: ${distrust.why}`;
    return say('warning', text, `${SET_CLOCK}, or clock: { trust: always } in the config`);
  }
  if (nowWallMs < NO_EARLIER_THAN_MS) {
    const time = new Date(nowWallMs).toISOString();
    return say('warning', `it says ${time}, which cannot be: jobs for later are late`, SET_CLOCK);
  }
  const { hasChip, synchronised } = readClockFacts(roots);
  const kept = hasChip ? '; a clock chip keeps it' : '';
  const trusted = beat === null ? '' : 'trusted; ';
  if (synchronised === 'yes') return say('ok', `${trusted}synchronised${kept}`);
  if (synchronised === 'no')
    return say('warning', `${trusted}not synchronised since the boot${kept}`, 'timedatectl timesync-status');
  const unsaid = `nothing here tells whether it is synchronised${kept}`;
  return beat === null ? say('not-applicable', unsaid) : say('ok', `${trusted}${unsaid}`);
}

function checkTemperature({ sys }: HardwareRoots): CheckResult {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) =>
    result('temperature', 'Temperature', status, text, remedy);
  const folder = join(sys, 'class', 'thermal');
  const zones = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.startsWith('thermal_zone'))
    : [];
  const degrees = zones
    .flatMap((zone) => readNumber(join(folder, zone, 'temp')) ?? [])
    .map((milli) => milli / 1000);
  if (degrees.length === 0) return say('not-applicable', 'this machine tells none');
  const hottest = Math.max(...degrees);
  const text = `${hottest.toFixed(0)} °C`;
  if (hottest >= VERY_HOT_C) return say('critical', `${text}: it slows itself down`, 'cool it');
  if (hottest >= HOT_C) return say('warning', text, 'cool it');
  return say('ok', text);
}

function checkPower({ sys }: HardwareRoots): CheckResult {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) =>
    result('power', 'Power', status, text, remedy);
  const file = join(sys, 'devices/platform/soc/soc:firmware/get_throttled');
  const bits = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 16) : Number.NaN;
  if (Number.isNaN(bits)) return say('not-applicable', 'this machine tells of no under-voltage');
  if ((bits & UNDER_VOLTAGE_NOW) !== 0)
    return say('critical', 'under-voltage now', 'use a stronger power supply');
  if ((bits & UNDER_VOLTAGE_SINCE_BOOT) !== 0)
    return say('warning', 'under-voltage since the boot', 'use a stronger power supply');
  return say('ok', 'no under-voltage since the boot');
}

/** null for a sensor that is there and does not answer, as those of sleeping devices. */
function readNumber(file: string): number | null {
  try {
    const value = Number(readFileSync(file, 'utf8').trim());
    return Number.isFinite(value) ? value : null;
  } catch {
    return null;
  }
}
