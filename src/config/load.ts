import { readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { DoggedError } from '../job/errors.js';
import { plural } from '../platform/duration-text.js';
import { checkEvery } from './check-every.js';
import { checkRequire } from './check-require.js';
import type { Config } from './config.js';
import { crossCheck } from './cross-check.js';
import { applyEnvironment } from './environment.js';
import { explainIdle, explainIssues, type Finding } from './explain.js';
import { type ConfigDocument, formatProblem, type Problem, pathText } from './problem.js';
import { readJson } from './read-json.js';
import { readModule } from './read-module.js';
import { readYaml } from './read-yaml.js';
import { resolveConfig } from './resolve.js';
import { configSchema } from './schema.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Either a config or at least one problem. */
export type ConfigReading = {
  readonly file: string;
  /** As it was read, valid or not, with the environment laid over it; undefined where no parser could read it. */
  readonly value: unknown;
  place(finding: Finding): Problem;
} & (
  | {
      readonly config: Config;
      readonly problems: readonly [];
      /** What is no mistake, and yet can hardly be meant. */
      readonly warnings: readonly Problem[];
    }
  | { readonly config: null; readonly problems: readonly Problem[]; readonly warnings: readonly [] }
);

/**
 * The config of this file with the environment laid over it: valid, complete, deeply frozen.
 *
 * Throws CONFIG_MISSING when there is no such file, and CONFIG_INVALID with every problem, not just the first; nothing
 * is guessed and no key is passed over.
 */
export async function loadConfig(file: string, environment: Environment = process.env): Promise<Config> {
  return configIn(await readConfig(file, environment));
}

/** The config of a reading. Throws CONFIG_INVALID where it has problems. */
export function configIn(reading: ConfigReading): Config {
  if (reading.config !== null) return reading.config;
  throw new DoggedError('CONFIG_INVALID', {
    file: reading.file,
    count: plural(reading.problems.length, 'problem'),
    problems: reading.problems.map((problem) => formatProblem(problem, reading.file)).join('\n'),
  });
}

/**
 * As `loadConfig`, for a caller that wants the problems one by one, or has found more of them: `place` tells where they
 * stand. Throws only CONFIG_MISSING.
 */
export async function readConfig(
  givenFile: string,
  environment: Environment = process.env,
): Promise<ConfigReading> {
  const file = resolve(givenFile);
  const document = await readDocument(file);
  const {
    value,
    variables,
    problems: misnamed,
  } = applyEnvironment(document.value, environment, configSchema);
  const place = (finding: Finding) => placed(finding, document, variables);
  if (!document.isWhole)
    return { file, value: undefined, place, config: null, problems: document.problems, warnings: [] };

  const parsed = configSchema.safeParse(value);
  const findings = [
    ...(parsed.success ? [] : explainIssues(parsed.error.issues, value, configSchema)),
    ...crossCheck(value, dirname(file)),
    ...(await checkRequire(value)),
    ...(await checkEvery(value)),
  ];
  const problems = [...document.problems, ...findings.map(place), ...misnamed].sort(byPosition);
  if (parsed.success && problems.length === 0) {
    const config = resolveConfig(parsed.data, file);
    return { file, value, place, config, problems: [], warnings: explainIdle(config).map(place) };
  }
  return { file, value, place, config: null, problems, warnings: [] };
}

async function readDocument(file: string): Promise<ConfigDocument> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new DoggedError('CONFIG_MISSING', { file }, { cause: error });
    if (code === 'EISDIR') return unreadable('is a folder', 'name the config file in it');
    return unreadable(
      `cannot be read: ${code}`,
      code === 'EACCES' ? `allow it with: chmod u+r ${file}` : null,
    );
  }
  const kind = extname(file);
  if (!['.yaml', '.yml', '.json', '.mjs', '.js', '.ts', '.mts'].includes(kind)) {
    return unreadable(`has the ending "${kind}"`, 'use .yaml, .yml, .json, .mjs, .js or .ts');
  }
  if (/^\.m?[jt]s$/.test(kind)) return readModule(file);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return unreadable('is not UTF-8 text', 'save it as UTF-8');
  }
  return kind === '.json' ? readJson(text) : readYaml(text);
}

function unreadable(message: string, fix: string | null): ConfigDocument {
  const problem: Problem = { position: null, variable: null, path: '', message, fix };
  return { value: undefined, problems: [problem], isWhole: false, locate: () => null };
}

/** A value that a variable set is that variable's problem, wherever the file stands. */
function placed(finding: Finding, document: ConfigDocument, variables: ReadonlyMap<string, string>): Problem {
  const { path, message, fix } = finding;
  for (let length = path.length; length > 0; length -= 1) {
    const variable = variables.get(pathText(path.slice(0, length)));
    if (variable !== undefined) return { position: null, variable, path: pathText(path), message, fix };
  }
  return { position: document.locate(path), variable: null, path: pathText(path), message, fix };
}

function byPosition(a: Problem, b: Problem): number {
  const line = (problem: Problem) => problem.position?.line ?? Number.MAX_SAFE_INTEGER;
  return line(a) - line(b) || (a.position?.column ?? 0) - (b.position?.column ?? 0);
}
