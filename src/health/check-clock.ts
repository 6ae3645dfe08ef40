import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ClockJump } from '../heartbeat/beat.js';
import { readBeat } from '../heartbeat/read-beat.js';
import { durationText } from '../platform/duration-text.js';
import { type Check, type CheckResult, type CheckStatus, result } from './check.js';

/** Nobody runs this before it was written: such a clock stands where the machine was built or booted. */
const NO_EARLIER_THAN_MS = Date.UTC(2025, 0, 1);
const JUMP_WARNS_FOR_MS = 3_600_000;

/** Whether the clock is synchronised, and whether the worker saw it jump within the hour. `run`: another one in tests. */
export function clockCheck(heartbeatFolder: string, nowWallMs: number, run = '/run'): Check {
  return { name: 'clock', run: () => [checkClock(recentJumps(heartbeatFolder, nowWallMs), nowWallMs, run)] };
}

function checkClock(jumps: readonly ClockJump[], nowWallMs: number, run: string): CheckResult {
  const say = (status: CheckStatus, text: string, remedy: string | null = null) =>
    result('clock', 'Clock', status, text, remedy);
  if (nowWallMs < NO_EARLIER_THAN_MS) {
    const time = new Date(nowWallMs).toISOString();
    return say('warning', `it says ${time}, which cannot be: jobs for later are late`, 'timedatectl');
  }
  const timesync = join(run, 'systemd', 'timesync');
  const isTold = existsSync(timesync);
  const isSynchronised = existsSync(join(timesync, 'synchronized'));
  const last = jumps.at(-1);
  if (last !== undefined) {
    const state = isSynchronised ? 'synchronised' : 'not known to be synchronised';
    return say('warning', `${state}; ${jumpText(jumps.length, last)}`, 'timedatectl');
  }
  if (isSynchronised) return say('ok', 'synchronised');
  if (isTold) return say('warning', 'not synchronised since the boot', 'timedatectl timesync-status');
  return say('not-applicable', 'nothing here tells whether it is synchronised');
}

function jumpText(count: number, { byMs, agoMs }: ClockJump): string {
  const which = `${byMs < 0 ? 'back' : 'forward'} by ${durationText(Math.abs(byMs))}, ${durationText(agoMs)} ago`;
  const jumped =
    count === 1 ? `it jumped ${which}` : `it jumped ${count} times within the hour, last ${which}`;
  return `${jumped}: it was set, or the machine slept`;
}

/** As of now. The age of the beat is the wall clock's: after a jump it is wrong until the next beat, and never below 0. */
function recentJumps(heartbeatFolder: string, nowWallMs: number): readonly ClockJump[] {
  const beat = readBeat(heartbeatFolder);
  if (beat.status !== 'read') return [];
  const beatAgeMs = Math.max(0, nowWallMs - Date.parse(beat.content.wallTime));
  return (beat.content.clockJumps ?? [])
    .map(({ agoMs, byMs }) => ({ agoMs: agoMs + beatAgeMs, byMs }))
    .filter(({ agoMs }) => agoMs < JUMP_WARNS_FOR_MS);
}
