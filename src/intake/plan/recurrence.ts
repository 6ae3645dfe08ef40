import { Cron } from 'croner';

/** The times at which a repeating record is to run. */
export interface Recurrence {
  /** The same text for the same times: pattern, zone and bounds. */
  readonly text: string;
  /** The first time after `ms`; null when there is none any more. */
  after(ms: number): number | null;
  /** The last time at or before `ms` and after `afterMs`, newest first, at most `most`. */
  between(afterMs: number, ms: number, most: number): readonly number[];
}

export interface RecurrenceRule {
  readonly timezone: string;
  /** -Infinity: from ever. */
  readonly startMs: number;
  readonly endMs: number | null;
}

/** The error's text for what is no cron expression, or one that never comes. */
export function recurrenceOf(
  pattern: unknown,
  { timezone, startMs, endMs }: RecurrenceRule,
): Recurrence | string {
  if (typeof pattern !== 'string') return 'its "every" is no text';
  const cron = parse(pattern, timezone);
  if (typeof cron === 'string') return `its "every" is ${JSON.stringify(pattern)}: ${cron}`;
  return {
    text: [pattern, timezone, startMs === Number.NEGATIVE_INFINITY ? '' : startMs, endMs ?? ''].join('|'),
    after(ms) {
      const next = cron.nextRun(new Date(Math.max(ms, startMs - 1)))?.getTime() ?? null;
      return next === null || (endMs !== null && next >= endMs) ? null : next;
    },
    between(afterMs, ms, most) {
      const lastMs = endMs === null ? ms : Math.min(ms, endMs - 1);
      // croner looks at whole seconds before its reference.
      const runs = cron.previousRuns(most, new Date(Math.floor(lastMs / 1000) * 1000 + 1000));
      return runs.map((run) => run.getTime()).filter((at) => at > afterMs && at >= startMs && at <= lastMs);
    },
  };
}

function parse(pattern: string, timezone: string): Cron | string {
  try {
    const cron = new Cron(pattern, { timezone, paused: true });
    return cron.nextRun(new Date(0)) === null ? 'that day never comes' : cron;
  } catch (error) {
    return (error as Error).message.replace(/^Cron\w+: /, '');
  }
}
