import type { Backoff } from './config.js';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `500ms`, `2s`, `1.5h`, `30d`: a number with its unit, never a bare number. */
export const DURATION_PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** `2s..5m`: from the first to the last delay. */
export const BACKOFF_PATTERN = /^(\d+(?:\.\d+)?(?:ms|s|m|h|d))\.\.(\d+(?:\.\d+)?(?:ms|s|m|h|d))$/;

/** Whole milliseconds, or null when the text is no duration. */
export function parseDuration(text: string): number | null {
  const match = DURATION_PATTERN.exec(text);
  if (match === null) return null;
  return Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]);
}

/** null also when the second is shorter than the first. */
export function parseBackoff(text: string): Backoff | null {
  const match = BACKOFF_PATTERN.exec(text);
  const minMs = parseDuration(match?.[1] ?? '');
  const maxMs = parseDuration(match?.[2] ?? '');
  return minMs === null || maxMs === null || maxMs < minMs ? null : { minMs, maxMs };
}

/** As a person would write it: the largest unit that gives a whole number. */
export function formatDuration(durationMs: number): string {
  const units = Object.entries(UNIT_MS).reverse();
  const [unit, unitMs] = units.find(([, ms]) => durationMs >= ms && durationMs % ms === 0) ?? ['ms', 1];
  return `${durationMs / unitMs}${unit}`;
}
