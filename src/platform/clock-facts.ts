import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NO_EARLIER_THAN_MS } from './clock.js';

/** Where the kernel and the system tell of the clock; other roots in tests. */
export interface ClockRoots {
  readonly proc: string;
  readonly sys: string;
  readonly run: string;
}

const ROOTS: ClockRoots = { proc: '/proc', sys: '/sys', run: '/run' };

/** What the machine tells about its wall clock. */
export interface ClockFacts {
  /** A clock chip that kept the time while the power was off: not there, or without a battery, is the same. */
  readonly hasChip: boolean;
  /** `unsaid`: nobody here tells, as in a container, or under another time service than systemd's. */
  readonly synchronised: 'yes' | 'no' | 'unsaid';
  /** Since the machine was booted. */
  readonly upMs: number;
}

/** A few small reads. What cannot be read is not told: only a plain word is held against a clock. */
export function readClockFacts({ proc, sys, run }: ClockRoots = ROOTS): ClockFacts {
  return {
    hasChip: chipTimes(join(sys, 'class', 'rtc')).some((seconds) => seconds * 1_000 >= NO_EARLIER_THAN_MS),
    synchronised: synchronised(join(run, 'systemd', 'timesync')),
    upMs: upMs(join(proc, 'uptime')),
  };
}

function chipTimes(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((chip) => Number(readText(join(folder, chip, 'since_epoch'))));
}

/** systemd-timesyncd makes the folder when it starts, and the file in it with the first answer after the boot. */
function synchronised(folder: string): ClockFacts['synchronised'] {
  if (existsSync(join(folder, 'synchronized'))) return 'yes';
  return existsSync(folder) ? 'no' : 'unsaid';
}

/** A machine that does not tell has been up for long enough. */
function upMs(file: string): number {
  const seconds = Number.parseFloat(readText(file));
  return Number.isNaN(seconds) ? Number.POSITIVE_INFINITY : seconds * 1_000;
}

/** Empty where it cannot be read: a chip may be there and not answer. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
