import type { z } from 'zod';
import { type ConfigPath, nearestName, type Problem, pathText } from './problem.js';
import { knownKeys, settingKind } from './schema-walk.js';
import { plainName, settingVariables } from './variable-name.js';

export interface Overrides {
  readonly value: unknown;
  /** Which variable set the value at a path (`pathText`). */
  readonly variables: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/**
 * Lays environment variables over a config. Upper and lower case, `-` and `_` make no difference in a name:
 * `DOGGED__SHUTDOWN_GRACE` is `shutdownGrace`. A list or a map is written as JSON. The given value is not changed.
 */
export function applyEnvironment(
  written: unknown,
  environment: Readonly<Record<string, string | undefined>>,
  schema: z.core.$ZodType,
): Overrides {
  let value = written;
  const variables = new Map<string, string>();
  const problems: Problem[] = [];
  for (const { variable, segments, text } of settingVariables(environment)) {
    const found = findPath(segments, value, schema);
    if ('unknown' in found) {
      problems.push({ position: null, variable, path: '', message: 'names no setting', fix: found.unknown });
      continue;
    }
    value = withValue(value, found.path, readValue(text, settingKind(schema, found.path)));
    variables.set(pathText(found.path), variable);
  }
  return { value, variables, problems };
}

function findPath(
  segments: readonly string[],
  value: unknown,
  schema: z.core.$ZodType,
): { readonly path: ConfigPath } | { readonly unknown: string | null } {
  const path: string[] = [];
  let here = value;
  for (const segment of segments) {
    const kind = settingKind(schema, path);
    const names = kind === 'names' ? Object.keys(isMap(here) ? here : {}) : knownKeys(schema, path);
    const name = names.find((candidate) => plainName(candidate) === plainName(segment));
    if (name === undefined) {
      if (kind === 'names' && path.at(-1) === 'env') {
        path.push(segment);
        continue;
      }
      const near = nearestName(plainName(segment), names.map(plainName));
      const meant = names.find((candidate) => plainName(candidate) === near);
      return { unknown: meant === undefined ? null : `did you mean ${pathText([...path, meant])}?` };
    }
    path.push(name);
    here = isMap(here) ? here[name] : undefined;
  }
  return { path };
}

/** What cannot be read as the kind that belongs here stays text, and the schema says what is wrong with it. */
function readValue(text: string, kind: ReturnType<typeof settingKind>): unknown {
  switch (kind) {
    case 'text':
      return text;
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'flag':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'names':
    case 'other':
    case 'none':
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
  }
}

function withValue(here: unknown, path: ConfigPath, value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  const map = isMap(here) ? here : {};
  return { ...map, [first]: withValue(map[first], rest, value) };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
