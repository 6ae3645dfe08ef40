import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { LATER_SETTINGS } from '../../src/config/explain.js';
import { configJsonSchema } from '../../src/config/json-schema.js';
import { readYaml } from '../../src/config/read-yaml.js';
import { configSchema } from '../../src/config/schema.js';
import { ERRORS } from '../../src/job/errors.js';

const docs = fileURLToPath(new URL('../../docs', import.meta.url));
const configPage = readFileSync(join(docs, 'config.md'), 'utf8');
const errorsPage = readFileSync(join(docs, 'errors.md'), 'utf8');

interface Node {
  readonly properties?: Record<string, Node>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly default?: unknown;
  readonly description?: string;
}

/** Every setting that a user can write, with its default; a map of settings is not one itself. */
function settings(node: Node, path: string): [string, unknown][] {
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([key, child]) =>
      settings(child, path === '' ? key : `${path}.${key}`),
    );
  }
  const named = node.additionalProperties;
  if (typeof named === 'object' && named.properties !== undefined) return settings(named, `${path}.NAME`);
  const inner = [
    ...(node.items?.properties === undefined ? [] : settings(node.items, `${path}[]`)),
    ...(node.anyOf ?? [])
      .filter((branch) => branch.properties !== undefined)
      .flatMap((branch) => settings(branch, path)),
  ];
  return [[path, node.default], ...inner];
}

const known = new Map(settings(configJsonSchema() as Node, ''));
const documented = new Map(
  [...configPage.matchAll(/^\| `([^`]+)` \| (.+?) \| (.+) \|$/gm)].map(
    ([, path = '', value = '', text = '']) => [path, { value, text }],
  ),
);

describe('docs/config.md', () => {
  it('has every setting of the schema, and no other', () => {
    expect([...documented.keys()].sort()).toEqual([...known.keys()].sort());
  });

  it.each([...known].filter(([, value]) => value !== undefined && typeof value !== 'object'))(
    'tells the default of %s as it is: %j',
    (path, value) => {
      expect(documented.get(path)?.value).toBe(`\`${String(value)}\``);
    },
  );

  it('names every setting that this version refuses, and no other', () => {
    const [, section = ''] = configPage.split('## Not in this version');
    const named = [...section.matchAll(/`([A-Za-z.]+)`/g)]
      .map(([, path]) => path)
      .filter((path) => path !== 'store');
    expect(named.sort()).toEqual([...LATER_SETTINGS].sort());
    for (const path of LATER_SETTINGS) expect(known.has(path), path).toBe(false);
  });

  it.each([...configPage.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => [text ?? '']))(
    'shows YAML that is valid: %j',
    (text) => {
      const { value, problems } = readYaml(text);
      expect(problems).toEqual([]);
      expect(configSchema.safeParse(value).error).toBeUndefined();
    },
  );
});

describe('the schema for editors', () => {
  it('describes every setting, so that an editor has something to show', () => {
    const bare: string[] = [];
    const visit = (node: Node, path: string) => {
      for (const [key, child] of Object.entries(node.properties ?? {})) {
        if (child.description === undefined && child.properties === undefined) bare.push(`${path}${key}`);
        visit(child, `${path}${key}.`);
      }
      if (typeof node.additionalProperties === 'object') visit(node.additionalProperties, `${path}NAME.`);
    };
    visit(configJsonSchema() as Node, '');
    expect(bare).toEqual([]);
  });
});

describe('docs/errors.md', () => {
  const rows = new Map(
    [...errorsPage.matchAll(/^\| `([A-Z_]+)` \| (\d+) \|/gm)].map(([, code = '', exit]) => [
      code,
      Number(exit),
    ]),
  );

  it('has every error with its exit code, and no other', () => {
    const codes = Object.fromEntries(Object.entries(ERRORS).map(([code, { exitCode }]) => [code, exitCode]));
    expect(Object.fromEntries(rows)).toEqual(codes);
  });
});
