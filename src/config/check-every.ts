import type { Finding } from './explain.js';

/** Whether each `every` is a cron expression that ever comes. croner is loaded only where a config has one. */
export async function checkEvery(written: unknown): Promise<readonly Finding[]> {
  const patterns = Object.entries(map(map(written)['sources'])).flatMap(([name, source]) => {
    const { every } = map(source);
    return typeof every === 'string' ? [{ path: ['sources', name, 'every'], every }] : [];
  });
  if (patterns.length === 0) return [];
  const { Cron } = await import('croner');
  return patterns.flatMap(({ path, every }) => {
    const problem = problemOf(() => new Cron(every, { timezone: 'UTC', paused: true }).nextRun(new Date(0)));
    if (problem === null) return [];
    const fix = 'five fields: minute, hour, day, month, weekday, as in "0 6 * * *" for 06:00 each day';
    return { path, message: problem, fix };
  });
}

function problemOf(firstRun: () => Date | null): string | null {
  try {
    return firstRun() === null ? 'names a day that never comes' : null;
  } catch (error) {
    return `is no cron expression: ${(error as Error).message.replace(/^Cron\w+: /, '')}`;
  }
}

function map(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
