import { describe, expect, it } from 'vitest';
import { timesOf } from '../../../src/intake/plan/times.js';
import { isRefusal } from '../../../src/intake/refusal.js';

const read = (record: object, timezone: string | null = null) => {
  const times = timesOf(record, 'a', { timezone });
  if (isRefusal(times)) return `${times.refused}: ${times.detail} | ${times.remedy}`;
  const { startMs, endMs } = times;
  return [startMs, endMs].map((ms) => ms !== null && new Date(ms).toISOString());
};
const start = (text: unknown, timezone: string | null = null) => {
  const found = read({ start: text }, timezone);
  return typeof found === 'string' ? found : found[0];
};

describe('a time', () => {
  it.each([
    ['2026-07-16T19:00:00Z', '2026-07-16T19:00:00.000Z'],
    ['2026-07-16T19:00:00.5z', '2026-07-16T19:00:00.500Z'],
    ['2026-07-16 19:00:00+00:00', '2026-07-16T19:00:00.000Z'],
    ['2026-07-16T19:00+02:00', '2026-07-16T17:00:00.000Z'],
    ['2026-07-16T19:00:00.123456789-0330', '2026-07-16T22:30:00.123Z'],
    ['2026-07-16T00:30:00+05:45', '2026-07-15T18:45:00.000Z'],
    ['2026-07-16T19:00:00+02', '2026-07-16T17:00:00.000Z'],
    ['2028-02-29T12:00:00Z', '2028-02-29T12:00:00.000Z'],
    ['2026-12-31T23:59:59Z', '2026-12-31T23:59:59.000Z'],
    [1_784_214_000_000, '2026-07-16T15:00:00.000Z'],
  ])('%j is read as it is written', (written, meant) => {
    expect(start(written)).toBe(meant);
  });

  it.each([
    ['2026-02-29T12:00:00Z', 'a day that does not exist'],
    ['2026-04-31T12:00:00Z', 'a day that does not exist'],
    ['2026-07-16T24:00:00Z', 'an hour that does not exist'],
    ['2026-07-16T19:60:00Z', 'a minute that does not exist'],
    ['2026-13-01T00:00:00Z', 'a month that does not exist'],
    ['16.07.2026 19:00', 'another way of writing'],
    ['2026-07-16', 'a day without a time'],
    ['', 'nothing'],
    [true, 'no text'],
    [{}, 'no text'],
    [12.5e12 + 0.5, 'half a millisecond'],
    [Number.MAX_SAFE_INTEGER + 2, 'a number that has lost digits'],
  ] as [unknown, string][])('%j is refused: %s', (written) => {
    expect(start(written)).toMatch(/^bad-time: its "start" .+ \| write .*ISO 8601 with a zone/);
  });

  it('in seconds is told from one in milliseconds', () => {
    expect(start(1_784_214_000)).toMatch(/reads like seconds \| write milliseconds/);
  });

  it('without a zone is refused where the source names none: an hour wrong is worse than a refusal', () => {
    expect(start('2026-07-16T19:00:00')).toMatch(/names no zone \| write the zone with it/);
  });

  it.each([
    ['2026-07-16T19:00:00', '2026-07-16T17:00:00.000Z', 'summer'],
    ['2026-01-16T19:00:00.250', '2026-01-16T18:00:00.250Z', 'winter'],
    ['2026-03-29T01:59:59', '2026-03-29T00:59:59.000Z', 'before the clocks go forward'],
    ['2026-03-29T02:30:00', '2026-03-29T01:30:00.000Z', 'left out: comes as much later'],
    ['2026-03-29T03:00:00', '2026-03-29T01:00:00.000Z', 'after the clocks went forward'],
    ['2026-10-25T02:30:00', '2026-10-25T00:30:00.000Z', 'comes twice: the first'],
    ['2026-10-25T03:00:00', '2026-10-25T02:00:00.000Z', 'after the clocks went back'],
  ])('%s without a zone is %s in Berlin (%s)', (written, meant) => {
    expect(start(written, 'Europe/Berlin')).toBe(meant);
  });

  it('with a zone of its own means that one, whatever the source names', () => {
    expect(start('2026-07-16T19:00:00Z', 'Europe/Berlin')).toBe('2026-07-16T19:00:00.000Z');
  });
});

describe("a record's own timezone", () => {
  const next = (record: object, timezone: string | null) => {
    const times = timesOf(record, 'a', { timezone });
    if (isRefusal(times)) return times.refused;
    return new Date(times.recurrence?.after(Date.UTC(2026, 6, 16)) ?? 0).toISOString().slice(8, 16);
  };

  it.each([null, 'America/New_York'])('counts for its "every" (source: %s)', (ofSource) => {
    expect(next({ every: '0 6 * * *', timezone: 'Europe/Berlin' }, ofSource)).toBe('16T04:00');
    expect(next({ every: '0 6 * * *', timezone: null }, ofSource)).toBe(ofSource ? '16T10:00' : '16T06:00');
  });

  it('counts for its times that name no zone', () => {
    const times = { start: '2026-07-16T19:00:00', end: '2026-07-16T20:00:00Z', timezone: 'Europe/Berlin' };
    const meant = ['2026-07-16T17:00:00.000Z', '2026-07-16T20:00:00.000Z'];
    for (const ofSource of [null, 'America/New_York']) expect(read(times, ofSource)).toEqual(meant);
  });

  it.each(['Mars/Olympus', 2, '', {}])('%j is refused where it would count, and only there', (timezone) => {
    const refused = /^bad-timezone: its "timezone" is .+, which is no time zone \| name one/;
    expect(read({ every: '0 6 * * *', timezone }, 'UTC')).toMatch(refused);
    expect(read({ start: '2026-07-16T19:00:00', timezone }, 'UTC')).toMatch(refused);
    expect(read({ start: 1e12, end: '2026-07-16T19:00:00Z', timezone })).toHaveLength(2);
    expect(timesOf({ every: '0 6 * * *', timezone }, 'a', { timezone: null })).toMatchObject({ key: 'a' });
  });
});

describe('a window', () => {
  it('may be open to the end', () => {
    for (const end of [undefined, null])
      expect(read({ start: 1e12, end })).toEqual(['2001-09-09T01:46:40.000Z', false]);
  });

  it.each([
    [
      { start: '2026-07-16T19:00:00Z', end: '2026-07-16T18:00:00Z' },
      /^end-before-start: it ends at .*18:00.* before it starts/,
    ],
    [
      { start: '2026-07-16T19:00:00+02:00', end: '2026-07-16T17:00:00Z' },
      /^no-length: .* \| give it a later end, or leave the end out/,
    ],
    [{ start: 1e12, end: 'soon' }, /^bad-time: its "end"/],
    [{ end: 1e12 }, /^no-start: it has no "start"/],
    [{ start: null }, /^no-start/],
    [{ start: 1e12, every: 5 }, /^bad-every: its "every" is no text/],
    [{ every: '61 * * * *' }, /^bad-every: .*Invalid value for minute: 61/],
    [{ every: '0 0 30 2 *' }, /^bad-every: .*that day never comes/],
  ])('%j is refused', (record, why) => {
    expect(read(record)).toMatch(why);
  });

  it('belongs to an object', () => {
    for (const value of [null, 5, 'x']) {
      expect(timesOf(value, 'a', { timezone: null })).toMatchObject({ refused: 'no-start', key: 'a' });
    }
  });
});
