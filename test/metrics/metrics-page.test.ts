import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');
const folder = new URL('../../src/metrics/', import.meta.url);
const source = readdirSync(folder)
  .map((name) => readFileSync(new URL(name, folder), 'utf8'))
  .join('');

const namesIn = (text: string, pattern: RegExp) => [...new Set(text.match(pattern))].sort();
const told = namesIn(source, /(?<=')dogged_[a-z0-9_]+(?=')/g);

test('the page has a row for every metric that the program tells, and for no other', () => {
  const rows =
    page
      .match(/^\| `dogged_.*$/gm)
      ?.map((row) => row.split('|')[1])
      .join() ?? '';
  expect(namesIn(rows, /dogged_[a-z0-9_]+/g)).toEqual(told);
});

test('the alerts that the page shows ask for nothing that is not told', () => {
  const asked = page.match(/expr: .*/g)?.join() ?? '';
  const names = namesIn(asked, /dogged_[a-z0-9_]+/g);
  expect(names.length).toBeGreaterThan(4);
  for (const name of names) expect(told).toContain(name);
});
