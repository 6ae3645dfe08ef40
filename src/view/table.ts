import type { Paint, Style } from './colour.js';
import { escapeText } from './escape.js';
import { padText, textWidth, truncateText } from './text-width.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** May be cut, with an ellipsis, down to this width when the table is wider than the screen. */
  readonly shrinkTo?: number;
}

/** Plain text, escaped here; a style is put on after the text was measured and padded. */
export type Cell = string | { readonly text: string; readonly style: Style };

const GAP = '  ';

/**
 * Lines of aligned columns. Every cell is escaped, so no cell can break the table. Columns are never wider than what
 * stands in them; if that is more than `width`, those that may shrink do, the widest first.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  paint: Paint,
): string[] {
  const texts = rows.map((row) => columns.map((_, i) => escapeText(cellText(row[i] ?? ''))));
  const widths = columns.map((column, i) =>
    texts.reduce((widest, row) => Math.max(widest, textWidth(row[i] ?? '')), textWidth(column.title)),
  );
  shrink(columns, widths, width - GAP.length * (columns.length - 1));

  const line = (cells: readonly string[], style: (index: number) => Style | undefined) =>
    cells
      .map((cell, i) => {
        const columnWidth = widths[i] ?? 0;
        const text = truncateText(cell, columnWidth);
        const wanted = style(i);
        const isLast = i === cells.length - 1;
        const padded =
          isLast && columns[i]?.align !== 'right' ? text : padText(text, columnWidth, columns[i]?.align);
        return wanted === undefined || text === '' ? padded : padded.replace(text, () => paint(text, wanted));
      })
      .join(GAP)
      .trimEnd();

  const head = columns.some((column) => column.title !== '')
    ? [
        line(
          columns.map((column) => column.title),
          () => 'dim',
        ),
      ]
    : [];
  return [...head, ...texts.map((cells, r) => line(cells, (i) => cellStyle(rows[r]?.[i] ?? '')))];
}

function shrink(columns: readonly Column[], widths: number[], available: number): void {
  let excess = widths.reduce((sum, w) => sum + w, 0) - available;
  while (excess > 0) {
    let widest = -1;
    for (const [i, column] of columns.entries()) {
      const current = widths[i] ?? 0;
      if (column.shrinkTo === undefined || current <= column.shrinkTo) continue;
      if (widest < 0 || current > (widths[widest] ?? 0)) widest = i;
    }
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
}

function cellText(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function cellStyle(cell: Cell): Style | undefined {
  return typeof cell === 'string' ? undefined : cell.style;
}
