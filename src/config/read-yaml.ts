import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';
import type { ConfigDocument, ConfigPath, Position, Problem } from './problem.js';

/** Aliases may repeat a value; a file that would grow without end through them is refused. */
const MAX_ALIASES = 100;

/** Reads YAML 1.2 (with merge keys). Keys that stand twice, unknown tags and dangling aliases are problems, not guesses. */
export function readYaml(text: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problem = (offset: number, message: string, fix: string | null): Problem => ({
    position: positionAt(offset),
    variable: null,
    path: '',
    message: `is not valid YAML: ${message}`,
    fix,
  });
  const problems = [...document.errors, ...document.warnings].map((error) =>
    problem(error.pos[0], error.message, FIXES[error.code] ?? null),
  );
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      const fix = 'a text that begins with * needs quotes: "*.json"';
      problems.push(problem(alias.range?.[0] ?? 0, `*${alias.source} stands for nothing`, fix));
    },
  });
  let value: unknown;
  let isWhole =
    document.errors.every(({ code }) => code === 'DUPLICATE_KEY') &&
    problems.length === document.errors.length;
  if (isWhole) {
    if (document.errors.length > 0) mergeDuplicates(document);
    try {
      value = document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      problems.push(problem(0, error.message, null));
      isWhole = false;
    }
  }
  return {
    value: value ?? {},
    problems,
    isWhole,
    locate(path) {
      const offset = offsetOf(document, path);
      return offset === null ? null : positionAt(offset);
    },
  };
}

/**
 * Leaves each key once. Of a section that stands twice, both halves are checked: else one mistake would look like many.
 * Of other values the last one counts.
 */
function mergeDuplicates(document: Document): void {
  visit(document, {
    Map(_, map) {
      const kept = new Map<string, Pair>();
      for (const pair of map.items) {
        const name = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
        const former = kept.get(name);
        if (former !== undefined && isMap(former.value) && isMap(pair.value)) {
          former.value.items.push(...pair.value.items);
        } else kept.set(name, pair);
      }
      map.items = [...kept.values()];
    },
  });
}

const FIXES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'keep one of the two',
  TAB_AS_INDENT: 'indent with spaces',
};

/** Offset of the key (or of the list item) at this path, or of its nearest ancestor that is there. */
function offsetOf(document: Document, path: ConfigPath): number | null {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? null) : null;
  for (const segment of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === segment,
      );
      if (pair === undefined) return offset;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(segment)];
      if (!isNode(node)) return offset;
      offset = node.range?.[0] ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}
