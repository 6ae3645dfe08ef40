import { splitText, textWidth, truncateText } from './text-width.js';

/** What `painter` puts into a line. */
const STYLES = /\x1b\[\d+m/g;

/** Columns that a line takes which may be coloured. */
function lineWidth(line: string): number {
  return textWidth(plainLine(line));
}

/** The line without its colours. */
export function plainLine(line: string): string {
  return line.replace(STYLES, '');
}

/** A line of a table that is still too wide, cut; without its colours then, which could be cut in the middle. */
export function clipLine(line: string, columns: number): string {
  return lineWidth(line) <= columns ? line : truncateText(plainLine(line), columns);
}

/** A sentence in as many lines as it needs, broken between words. A word that is too long for a line is cut. */
export function wrapLine(line: string, columns: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    const longer = current === '' ? word : `${current} ${word}`;
    if (current !== '' && lineWidth(longer) > columns) {
      lines.push(current);
      current = `  ${word}`;
    } else {
      current = longer;
    }
  }
  return [...lines, current].map((one) => clipLine(one, columns));
}

/** A line of somebody's output in as many lines as it needs, cut anywhere, so that nothing of it is missing. */
export function foldLine(line: string, columns: number): string[] {
  return lineWidth(line) <= columns ? [line] : splitText(plainLine(line), columns);
}

/** A part of a screen whose list may be cut where the screen is too low for all of it. */
export interface ScreenPart {
  readonly title: string;
  /** Always shown. */
  readonly head: readonly string[];
  /** Entries, each of one or more lines. */
  readonly list: readonly (readonly string[])[];
  /** How many entries there are in all: more than the list has, where not all of them were asked for. */
  readonly total: number;
}

/**
 * The parts one after the other in at most `rows` lines, and `… and N more` wherever entries are left out. Entries are
 * worth more than the empty lines between the parts, so those go first; then the longest list is cut.
 */
export function fitParts(parts: readonly ScreenPart[], rows: number): string[] {
  const shown = parts.map(({ list }) => list.length);
  const texts = () =>
    parts.map((part, i) => partLines(part, shown[i] ?? 0)).filter((lines) => lines.length > 0);
  const spaced = texts().flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]));
  if (spaced.length <= rows) return spaced;
  for (;;) {
    const lines = texts().flat();
    const most = Math.max(...shown);
    if (lines.length <= rows || most <= 0) return lines;
    shown[shown.lastIndexOf(most)] = most - 1;
  }
}

function partLines({ title, head, list, total }: ScreenPart, shown: number): string[] {
  if (head.length === 0 && list.length === 0) return [];
  const more = total > shown ? [`… and ${total - shown} more`] : [];
  return [...(title === '' ? [] : [title]), ...head, ...list.slice(0, shown).flat(), ...more];
}
