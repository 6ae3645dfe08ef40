import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { plainName, settingVariables } from './variable-name.js';

/** In this order: the first that is there is the config of a folder. */
export const CONFIG_NAMES = [
  'dogged.config.yaml',
  'dogged.config.yml',
  'dogged.config.json',
  'dogged.config.mjs',
  'dogged.config.js',
  'dogged.config.ts',
] as const;

export interface Location {
  /** Absolute. Where none was found: where one would be looked for first. */
  readonly configFile: string;
  readonly configExists: boolean;
  /** Absolute; need not exist. */
  readonly stateFolder: string;
}

/**
 * Finds config and state folder without validating anything: a broken config still has a worker to be stopped and logs
 * to be read. Agrees with `loadConfig` on every config that is valid (a test holds the two together), and never throws.
 *
 * Loads neither a YAML parser nor the schema where the state folder is written plainly, as it nearly always is; only an
 * unusual spelling, or a config that is a program, costs more.
 */
export async function locate(
  given?: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  workingFolder = process.cwd(),
): Promise<Location> {
  const configFile = findConfig(given, workingFolder);
  const configExists = existsSync(configFile);
  const state =
    stateVariable(environment) ?? (configExists ? await writtenState(configFile) : null) ?? './state';
  return { configFile, configExists, stateFolder: resolve(dirname(configFile), state) };
}

function findConfig(given: string | undefined, folder: string): string {
  if (given !== undefined) return resolve(folder, given);
  const name = CONFIG_NAMES.find((candidate) => existsSync(resolve(folder, candidate))) ?? CONFIG_NAMES[0];
  return resolve(folder, name);
}

function stateVariable(environment: Readonly<Record<string, string | undefined>>): string | null {
  const found = settingVariables(environment).findLast(
    ({ segments }) => segments.length === 1 && plainName(segments[0] ?? '') === 'state',
  );
  return found?.text || null;
}

/** The setting as it stands in the file; null when it is left out or cannot be found. */
async function writtenState(file: string): Promise<string | null> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').replace(/^\ufeff/, '');
  } catch {
    return null; // Unreadable, as `dogged check` will say: the default folder is the best guess.
  }
  switch (extname(file)) {
    case '.json':
      return stateInJson(text);
    case '.yaml':
    case '.yml':
      return stateInYaml(text);
    default:
      return stateInModule(file, text);
  }
}

function stateInJson(text: string): string | null {
  try {
    return stateOf(JSON.parse(text));
  } catch {
    const match = /"state"\s*:\s*"([^"\\]*)"/.exec(text);
    return match?.[1] ?? null;
  }
}

/** A key that is spelt so that only a parser can tell whether it means `state`. */
const UNUSUAL_YAML = /^(?:\s*(?:#[^\n]*)?\n)*\s*[{%&!]|^(?:<<|\?|["'][^\n]*\\|---[ \t]+[^#\s])/m;
const STATE_LINE = /^(?:state|"state"|'state')[ \t]*:(?:[ \t]+([^\n]*))?(?:\n([ \t]+[^\s#][^\n]*))?/m;
const QUOTED = /^(?:"([^"\\]*)"|'([^']*)')\s*(?:\s#.*)?$/;
const PLAIN = /^([A-Za-z0-9_./~][^\s:#{}[\],&*!|>'"%@`]*)\s*(?:\s#.*)?$/;

async function stateInYaml(text: string): Promise<string | null> {
  const unix = text.replaceAll('\r\n', '\n');
  if (!UNUSUAL_YAML.test(unix)) {
    const line = STATE_LINE.exec(unix);
    if (line === null) return null;
    const [, value = '', continuation] = line;
    const simple = QUOTED.exec(value) ?? PLAIN.exec(value);
    if (simple !== null && continuation === undefined) return simple[1] ?? simple[2] ?? null;
  }
  const { parseDocument } = await import('yaml');
  try {
    return stateOf(parseDocument(unix, { merge: true, logLevel: 'silent' }).toJS());
  } catch {
    return null;
  }
}

/** Only running it can tell; one without the word is spared that. */
async function stateInModule(file: string, text: string): Promise<string | null> {
  if (!/\bstate\b/.test(text)) return null;
  const { readModule } = await import('./read-module.js');
  const { value, problems } = await readModule(file);
  return problems.length === 0
    ? stateOf(value)
    : (/^\s*state\s*:\s*(['"])([^'"\\]*)\1/m.exec(text)?.[2] ?? null);
}

function stateOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || !('state' in value)) return null;
  return typeof value.state === 'string' && value.state !== '' ? value.state : null;
}
