const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;

/** A length of time as a person says it: `350 ms`, `7s`, `12m 5s`, `3h 12m`, `2d 14h`, `3y 20d`. Never more than two parts. */
export function durationText(durationMs: number): string {
  const ms = Math.max(0, Math.round(durationMs));
  if (ms < SECOND_MS) return `${ms} ms`;
  if (ms < 10 * SECOND_MS && ms % SECOND_MS >= 100) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`;
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)}s`;
  if (ms < HOUR_MS) return twoParts(ms, MINUTE_MS, 'm', SECOND_MS, 's');
  if (ms < DAY_MS) return twoParts(ms, HOUR_MS, 'h', MINUTE_MS, 'm');
  if (ms < YEAR_MS) return twoParts(ms, DAY_MS, 'd', HOUR_MS, 'h');
  return twoParts(ms, YEAR_MS, 'y', DAY_MS, 'd');
}

function twoParts(ms: number, unitMs: number, unit: string, smallerMs: number, smaller: string): string {
  const rest = Math.floor((ms % unitMs) / smallerMs);
  const head = `${Math.floor(ms / unitMs)}${unit}`;
  return rest === 0 ? head : `${head} ${rest}${smaller}`;
}

/** A size as a person says it: `812 B`, `1.5 KB`, `41 MB`. Powers of 1024, as in the config. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? value.toFixed(1) : String(Math.round(value));
  return `${digits} ${units[unit]}`;
}

/** A number with its thousands apart: `5,812`. */
export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 job`, `2 jobs`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}
