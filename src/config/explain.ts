import type { z } from 'zod';
import type { Config } from './config.js';
import { type ConfigPath, nearestName } from './problem.js';
import { knownKeys } from './schema-walk.js';

/** A problem that has not been placed in a file yet. */
export interface Finding {
  readonly path: ConfigPath;
  readonly message: string;
  readonly fix: string | null;
}

/**
 * Settings that are described for dogged but do nothing in this version: silence would be a false promise. NAME stands for
 * what a user calls a source or a task.
 */
export const LATER_SETTINGS: ReadonlySet<string> = new Set([]);

/** Says in a user's words what the schema found, one finding for each thing to mend. */
export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  written: unknown,
  schema: z.core.$ZodType,
): readonly Finding[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)));
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => explainUnknownKey([...path, key], schema));
    }
    if (issue.code === 'invalid_key') {
      return { path, message: issue.issues[0]?.message ?? issue.message, fix: null };
    }
    if (issue.code === 'invalid_union') {
      // Where one form fits but for an inner detail, the detail says more than "must be this or that".
      const inner = issue.errors.find((branch) =>
        branch.every((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
      );
      if (inner !== undefined && inner.length > 0) {
        const placed = inner.map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
        return explainIssues(placed, written, schema);
      }
    }
    const value = valueAt(written, path);
    if (value === undefined) return { path, message: `is missing: it ${issue.message}`, fix: null };
    const fix = issue.code === 'invalid_value' ? nearestValue(value, issue.values) : null;
    return {
      path,
      message: `${issue.message}${mayBeSecret(path) ? '' : notThis(value)}`,
      fix: fix ?? fixFor(value, issue.message),
    };
  });
}

/** What is no mistake, and yet can hardly be meant: the config stays valid. */
export function explainIdle(config: Pick<Config, 'sources' | 'tasks'>): readonly Finding[] {
  const { sources, tasks } = config;
  const findings: Finding[] = [];
  if (sources.length === 0) {
    const task = tasks[0]?.name ?? 'implement';
    const fix = `add a source, such as ideas: { log: ./ideas_log.json, key: title, task: ${task} }`;
    findings.push({ path: ['sources'], message: 'are empty: nothing is polled', fix });
  }
  if (tasks.length === 0) {
    const fix = 'add a task, such as implement: { run: [node, handlers/implement.mjs] }';
    findings.push({ path: ['tasks'], message: 'are empty: nothing can be run', fix });
  }
  return findings;
}

function explainUnknownKey(path: ConfigPath, schema: z.core.$ZodType): Finding {
  const [section, , ...rest] = path;
  const general = section === 'sources' || section === 'tasks' ? [section, 'NAME', ...rest] : path;
  if (LATER_SETTINGS.has(general.join('.'))) {
    return { path, message: 'is not supported by this version', fix: 'remove it' };
  }
  const known = knownKeys(schema, path.slice(0, -1));
  const near = nearestName(String(path.at(-1)), known);
  return {
    path,
    message: 'is not a known setting',
    fix:
      near === null
        ? `known here: ${known.filter((key) => key !== '$schema').join(', ')}`
        : `did you mean "${near}"?`,
  };
}

function notThis(value: unknown): string {
  if (value === null) return '; nothing stands there';
  if (typeof value === 'object' || typeof value === 'function') return '';
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return `, not ${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}`;
}

/** A token may stand in any part of an address or a command. */
function mayBeSecret([section, , key]: ConfigPath): boolean {
  return section === 'store' || (section === 'alerts' && key !== 'on');
}

function nearestValue(value: unknown, allowed: readonly unknown[]): string | null {
  if (typeof value !== 'string') return null;
  const near = nearestName(
    value,
    allowed.filter((one) => typeof one === 'string'),
  );
  return near === null ? null : `did you mean "${near}"?`;
}

function fixFor(value: unknown, message: string): string | null {
  if (typeof value === 'number' && message.includes('duration')) return `write a unit: ${value}s`;
  if (typeof value === 'number' && message.includes('size')) return `write a unit: ${value}KB`;
  return null;
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (here, segment) =>
      typeof here === 'object' && here !== null && Object.hasOwn(here, segment)
        ? (here as Record<string | number, unknown>)[segment]
        : undefined,
    value,
  );
}
