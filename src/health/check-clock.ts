import type { Beat, ClockJump } from '../heartbeat/beat.js';
import { readBeat } from '../heartbeat/read-beat.js';
import { NO_EARLIER_THAN_MS } from '../platform/clock.js';
import { type ClockRoots, readClockFacts } from '../platform/clock-facts.js';
import { durationText } from '../platform/duration-text.js';
import { type Check, type CheckResult, type CheckStatus, result } from './check.js';

export interface ClockCheckInput {
  readonly nowWallMs: number;
  /** Of the running worker, which tells whether it trusts the clock; null where none runs. */
  readonly beat: Pick<Beat, 'clock'> | null;
  /** Where the last beat stands, of whichever worker: a jump stays one when who saw it is gone. */
  readonly heartbeatFolder: string;
  /** Others in tests. */
  readonly roots?: ClockRoots;
}

type Finding = readonly [status: CheckStatus, text: string, remedy: string | null];

const JUMP_WARNS_FOR_MS = 3_600_000;
const LOOK = 'timedatectl';
const SET_CLOCK = 'timedatectl set-ntp true';

/** Whether the worker trusts the clock, whether it is synchronised, and whether it jumped within the hour. */
export function clockCheck(input: ClockCheckInput): Check {
  return { name: 'clock', run: () => [checkClock(input)] };
}

function checkClock({ nowWallMs, beat, heartbeatFolder, roots }: ClockCheckInput): CheckResult {
  const [status, text, remedy] = judge(nowWallMs, beat, roots);
  const jumps = recentJumps(heartbeatFolder, nowWallMs);
  const last = jumps.at(-1);
  const say = (...[status, text, remedy]: Finding) => result('clock', 'Clock', status, text, remedy);
  if (last === undefined) return say(status, text, remedy);
  return say('warning', `${text}; ${jumpText(jumps.length, last)}`, remedy ?? LOOK);
}

function judge(nowWallMs: number, beat: Pick<Beat, 'clock'> | null, roots?: ClockRoots): Finding {
  const distrust = beat?.clock;
  if (distrust?.state === 'suspect') {
    const { why, forMs, believedInMs = 0 } = distrust;
    const limit = `jobs for a time of day wait for it, ${durationText(believedInMs)} more at most`;
    return ['warning', `not trusted for ${durationText(forMs)}: ${why}; ${limit}`, SET_CLOCK];
  }
  if (distrust?.state === 'believed') {
    const text = `believed only because clock.timeout is over: ${distrust.why}`;
    return ['warning', text, `${SET_CLOCK}, or clock: { trust: always } in the config`];
  }
  if (nowWallMs < NO_EARLIER_THAN_MS) {
    const time = new Date(nowWallMs).toISOString();
    return ['warning', `it says ${time}, which cannot be: jobs for later are late`, SET_CLOCK];
  }
  const { hasChip, synchronised } = readClockFacts(roots);
  const kept = hasChip ? '; a clock chip keeps it' : '';
  const trusted = beat === null ? '' : 'trusted; ';
  switch (synchronised) {
    case 'yes':
      return ['ok', `${trusted}synchronised${kept}`, null];
    case 'no':
      return ['warning', `${trusted}not synchronised since the boot${kept}`, 'timedatectl timesync-status'];
    default: {
      const unsaid = `nothing here tells whether it is synchronised${kept}`;
      return [beat === null ? 'not-applicable' : 'ok', `${trusted}${unsaid}`, null];
    }
  }
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
