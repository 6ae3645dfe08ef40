import { type Clock, pause } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import type { Check, CheckResult, CheckStatus } from './check.js';

export type Verdict = 'healthy' | 'degraded' | 'unhealthy' | 'unknown';

export interface Diagnosis {
  readonly verdict: Verdict;
  readonly checks: readonly CheckResult[];
}

/** As monitoring plugins have them. */
export const DIAGNOSIS_EXIT: Readonly<Record<Verdict, number>> = {
  healthy: 0,
  degraded: 1,
  unhealthy: 2,
  unknown: 3,
};

const CHECK_WITHIN_MS = 3_000;

/**
 * Makes every check under a time limit; one that fails or hangs is `unknown` and stops no other. One after another: a
 * database that blocks this process must not use up the time of its neighbours. `asAdvised` turns a remedy into the form
 * that works where it is read.
 */
export async function diagnose(
  checks: readonly Check[],
  clock: Clock,
  asAdvised: (remedy: string) => string = (remedy) => remedy,
): Promise<Diagnosis> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    for (const one of await runCheck(check, clock)) {
      results.push({ ...one, remedy: one.remedy === null ? null : asAdvised(one.remedy) });
    }
  }
  return { verdict: verdictOf(results), checks: results };
}

async function runCheck(check: Check, clock: Clock): Promise<CheckResult[]> {
  const cannotTell = (why: string): CheckResult[] => [
    {
      name: check.name,
      heading: headingOf(check.name),
      status: 'unknown',
      text: `could not be checked: ${why}`,
      remedy: null,
    },
  ];
  const over = new AbortController();
  const late = pause(clock, CHECK_WITHIN_MS, over.signal).then(() =>
    cannotTell(`no answer within ${CHECK_WITHIN_MS / 1_000} s`),
  );
  try {
    return await Promise.race([Promise.resolve().then(() => check.run()), late]);
  } catch (error) {
    return cannotTell(error instanceof Error ? error.message : String(error));
  } finally {
    over.abort();
  }
}

function headingOf(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', ' ')}`;
}

function verdictOf(results: readonly CheckResult[]): Verdict {
  const has = (status: CheckStatus) => results.some((one) => one.status === status);
  if (has('critical')) return 'unhealthy';
  if (has('warning')) return 'degraded';
  return has('unknown') ? 'unknown' : 'healthy';
}

const MARKS: Readonly<Record<CheckStatus, string>> = {
  ok: '✅',
  warning: '⚠️',
  critical: '❌',
  unknown: '❔',
  'not-applicable': '➖',
};
const HEADING_COLUMNS = 18;

const PLUGIN_WORDS: Readonly<Record<Verdict, string>> = {
  healthy: 'OK',
  degraded: 'WARNING',
  unhealthy: 'CRITICAL',
  unknown: 'UNKNOWN',
};
/** The worst first; what is well or not applicable is not named. */
const NAMED: readonly CheckStatus[] = ['critical', 'warning', 'unknown'];

/** Such programs show one line, and some cut it: the whole text stands below. */
const MOST_TOLD = 3;
const LONGEST_TOLD = 100;

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= LONGEST_TOLD ? text : `${characters.slice(0, LONGEST_TOLD - 1).join('')}…`;
}

/** The one line that monitoring plugins show: the verdict, and what it rests on. */
export function summaryLine({ verdict, checks }: Diagnosis): string {
  const named = NAMED.flatMap((status) => checks.filter((check) => check.status === status));
  const told = named
    .slice(0, MOST_TOLD)
    .map(({ heading, text }) => cut(heading === null ? text : `${heading}: ${text}`));
  if (named.length > told.length) told.push(`and ${named.length - told.length} more`);
  const made = checks.filter(({ status }) => status !== 'not-applicable').length;
  const what = told.length === 0 ? plural(made, 'check') : told.join('; ');
  // A bar would begin the figures that such programs draw.
  return `DOGGED ${PLUGIN_WORDS[verdict]} - ${what}`.replaceAll('|', '/').replaceAll('\n', ' ');
}

/** One line for each check, and the verdict last. */
export function diagnosisLines({ verdict, checks }: Diagnosis): string[] {
  return [...checks.map(lineOf), verdictLine(verdict, checks)];
}

function lineOf({ heading, status, text, remedy }: CheckResult): string {
  const head = heading === null ? '' : `${heading.padEnd(HEADING_COLUMNS - 2)}  `;
  return `${MARKS[status]} ${head}${text}${remedy === null ? '' : `: ${remedy}`}`;
}

function verdictLine(verdict: Verdict, checks: readonly CheckResult[]): string {
  const count = (status: CheckStatus) => checks.filter((check) => check.status === status).length;
  const [critical, warnings, unknown] = [count('critical'), count('warning'), count('unknown')];
  const parts = [
    critical > 0 ? `${critical} critical` : '',
    warnings > 0 ? `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}` : '',
    unknown > 0 ? `${unknown} unknown` : '',
  ].filter((part) => part !== '');
  switch (verdict) {
    case 'healthy':
      return '✅ SYSTEM HEALTHY - All checks passed';
    case 'degraded':
      return `⚠️ SYSTEM DEGRADED - ${parts.join(', ')}`;
    case 'unhealthy':
      return `❌ SYSTEM UNHEALTHY - ${parts.join(', ')}`;
    case 'unknown':
      return `❔ SYSTEM UNKNOWN - ${parts.join(', ')}`;
  }
}
