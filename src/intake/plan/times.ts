import { CronDate } from 'croner';
import { isTimezone } from '../../platform/timezone.js';
import { type Refusal, refuse } from '../refusal.js';
import { type Recurrence, recurrenceOf } from './recurrence.js';

/** When a record of a plan is to run. */
export interface PlanTimes {
  readonly startMs: number;
  /** By when it must have started; null without an end. */
  readonly endMs: number | null;
  /** For a record with `every`: its occurrences, which `startMs` and `endMs` bound. */
  readonly recurrence: Recurrence | null;
}

export interface TimeRule {
  /** Zone of times that name none, and of `every`, unless the record names one; null when the user has named none. */
  readonly timezone: string | null;
}

/** Seconds since 1970 look like this; milliseconds of such a size lie before 1973. */
const SECONDS_BELOW = 100_000_000_000;

const NO_ZONE = `write the zone with it, as in 2026-01-31T19:00:00Z or …+01:00, or name a timezone in the record or for its source`;

/** Reads `start`, `end` and `every` of a record, or says why not. */
export function timesOf(value: unknown, key: string, rule: TimeRule): PlanTimes | Refusal {
  if (typeof value !== 'object' || value === null) {
    return refuse(
      'no-start',
      'it is no object, and so has no "start"',
      'write an object that has "start"',
      key,
    );
  }
  const { start, end, every, timezone } = value as Readonly<Record<string, unknown>>;
  const zone = () => zoneOf(timezone, key, rule);
  const endMs = isAbsent(end) ? null : timeOf('end', end, key, zone);
  if (endMs !== null && typeof endMs !== 'number') return endMs;
  if (isAbsent(start) && isAbsent(every)) {
    return refuse('no-start', 'it has no "start"', 'add "start": when it is to run', key);
  }
  const startMs = isAbsent(start) ? Number.NEGATIVE_INFINITY : timeOf('start', start, key, zone);
  if (typeof startMs !== 'number') return startMs;
  if (endMs !== null && endMs <= startMs) return windowless(startMs, endMs, key);
  if (isAbsent(every)) return { startMs, endMs, recurrence: null };
  const own = zone();
  if (isRefused(own)) return own;
  const recurrence = recurrenceOf(every, { timezone: own ?? 'UTC', startMs, endMs });
  if (typeof recurrence !== 'string') return { startMs, endMs, recurrence };
  return refuse(
    'bad-every',
    recurrence,
    'write a cron expression, as in "0 6 * * *" for 06:00 each day',
    key,
  );
}

/** The record's own zone, or the source's. Asked only where it counts: a `timezone` may be the handler's alone. */
function zoneOf(timezone: unknown, key: string, rule: TimeRule): string | null | Refusal {
  if (isAbsent(timezone)) return rule.timezone;
  if (typeof timezone === 'string' && isTimezone(timezone)) return timezone;
  const written = JSON.stringify(timezone).slice(0, 60);
  return refuse(
    'bad-timezone',
    `its "timezone" is ${written}, which is no time zone`,
    'name one, such as UTC or Europe/Berlin, or leave it out',
    key,
  );
}

function isRefused(zone: string | null | Refusal): zone is Refusal {
  return typeof zone === 'object' && zone !== null;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function windowless(startMs: number, endMs: number, key: string): Refusal {
  const [from, to] = [startMs, endMs].map((ms) => new Date(ms).toISOString());
  return endMs === startMs
    ? refuse('no-length', `it starts and ends at ${from}`, 'give it a later end, or leave the end out', key)
    : refuse(
        'end-before-start',
        `it ends at ${to}, before it starts at ${from}`,
        'mend "start" or "end"',
        key,
      );
}

function timeOf(
  field: string,
  value: unknown,
  key: string,
  zoneIfNone: () => string | null | Refusal,
): number | Refusal {
  const bad = (detail: string, remedy: string) => refuse('bad-time', `its "${field}" ${detail}`, remedy, key);
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && Math.abs(value) >= SECONDS_BELOW) return value;
    return Number.isFinite(value) && Math.abs(value) < SECONDS_BELOW
      ? bad(`is ${value}, which reads like seconds`, 'write milliseconds since 1970, or ISO 8601 with a zone')
      : bad(`is ${value}`, 'write whole milliseconds since 1970, or ISO 8601 with a zone');
  }
  if (typeof value !== 'string')
    return bad('is no time', 'write ISO 8601 with a zone, as in 2026-01-31T19:00:00Z');
  const parts = ISO.exec(value.trim());
  const local = parts === null ? Number.NaN : localMs(parts);
  if (parts === null || Number.isNaN(local)) {
    return bad(
      `is ${JSON.stringify(value.slice(0, 60))}, which is no time`,
      'write ISO 8601 with a zone, as in 2026-01-31T19:00:00Z',
    );
  }
  const offset = parts[8];
  if (offset !== undefined) return local - offsetMs(offset);
  const zone = zoneIfNone();
  if (zone === null) return bad(`is ${JSON.stringify(value)}, which names no zone`, NO_ZONE);
  return isRefused(zone) ? zone : inZone(local, zone);
}

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/i;

/** As if it were UTC; NaN for a day or an hour that does not exist. */
function localMs([, year, month, day, hour, minute, second = '0', fraction = '']: RegExpExecArray): number {
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const ms = Number(fraction.padEnd(3, '0').slice(0, 3));
  const at = new Date(Date.UTC(y, mo - 1, d, h, mi, s, ms));
  const isReal = at.getUTCMonth() === mo - 1 && at.getUTCDate() === d && h < 24 && mi < 60 && s < 60;
  return isReal ? at.getTime() : Number.NaN;
}

function offsetMs(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0;
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** A time that a change of the clocks leaves out comes as much later; of one that comes twice it is the first. */
function inZone(local: number, timezone: string): number {
  const wall = new Date(local).toISOString().slice(0, 19);
  return new CronDate(wall, timezone).getDate().getTime() + (((local % 1000) + 1000) % 1000);
}
