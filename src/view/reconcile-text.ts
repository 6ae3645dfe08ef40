import { countText } from '../platform/duration-text.js';
import type { Layout } from './screen-parts.js';
import { type Cell, formatTable } from './table.js';

/** What became of the records that a reconciliation found in one source. */
export interface ReconcileFigures {
  readonly found: number;
  readonly queued: number;
  readonly alreadyQueued: number;
  readonly alreadyDone: number;
  readonly changedIgnored: number;
  readonly rejected: number;
}

const COLUMNS: readonly (readonly [title: string, field: keyof ReconcileFigures])[] = [
  ['found', 'found'],
  ['queued', 'queued'],
  ['already queued', 'alreadyQueued'],
  ['already done', 'alreadyDone'],
  ['changed, ignored', 'changedIgnored'],
  ['rejected', 'rejected'],
];

/** One row for each source. */
export function reconcileTable(
  sources: readonly { readonly name: string; readonly figures: ReconcileFigures }[],
  { columns, paint }: Layout,
): string[] {
  return formatTable(
    [{ title: 'Source', shrinkTo: 8 }, ...COLUMNS.map(([title]) => ({ title, align: 'right' as const }))],
    sources.map(({ name, figures }) => [name, ...COLUMNS.map(([, field]) => figure(figures[field]))]),
    columns,
    paint,
  );
}

function figure(count: number): Cell {
  return count === 0 ? { text: '0', style: 'dim' } : countText(count);
}
