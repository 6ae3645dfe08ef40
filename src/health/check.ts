/** How one thing stands. `unknown`: the check could not be made, which is never a pass. `not-applicable` counts for nothing. */
export type CheckStatus = 'ok' | 'warning' | 'critical' | 'unknown' | 'not-applicable';

export interface CheckResult {
  /** Stable, for scripts. */
  readonly name: string;
  /** What the line begins with, for people; null where the text says it all. */
  readonly heading: string | null;
  readonly status: CheckStatus;
  readonly text: string;
  /** The command that mends it, or null. */
  readonly remedy: string | null;
  /** The numbers of its text, for scripts; null for what is not known. */
  readonly figures?: Readonly<Record<string, number | null>>;
}

export interface Check {
  /** Names the check when it comes to no result of its own. */
  readonly name: string;
  run(): CheckResult[] | Promise<CheckResult[]>;
}

export function result(
  name: string,
  heading: string | null,
  status: CheckStatus,
  text: string,
  remedy: string | null = null,
): CheckResult {
  return { name, heading, status, text, remedy };
}
