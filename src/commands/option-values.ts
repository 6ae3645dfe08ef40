import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/duration.js';
import { DoggedError } from '../job/errors.js';
import { isWorkspaceId } from '../job/job.js';

/** A parser for commander: a whole number within bounds. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    const bounds = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`It must be a whole number ${bounds}.`);
  };
}

/** A parser for commander: `500ms 2s 10m 2h 30d`, in milliseconds. */
export function duration(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs !== null) return durationMs;
  throw new InvalidArgumentError('It must be a duration, such as 500ms, 2s, 10m, 2h or 30d.');
}

/** When a job is to run: a date, or a time from now. */
export type RunAt = { readonly atMs: number } | { readonly inMs: number };

/** A parser for commander: `2026-01-01T06:00:00Z` (without a zone: local time), or `+10m`. */
export function runAt(text: string): RunAt {
  if (text.startsWith('+')) return { inMs: duration(text.slice(1)) };
  const atMs = /^\d{4}-\d\d-\d\d([T ]|$)/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return { atMs };
  throw new InvalidArgumentError(
    'It must be a time such as 2026-01-01T06:00:00Z, or one from now such as +10m.',
  );
}

/** A parser for commander: what stands for one thing, so that none of it cannot be meant: often a shell variable that is not set. */
export function notEmpty(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It must not be empty. Leave the option out where you mean none.');
}

/** A parser for commander: a workspace id; anything else is WORKSPACE_INVALID. */
export function workspaceId(text: string): string {
  if (!isWorkspaceId(text)) throw new DoggedError('WORKSPACE_INVALID', { workspace: text });
  return text;
}
