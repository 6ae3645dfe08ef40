import type { JobState } from '../job/job.js';
import { countText, plural } from '../platform/duration-text.js';
import { escapeText } from './escape.js';
import type { Layout } from './screen-parts.js';
import { type Cell, formatTable } from './table.js';

/** What an account of a source tells; see `intake/account-book.ts`. */
export interface AccountView {
  readonly name: string;
  readonly records: number;
  readonly states: Readonly<Record<JobState, number>>;
  readonly rejected: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly open: readonly {
    readonly key: string | null;
    readonly path: string;
    readonly line: number | null;
    readonly offset: number;
    readonly reason: string;
  }[];
  readonly openCount: number;
  readonly waitingFiles: number;
  readonly waitingPath: string | null;
  readonly problem: string | null;
}

const STATES = ['completed', 'pending', 'running', 'failed', 'cancelled', 'expired'] as const;
/** Ends that are rare have a column only where there are any. */
const RARE: ReadonlySet<JobState> = new Set(['cancelled', 'expired']);

/** One row for each source: where its records stand. */
export function auditTable(accounts: readonly AccountView[], { columns, paint }: Layout): string[] {
  const states = STATES.filter((state) => !RARE.has(state) || accounts.some(({ states: s }) => s[state] > 0));
  return formatTable(
    [
      { title: 'Source', shrinkTo: 8 },
      ...['records', ...states, 'rejected', 'unaccounted'].map((title) => ({
        title,
        align: 'right' as const,
      })),
    ],
    accounts.map((account) => [
      account.name,
      countText(account.records),
      ...states.map((state) => figure(account.states[state], state === 'failed' ? 'red' : null)),
      figure(account.rejected, 'yellow'),
      figure(account.openCount, 'red'),
    ]),
    columns,
    paint,
  );
}

function figure(count: number, style: 'red' | 'yellow' | null): Cell {
  if (count === 0) return { text: '0', style: 'dim' };
  return style === null ? countText(count) : { text: countText(count), style };
}

/** What a person must know beside the figures: what could not be read, what is being written, what was refused and why. */
export function accountRemarks(
  accounts: readonly AccountView[],
  { remedy }: Pick<Layout, 'remedy'>,
): string[] {
  const lines: string[] = [];
  for (const account of accounts) {
    const { name, problem, waitingFiles, waitingPath, rejected, reasons } = account;
    const source = escapeText(name);
    if (problem !== null) lines.push(`❌ ${source} could not be read as a whole: ${escapeText(problem)}`);
    if (waitingFiles > 0) {
      const files = plural(waitingFiles, 'file is', 'files are');
      lines.push(`⏳ ${source}: ${files} being written: ${escapeText(waitingPath ?? '')}`);
    }
    if (rejected > 0) {
      const why = Object.entries(reasons).map(([reason, count]) => `${reason} ${countText(count)}`);
      const command = `${remedy('dogged rejects')} --source ${source}`;
      lines.push(`⚠️ ${source}: ${countText(rejected)} rejected (${why.join(', ')}): ${command}`);
    }
  }
  return lines;
}

const MOST_NAMED = 20;

/** The first of what is unaccounted for, each with its place. */
export function openLines(accounts: readonly AccountView[]): string[] {
  const lines = accounts.flatMap(({ name, open }) =>
    open.map(({ key, path, line, offset, reason }) => {
      const place = line === null ? `${path} at byte ${offset}` : `${path}:${line}`;
      const which = key === null ? '' : ` "${key}"`;
      return escapeText(`${name}:${which} in ${place}: ${WORDS[reason] ?? reason}`);
    }),
  );
  const total = accounts.reduce((sum, { openCount }) => sum + openCount, 0);
  const shown = lines.slice(0, MOST_NAMED);
  return total > shown.length ? [...shown, `… and ${countText(total - shown.length)} more`] : shown;
}

const WORDS: Readonly<Record<string, string>> = {
  'never-admitted': 'no job was ever made of it',
  changed: 'it changed, and its new version was not taken',
};
