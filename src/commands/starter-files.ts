import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONFIG_NAMES } from '../config/locate.js';
import { DoggedError } from '../job/errors.js';

const templates = fileURLToPath(new URL('../../templates', import.meta.url));
const editorSchema = fileURLToPath(new URL('../config.schema.json', import.meta.url));
/** Stands in a folder that would else be empty, which version control and packages leave out. */
const FOLDER_KEEPER = '.gitkeep';
const SCHEMA_LINE = /^# yaml-language-server: .*$/m;

export interface StarterFiles {
  /** Relative paths; folders end with `/`. */
  readonly made: readonly string[];
  readonly kept: readonly string[];
}

/**
 * Copies an example into a folder. Never overwrites: what has the name of a starter file, a broken link included, is kept,
 * and no second config is put beside one of another form. Throws USAGE for an unknown example or a folder that is none.
 */
export function writeStarterFiles(folder: string, example: string): StarterFiles {
  const examples = readdirSync(templates);
  if (!examples.includes(example)) {
    const problem = `There is no example "${example}". There is: ${examples.join(', ')}.`;
    throw new DoggedError('USAGE', { problem, command: 'init' });
  }
  const made: string[] = [];
  const kept: string[] = [];
  const note = (name: string, isNew: boolean) => (isNew ? made : kept).push(name);
  makeFolder(folder);
  const otherConfig = CONFIG_NAMES.find((name) => existsSync(join(folder, name)));
  for (const name of filesOf(join(templates, example))) {
    if (basename(name) === FOLDER_KEEPER) {
      note(`${dirname(name)}/`, makeFolder(join(folder, dirname(name))));
    } else if (name === CONFIG_NAMES[0] && otherConfig !== undefined) {
      note(otherConfig, false);
    } else {
      makeFolder(dirname(join(folder, name)));
      note(name, writeNew(join(folder, name), contentOf(join(templates, example, name), folder)));
    }
  }
  return { made, kept };
}

/** Config first, then by name: the order in which somebody reads them. */
function filesOf(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort((a, b) => Number(b === CONFIG_NAMES[0]) - Number(a === CONFIG_NAMES[0]) || (a < b ? -1 : 1));
}

/** Whether it is new. */
function makeFolder(path: string): boolean {
  try {
    return mkdirSync(path, { recursive: true }) !== undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' && code !== 'ENOTDIR') throw error;
    const problem = `${path} is not a folder, and init does not put one in its place.`;
    throw new DoggedError('USAGE', { problem, command: 'init' }, { cause: error });
  }
}

function writeNew(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Editors find the schema of a config by a path in its first line: that of this installation. */
function contentOf(template: string, folder: string): string {
  const text = readFileSync(template, 'utf8');
  const way = relative(folder, editorSchema);
  const schema = way.startsWith('..') || isAbsolute(way) ? editorSchema : `./${way}`;
  return text.replace(SCHEMA_LINE, () => `# yaml-language-server: $schema=${schema}`);
}
