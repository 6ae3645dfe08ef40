import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, type CheckResult, result } from './check.js';

/** Where the kernel tells of the machine; another root in tests. */
export interface HardwareRoots {
  readonly proc: string;
  readonly sys: string;
}

const ROOTS: HardwareRoots = { proc: '/proc', sys: '/sys' };

const MEMORY_WARN_BELOW_SHARE = 0.05;
/** A Raspberry Pi slows itself down from 80 °C on, and hard from 85 °C on. */
const HOT_C = 80;
const VERY_HOT_C = 85;

/** Bits of what a Raspberry Pi reports: now, and since it was booted. */
const UNDER_VOLTAGE_NOW = 0x1;
const UNDER_VOLTAGE_SINCE_BOOT = 0x1_00_00;

/** Small reads of what the kernel tells; what it does not tell on this machine is not applicable. */
export function hardwareChecks(roots: HardwareRoots = ROOTS): Check[] {
  return [
    { name: 'memory', run: () => [checkMemory(roots)] },
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
