export interface PanelPart {
  readonly lines: readonly string[];
  /** In fewer lines it is not worth showing, unless it has no more. */
  readonly least: number;
  /** So many of its lines are no entries, but what stands above them. */
  readonly head: number;
}

/**
 * The parts in at most `rows` lines. The first ones matter most: where not even the least of each has room, the last are
 * left out; where some is left over, it goes to the first that lack lines, and at last between the parts.
 */
export function fillRows(parts: readonly PanelPart[], rows: number): string[] {
  let kept = parts.filter(({ lines }) => lines.length > 0);
  const leastOf = ({ lines, least }: PanelPart) => Math.min(lines.length, least);
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
  while (kept.length > 1 && sum(kept.map(leastOf)) > rows) kept = kept.slice(0, -1);

  let left = rows;
  const given = kept.map((part) => {
    const count = Math.max(0, Math.min(leastOf(part), left));
    left -= count;
    return count;
  });
  for (const [i, { lines }] of kept.entries()) {
    const more = Math.min(left, lines.length - (given[i] ?? 0));
    given[i] = (given[i] ?? 0) + more;
    left -= more;
  }
  const isAiry = left >= kept.length - 1;
  return kept.flatMap((part, i) => [...(isAiry && i > 0 ? [''] : []), ...cut(part, given[i] ?? 0)]);
}

/** What is left out is counted in the last line, if there is another one. */
function cut({ lines, head }: PanelPart, count: number): readonly string[] {
  if (count >= lines.length) return lines;
  if (count <= head + 1) return lines.slice(0, count);
  return [...lines.slice(0, count - 1), `… and ${lines.length - count + 1} more`];
}
