/**
 * The words by which refusals are counted. Each is explained in docs/sources.md with its remedy; a new one goes there too.
 */
export const REFUSAL_REASONS = [
  'json',
  'utf8',
  'not-finite',
  'too-large',
  'too-deep',
  'unsafe-key',
  'no-key',
  'no-version',
  'schema',
  'hung',
  'nul-bytes',
  'unfinished',
  'not-records',
  'gap',
  'no-start',
  'bad-time',
  'bad-timezone',
  'no-length',
  'end-before-start',
  'bad-every',
  'repeated-id',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** Why a record does not become a job, and what a person can do about it. */
export interface Refusal {
  readonly refused: RefusalReason;
  readonly detail: string;
  readonly remedy: string;
  /** null when it was refused before it had one. */
  readonly key: string | null;
}

export function refuse(
  refused: RefusalReason,
  detail: string,
  remedy: string,
  key: string | null = null,
): Refusal {
  return { refused, detail, remedy, key };
}

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value;
}
