import { isUtf8 } from 'node:buffer';
import type { PathName } from './file-access.js';

/** A name in a folder, as text for people, patterns and keys. */
export interface FileName {
  readonly text: string;
  /** The name itself where it is not UTF-8; its text then has `\xNN` for the bytes that are not ASCII. */
  readonly bytes: Buffer | null;
}

const ASCII = /^[\0-\x7f]*$/;

/** `latin1` holds one byte in each character. */
export function fileName(latin1: string): FileName {
  if (ASCII.test(latin1)) return { text: latin1, bytes: null };
  const bytes = Buffer.from(latin1, 'latin1');
  if (isUtf8(bytes)) return { text: bytes.toString('utf8'), bytes: null };
  const text = [...bytes].map((byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  );
  return { text: text.join(''), bytes };
}

/** What opens the file at `path`, whatever the bytes of its name are. */
export function openablePath(path: string, rawName: Buffer | undefined): PathName {
  return rawName === undefined
    ? path
    : Buffer.concat([Buffer.from(path.slice(0, path.lastIndexOf('/') + 1)), rawName]);
}

/**
 * What editors, copy programs and network file systems leave beside a file while it is written: never a record. `4913`
 * is vim's test whether it may write in a folder.
 */
function isTemporaryName(name: string): boolean {
  return (
    name.startsWith('.') ||
    name.endsWith('~') ||
    name === '4913' ||
    /\.(tmp|temp|swp|swx|part|crdownload|filepart)$/i.test(name) ||
    /^#.*#$/.test(name)
  );
}

/** Whether a name in a source's folder is one of its files. */
export function createNameFilter(match: string, exclude: readonly string[]): (name: string) => boolean {
  const wanted = globPattern(match);
  const unwanted = exclude.map(globPattern);
  return (name) =>
    !isTemporaryName(name) && wanted.test(name) && !unwanted.some((pattern) => pattern.test(name));
}

/** Globs of names, not of paths: `*`, `?`, `[a-z]`, `[!a-z]` and `{one,two}`; `\` takes the next character as it is. */
function globPattern(glob: string): RegExp {
  let pattern = '';
  let braces = 0;
  for (let i = 0; i < glob.length; i += 1) {
    const char = glob[i] as string;
    const set = char === '[' ? /^\[([!^]?)(\]?[^\]]*)\]/.exec(glob.slice(i)) : null;
    if (set !== null) {
      pattern += `[${set[1] === '' ? '' : '^'}${(set[2] ?? '').replace(/[\\\]^[]/g, '\\$&')}]`;
      i += set[0].length - 1;
    } else if (char === '*') pattern += '.*';
    else if (char === '?') pattern += '.';
    else if (char === '{') {
      pattern += '(?:';
      braces += 1;
    } else if (char === '}' && braces > 0) {
      pattern += ')';
      braces -= 1;
    } else if (char === ',' && braces > 0) pattern += '|';
    else if (char === '\\' && i + 1 < glob.length) {
      i += 1;
      pattern += escapeRegExp(glob[i] as string);
    } else pattern += escapeRegExp(char);
  }
  return new RegExp(`^${pattern}${')'.repeat(braces)}$`, 'su');
}

function escapeRegExp(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}
