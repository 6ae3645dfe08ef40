import { z } from 'zod';
import { isWorkspaceId, MAX_PRIORITY } from '../job/job.js';
import {
  BACKOFF_PATTERN,
  DURATION_PATTERN,
  formatDuration,
  parseBackoff,
  parseDuration,
} from './duration.js';
import { parseSize, SIZE_PATTERN } from './size.js';
import { CREDENTIALS_ERROR, hasCredentials, isRedisAddress } from './store-address.js';

/* The kinds of value that settings have. Every message completes "<path> …": it begins with "must". */

/** Names of sources and tasks: they stand in commands, file names and environment variables. */
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const FIELD_PATTERN = /^(?:[^/].*|(?:\/(?:[^~/]|~[01])*)+)$/;
export const VARIABLE_PATTERN = /^[A-Za-z_][A-Za-z0-9_]*$/;

export const name = z
  .string('must be a name')
  .regex(
    NAME_PATTERN,
    'must be 1 to 64 letters, digits, "_", "-" or ".", beginning with a letter or a digit',
  );

export const text = z.string('must be text').min(1, 'must not be empty');
export const flag = z.boolean('must be true or false');
export const field = z
  .string('must be the name of a field')
  .regex(FIELD_PATTERN, 'must be the name of a field, or a JSON pointer such as /meta/id');
export const words = z.array(z.string('must be text: put it in quotes'), 'must be a list of texts');

export function integer(least: number, most: number) {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** Milliseconds once read. */
export function duration(least: string, most: string) {
  const [leastMs, mostMs] = [parseDuration(least) ?? 0, parseDuration(most) ?? 0];
  const error = `must be a duration from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}, such as 500ms, 2s, 10m, 2h or 30d`;
  return z
    .string({ error })
    .regex(DURATION_PATTERN, { error })
    .transform((written, context) => {
      const ms = parseDuration(written);
      if (ms === null || ms < leastMs || ms > mostMs) {
        context.addIssue({ code: 'custom', message: error });
        return z.NEVER;
      }
      return ms;
    });
}

const PERCENT_ERROR = 'must be a share from 1% to 100%, such as 90%';

/** 0 to 1 once read. */
export const percent = z
  .string({ error: PERCENT_ERROR })
  .regex(/^(?:100|[1-9]\d?)%$/, { error: PERCENT_ERROR })
  .transform((written) => Number.parseInt(written, 10) / 100);

/** Bytes once read. */
export function size(least: string, most: string) {
  const [leastBytes, mostBytes] = [parseSize(least) ?? 0, parseSize(most) ?? 0];
  const error = `must be a size from ${least} to ${most}, such as 64KB or 10MB`;
  return z
    .string({ error })
    .regex(SIZE_PATTERN, { error })
    .transform((written, context) => {
      const bytes = parseSize(written);
      if (bytes === null || bytes < leastBytes || bytes > mostBytes) {
        context.addIssue({ code: 'custom', message: error });
        return z.NEVER;
      }
      return bytes;
    });
}

const BACKOFF_ERROR = 'must be a first and a last delay, such as 2s..5m';
export const backoff = z
  .string({ error: BACKOFF_ERROR })
  .regex(BACKOFF_PATTERN, { error: BACKOFF_ERROR })
  .transform((written, context) => {
    const delays = parseBackoff(written);
    if (delays !== null) return delays;
    context.addIssue({ code: 'custom', message: `${BACKOFF_ERROR}, with the shorter one first` });
    return z.NEVER;
  });

export const workspace = z
  .string('must be a workspace id')
  .refine(
    isWorkspaceId,
    'must be a workspace id: 1 to 32 of a-z, 0-9, "_" and "-", beginning with a letter or digit',
  )
  .describe('Keeps the jobs and keys of one user or project apart from those of others in the same store.');

export const site = z
  .string('must be a name')
  .regex(NAME_PATTERN, 'must be 1 to 64 letters, digits, "_", "-" or ".", beginning with a letter or a digit')
  .describe('Tells this machine from others with the same store on Redis. Default: the host name.');

const STORE_ERROR = 'must be sqlite, or an address such as redis://127.0.0.1:6379/0 or rediss://host:6379/0';

/** User and password are no part of it: they come from the environment. */
export const store = z
  .string(STORE_ERROR)
  .refine((written) => written === 'sqlite' || isRedisAddress(written), STORE_ERROR)
  .refine((written) => !hasCredentials(written), { error: CREDENTIALS_ERROR })
  .describe(
    'Where jobs are kept: sqlite, or Redis for several machines. Its user and password come from the environment.',
  );

export const priority = integer(-MAX_PRIORITY, MAX_PRIORITY).describe(
  'Each step lets a job stand in the line as if it had become due a minute earlier, so important work goes first and nothing starves.',
);

export const scalar = z.union(
  [z.string(), z.number(), z.boolean(), z.null()],
  'must be a text, a number, true, false or null',
);
