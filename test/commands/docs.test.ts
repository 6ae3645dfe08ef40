import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../../src/commands/catalogue.js';

const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const commands = CATALOGUE.flatMap((group) => group.commands);

/** Name → text of its section. */
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [
      /^dogged (\S+)\n/.exec(section)?.[1] ?? section.slice(0, 40),
      section.split(/^## /m)[0] ?? '',
    ]),
);

async function flagsOf(name: string): Promise<string[]> {
  const module = await commands.find((entry) => entry.name === name)?.load();
  const command = new Command(name);
  module?.configure?.(command);
  return command.options
    .flatMap((option) => [option.short, option.long])
    .filter((flag) => flag !== undefined);
}

describe('docs/cli.md', () => {
  test('has a section for each command, and for nothing else, in the order of the help', () => {
    expect([...sections.keys()]).toEqual(commands.map(({ name }) => name));
  });

  test.each(commands.map(({ name }) => name))(
    'gives %s an example, all of its flags, and no others',
    async (name) => {
      const section = sections.get(name) ?? '';
      expect(section).toMatch(new RegExp(`\`\`\`sh\\n[^\`]*dogged ${name}`));
      const documented = [...section.matchAll(/^- (`-[^:]*):/gm)]
        .flatMap(([, flags]) => (flags ?? '').match(/(?<=[`\s])--?[a-z][a-z-]*/g) ?? [])
        .sort();
      expect(documented).toEqual((await flagsOf(name)).sort());
    },
  );
});
