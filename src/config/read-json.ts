import type { ConfigDocument, ConfigPath, Position, Problem } from './problem.js';

/** Deeper than any config, and far from the end of the stack. */
const MAX_DEPTH = 200;

class JsonError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/**
 * Reads strict JSON. `JSON.parse` says neither where a value stands nor that a key is there twice, and on Node 20 often
 * not even where the text is wrong; so this walks the text once and keeps the offset of everything.
 */
export function readJson(text: string): ConfigDocument {
  const offsets = new Map<string, number>();
  const problems: Problem[] = [];
  const report = (offset: number, message: string, fix: string | null = null) => {
    problems.push({ position: positionAt(text, offset), variable: null, path: '', message, fix });
  };
  let value: unknown;
  let isWhole = true;
  try {
    value = walk(text, offsets, report);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    report(error.offset, error.message);
    isWhole = false;
  }
  return {
    value,
    problems,
    isWhole,
    locate(path) {
      for (let length = path.length; length >= 0; length -= 1) {
        const offset = offsets.get(JSON.stringify(path.slice(0, length)));
        if (offset !== undefined) return positionAt(text, offset);
      }
      return null;
    },
  };
}

const TOKEN =
  /[ \t\r\n]*(?:("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)(?!\w)|([[\]{},:]))/y;

interface Token {
  readonly text: string;
  readonly start: number;
  readonly kind: 'string' | 'number' | 'word' | 'mark';
}

function walk(
  text: string,
  offsets: Map<string, number>,
  report: (offset: number, message: string, fix: string) => void,
): unknown {
  let next = text.startsWith('\ufeff') ? 1 : 0;

  const fail = (expected: string): never => {
    const at = next + (/^[ \t\r\n]*/.exec(text.slice(next))?.[0].length ?? 0);
    const found =
      at >= text.length ? 'the end of the file' : JSON.stringify(text.slice(at, at + 12).split('\n')[0]);
    throw new JsonError(`is not JSON: ${expected} expected, but here is ${found}${hintFor(text, at)}`, at);
  };
  const peek = (): Token | null => {
    TOKEN.lastIndex = next;
    const match = TOKEN.exec(text);
    if (match === null) return null;
    const token = match[1] ?? match[2] ?? match[3] ?? match[4] ?? '';
    const kind =
      match[1] !== undefined
        ? 'string'
        : match[2] !== undefined
          ? 'number'
          : match[3] !== undefined
            ? 'word'
            : 'mark';
    return { text: token, start: TOKEN.lastIndex - token.length, kind };
  };
  const take = (token: Token): Token => {
    next = token.start + token.text.length;
    return token;
  };
  const takeMark = (marks: string): string => {
    const token = peek();
    if (token?.kind !== 'mark' || !marks.includes(token.text))
      return fail([...marks].map((m) => `"${m}"`).join(' or '));
    return take(token).text;
  };

  const readValue = (path: ConfigPath): unknown => {
    if (path.length > MAX_DEPTH) fail(`at most ${MAX_DEPTH} levels`);
    const token = peek() ?? fail('a value');
    const at = JSON.stringify(path);
    if (!offsets.has(at)) offsets.set(at, token.start);
    if (token.kind === 'mark' && token.text !== '{' && token.text !== '[') return fail('a value');
    take(token);
    if (token.text === '{') return readObject(path);
    if (token.text === '[') return readArray(path);
    return JSON.parse(token.text);
  };

  const readObject = (path: ConfigPath): unknown => {
    const entries = new Map<string, unknown>();
    if (peek()?.text === '}') return takeMark('}') && {};
    do {
      const token = peek();
      if (token?.kind !== 'string') return fail('a key in double quotes');
      const key = JSON.parse(take(token).text) as string;
      if (entries.has(key)) report(token.start, `has the key "${key}" twice`, 'keep one of the two');
      offsets.set(JSON.stringify([...path, key]), token.start);
      takeMark(':');
      entries.set(key, merged(entries.get(key), readValue([...path, key])));
    } while (takeMark(',}') === ',');
    return Object.fromEntries(entries);
  };

  const readArray = (path: ConfigPath): unknown[] => {
    const items: unknown[] = [];
    if (peek()?.text === ']') {
      takeMark(']');
      return items;
    }
    do items.push(readValue([...path, items.length]));
    while (takeMark(',]') === ',');
    return items;
  };

  const value = readValue([]);
  if (text.slice(next).trim() !== '') fail('the end of the file');
  return value;
}

/** Of a section that stands twice, both halves are checked: else one mistake would look like many. */
function merged(former: unknown, value: unknown): unknown {
  return isSection(former) && isSection(value) ? { ...former, ...value } : value;
}

function isSection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hintFor(text: string, at: number): string {
  if (text.startsWith('//', at) || text.startsWith('/*', at)) return ' (JSON has no comments; YAML has)';
  if (/[}\]]/.test(text[at] ?? '') && /,\s*$/.test(text.slice(0, at))) return ' (remove the comma before it)';
  return '';
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}
