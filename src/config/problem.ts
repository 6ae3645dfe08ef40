import { relative } from 'node:path';

/** Where in a config something is: names of keys, and positions in lists. */
export type ConfigPath = readonly (string | number)[];

export interface Position {
  /** From 1, as editors count. */
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong with a config, and what to do about it. */
export interface Problem {
  /** null when the whole file is meant, or when the value came from the environment. */
  readonly position: Position | null;
  /** The environment variable that set the value, or null. */
  readonly variable: string | null;
  /** `sources.ideas.route[0].task`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
  readonly fix: string | null;
}

/** What a reader of one file format gives: the bare value, and a way back from a path to the text. */
export interface ConfigDocument {
  readonly value: unknown;
  /** Problems of the text itself. */
  readonly problems: readonly Problem[];
  /** False when there are problems that leave nothing to validate: `value` is then incomplete. */
  readonly isWhole: boolean;
  /** Where this path stands: its key, or its value for an item of a list; for a missing one, where it would belong. */
  locate(path: ConfigPath): Position | null;
}

export function pathText(path: ConfigPath): string {
  return path.reduce<string>((text, segment) => {
    if (typeof segment === 'number') return `${text}[${segment}]`;
    return text === '' ? segment : `${text}.${segment}`;
  }, '');
}

/** One line: `file:line:column  path message — fix`, or the variable's name in place of the file. */
export function formatProblem(problem: Problem, file: string): string {
  const { position, variable, path, message, fix } = problem;
  const at = position === null ? '' : `:${position.line}:${position.column}`;
  const place = variable ?? `${shortPath(file)}${at}`;
  return `${place}  ${path === '' ? '' : `${path} `}${message}${fix === null ? '' : ` — ${fix}`}`;
}

function shortPath(file: string): string {
  const short = relative(process.cwd(), file);
  return short === '' || short.startsWith('..') ? file : short;
}

/** The known name that was probably meant, or null when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | null {
  const farthest = Math.max(1, Math.floor(name.length / 3));
  let best: { name: string; distance: number } | null = null;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance <= farthest && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) {
      best = { name: candidate, distance };
    }
  }
  return best?.name ?? null;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replace, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
