import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { inTheirModules } from '../../src/heartbeat/frame-places.js';
import { builtCli } from '../support/built-program.js';

const dist = dirname(builtCli());
const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n');

test('a place in the one file of the worker is told as the place of the same words in their module', () => {
  const file = join(dist, 'worker.js');
  const modules = ['platform/standstill.js', 'intake/gate.js', 'dispatch/loop.js'].map((name) =>
    join(dist, name),
  );
  // Words that stand once in one of the modules and nowhere else in the one file.
  const words = modules.flatMap((module) =>
    linesOf(module)
      .map((text) => text.trim())
      .filter((text) => /^(if|for|while|return|throw|this)\b.{12,}[;{]$/.test(text))
      .map((text) => ({ module, text })),
  );
  const flat = linesOf(file);
  const unique = words.filter(({ text }) => flat.filter((line) => line.trim() === text).length === 1);
  expect(unique.length).toBeGreaterThan(30);
  for (const { module, text } of unique) {
    const at = flat.findIndex((line) => line.trim() === text);
    const frame = { function: 'f', file, line: at + 1, column: (flat[at] ?? '').indexOf(text) + 1 };
    const [place] = inTheirModules([frame]);
    expect(place).toMatchObject({ function: 'f', file: module });
    const told = linesOf(module)[(place?.line ?? 0) - 1] ?? '';
    expect(told.slice((place?.column ?? 0) - 1)).toBe(text);
  }
});

test('a place in a file that is a module by itself is told as it is', () => {
  const frame = { function: 'f', file: join(dist, 'intake/gate.js'), line: 3, column: 5 };
  expect(inTheirModules([frame])).toEqual([frame]);
});
